// Every op against central differences, in f64 to 1e-9: shapes, broadcast classes, and views as operands.
#include "op_gradients.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

// ---- ops of one tensor of any shape

const Unary unary_ops[] = {
    {"exp", [](const Tensor& x) { return exp(x); }},
    {"log", [](const Tensor& x) { return log(x); }, 0.5, 2.5},
    {"sqrt", [](const Tensor& x) { return sqrt(x); }, 0.5, 2.5},
    {"tanh", [](const Tensor& x) { return tanh(x); }},
    {"sigmoid", [](const Tensor& x) { return sigmoid(x); }},
    {"relu", [](const Tensor& x) { return relu(x); }},
    {"softsign", [](const Tensor& x) { return softsign(x); }},
    {"abs", [](const Tensor& x) { return abs(x); }},
    {"-x", [](const Tensor& x) { return -x; }},
    {"x + 2", [](const Tensor& x) { return x + 2.0; }},
    {"2 + x", [](const Tensor& x) { return 2.0 + x; }},
    {"x - 2", [](const Tensor& x) { return x - 2.0; }},
    {"2 - x", [](const Tensor& x) { return 2.0 - x; }},
    {"x * 3", [](const Tensor& x) { return x * 3.0; }},
    {"3 * x", [](const Tensor& x) { return 3.0 * x; }},
    {"x / 4", [](const Tensor& x) { return x / 4.0; }},
    {"4 / x", [](const Tensor& x) { return 4.0 / x; }, 0.5, 2.5},
    {"x + x", [](const Tensor& x) { return x + x; }},
    {"x * x", [](const Tensor& x) { return x * x; }},
    {"x - x * x", [](const Tensor& x) { return x - x * x; }},
    {"(x - x) + x tanh x", [](const Tensor& x) { return (x - x) + x * tanh(x); }},
    {"x / x", [](const Tensor& x) { return x / (x * x); }, 0.5, 2.5},
    {"max(x, x / 2)", [](const Tensor& x) { return max(x, x / 2.0); }},
    {"min(x, x / 2)", [](const Tensor& x) { return min(x, x / 2.0); }},
    {"pointwise(x, x)", [](const Tensor& x) { return pointwise([](auto a, auto b) { return a * tanh(b); }, x, x); }},
    {"sum", [](const Tensor& x) { return sum(x); }},
    {"transpose", [](const Tensor& x) { return transpose(x); }},
    {"temporaries", [](const Tensor& x) { return (2.0 * x) + (x * x) - tanh(x); }},
    {"reshape", [](const Tensor& x) { return x * reshape(reshape(x, {x.size()}), x.shape()); }},
    {"watched",
     [](const Tensor& x) {
       Tensor y = x * x;
       if (Tape::current() != nullptr) y = Tape::current()->watch(y);
       return y + x;
     }},
};

// Ops that need an axis, or an element.
const Unary axis_ops[] = {
    {"mean", [](const Tensor& x) { return mean(x); }},
    {"max", [](const Tensor& x) { return max(x); }},
    {"logsumexp", [](const Tensor& x) { return logsumexp(x); }},
    {"sum of the last", [](const Tensor& x) { return sum(x, {-1}); }},
    {"sum of the first, kept", [](const Tensor& x) { return sum(x, {0}, true); }},
    {"mean of the last, kept", [](const Tensor& x) { return mean(x, {-1}, true); }},
    {"mean of the first", [](const Tensor& x) { return mean(x, {0}); }},
    {"max of the last", [](const Tensor& x) { return max(x, {-1}); }},
    {"max of the first, kept", [](const Tensor& x) { return max(x, {0}, true); }},
    {"logsumexp of the last", [](const Tensor& x) { return logsumexp(x, {-1}); }},
    {"logsumexp of the first, kept", [](const Tensor& x) { return logsumexp(x, {0}, true); }},
    {"softmax", [](const Tensor& x) { return softmax(x); }},
    {"log_softmax", [](const Tensor& x) { return log_softmax(x); }},
    {"flip of the first", [](const Tensor& x) { return flip(x, 0); }},
    {"flip of the last", [](const Tensor& x) { return flip(x, -1); }},
    {"concat{x, x} on the last",
     [](const Tensor& x) {
       return concat({x, x}, -1);
     }},
    {"concat{x, x * x} on the first",
     [](const Tensor& x) {
       return concat({x, x * x}, 0);
     }},
    {"slice of the first", [](const Tensor& x) { return slice(x, 0, 0, x.dim(0)) * slice(x, 0, 0, x.dim(0)); }},
    {"slice of the last", [](const Tensor& x) { return slice(x, -1, x.dim(-1) / 2, x.dim(-1)); }},
    {"no slice at all",
     [](const Tensor& x) {
       return concat({slice(x, -1, 0, 0), x});
     }},
    {"at the last", [](const Tensor& x) { return at(x, x.dim(0) - 1); }},
    {"stack",
     [](const Tensor& x) {
       const Tensor y = x.ndim() == Shape::max_axes ? at(x, 0) : x;
       return stack(std::vector{y, y * y, y});
     }},
};

}  // namespace

TEST_CASE("gradients: ops of one tensor, as itself and as a part") {
  for (const Unary& op : unary_ops) check_unary(op);
  for (const Unary& op : axis_ops) {
    for (const Shape& shape : shapes) check_unary(op, shape);
  }
}

TEST_CASE("gradients: axes of three and more") {
  for (const bool keep : {false, true}) {
    check_grad("sum of a middle axis", [=](auto x) { return sum(x, {1}, keep); }, {2, 3, 4});
    check_grad("sum of two axes", [=](auto x) { return sum(x, {0, -1}, keep); }, {2, 3, 4});
    check_grad("mean of a middle axis", [=](auto x) { return mean(x, {-2}, keep); }, {2, 3, 4});
    check_grad("max of two axes", [=](auto x) { return max(x, {0, 2}, keep); }, {2, 3, 4});
    check_grad("max of a middle axis", [=](auto x) { return max(x, {1}, keep); }, {2, 3, 1, 2});
    check_grad("logsumexp of two axes", [=](auto x) { return logsumexp(x, {1, 2}, keep); }, {2, 3, 4});
    check_grad("sum of an empty axis", [=](auto x) { return sum(x, {0}, keep); }, {0, 3});
  }
  check_grad("transpose {1, 0, 2}", [](auto x) { return transpose(x, {1, 0, 2}); }, {2, 3, 4});
  check_grad("transpose {2, 0, 1}", [](auto x) { return transpose(x, {2, 0, 1}); }, {2, 3, 4});
  check_grad("transpose {3, 1, 0, 2}", [](auto x) { return transpose(x, {-1, 1, 0, 2}); }, {2, 3, 4, 5});
  check_grad("slice of a middle axis", [](auto x) { return slice(x, 1, 1, 3); }, {2, 4, 3});
  check_grad("concat on a middle axis", [](auto x, auto y) { return concat({x, y, x}, 1); }, {2, 3, 4}, {2, 1, 4});
  check_grad("concat with nothing", [](auto x, auto y) { return concat({x, y}, 0); }, {2, 3}, {0, 3});
  check_grad("flip of a middle axis", [](auto x) { return flip(x, 1); }, {2, 3, 4});
  check_grad("flip within lengths", [](auto x) { return flip(x, {3, 0, 1, 2}); }, {3, 4, 2});
  check_grad("flip within lengths [T, B]", [](auto x) { return flip(x, {2, 1}); }, {3, 2});
  check_grad(
      "stack of scalars",
      [](auto x, auto y) {
        return stack(std::vector{x, y, x});
      },
      Shape{}, Shape{});
  check_grad("stack of views", [](auto x) { return stack(std::vector{split<2>(x)[1], split<2>(x)[0]}); }, {3, 6});
  for (const std::size_t n : {4097u, 9001u}) {  // over several tiles, the last one odd
    check_grad("long pointwise", [](auto x, auto y) { return softsign(x * y); }, {n}, {1});
    check_grad("long product", [](auto x, auto y) { return x * y; }, {2, n}, {n});
    check_grad("long quotient of a column", [](auto x, auto y) { return x / (y * y + 1.0) + max(x, y + 5.0); }, {3, n},
               {3, 1});
  }
}

TEST_CASE("gradients: two operands in every broadcast class") {
  const Binary ops[] = {
      {"a + b", [](const Tensor& a, const Tensor& b) { return a + b; }},
      {"a - b", [](const Tensor& a, const Tensor& b) { return a - b; }},
      {"a * b", [](const Tensor& a, const Tensor& b) { return a * b; }},
      {"a / b", [](const Tensor& a, const Tensor& b) { return a / b; }},
      {"max", [](const Tensor& a, const Tensor& b) { return max(a, b); }},
      {"min", [](const Tensor& a, const Tensor& b) { return min(a, b); }},
      {"pointwise",
       [](const Tensor& a, const Tensor& b) {
         return pointwise([](auto x, auto y) { return tanh(x) * y + x / y; }, a, b);
       }},
      {"temporaries", [](const Tensor& a, const Tensor& b) { return (a * 2.0) + (b * 3.0) - (a * b); }},
  };
  for (const Binary& op : ops) check_binary(op);
}

TEST_CASE("gradients: products") {
  const auto product = [](auto a, auto b) { return matmul(a, b); };
  struct Sizes {
    Index n, k, m;
  };
  for (const auto [n, k, m] :
       {Sizes{3, 4, 5}, Sizes{1, 4, 5}, Sizes{3, 1, 5}, Sizes{3, 4, 1}, Sizes{1, 1, 1}, Sizes{7, 5, 65},
        Sizes{2, 65, 3}, Sizes{0, 4, 5}, Sizes{3, 0, 5}, Sizes{3, 4, 0}, Sizes{70, 3, 2}}) {
    check_grad("matmul", product, {n, k}, {k, m});
    check_grad("affine", [](auto x, auto w, auto b) { return affine(x, w, b); }, {n, k}, {k, m}, {m});
    check_grad("affine [N, M]", [](auto x, auto w, auto b) { return affine(x, w, b); }, {n, k}, {k, m}, {n, m});
  }
  check_grad("matmul [K]", product, {4}, {4, 5});
  check_grad("matmul [T, B, K]", product, {2, 3, 4}, {4, 5});
  check_grad("affine [T, B, K]", [](auto x, auto w, auto b) { return affine(x, w, b); }, {2, 3, 4}, {4, 5}, {5});
  check_grad("affine [T, B, M]", [](auto x, auto w, auto b) { return affine(x, w, b); }, {2, 3, 4}, {4, 5}, {2, 3, 5});
  check_grad("affine [K]", [](auto x, auto w, auto b) { return affine(x, w, b); }, {4}, {4, 5}, {5});
  check_grad("x x", [](auto x) { return matmul(x, x); }, {3, 3});
  check_grad("x xᵀ", [](auto x) { return matmul(x, transpose(x)); }, {3, 4});
  check_grad("a chain", [](auto h, auto w) { return matmul(tanh(matmul(tanh(matmul(h, w)), w)), w); }, {2, 3}, {3, 3});
  check_grad("parts of both", [](auto a, auto b) { return matmul(split<2>(a)[1], split<2>(b)[0]); }, {3, 8}, {4, 6});
  check_grad("rows of both", [](auto a, auto b) { return matmul(at(a, 1), at(b, 2)); }, {2, 3, 4}, {3, 4, 5});
  check_grad("a weight in halves",
             [](auto x, auto w) {
               auto [u, v] = split<2>(w);
               return matmul(x, u) * matmul(x, v) + matmul(x, slice(w, 1, 1, 4));
             },
             {2, 3}, {3, 6});
  check_grad("a weight, dropped and transposed",
             [](auto x, auto w) {
               Random random(7);
               return matmul(x, w) + matmul(x, dropout(w, 0.5, random)) + matmul(x, transpose(w));
             },
             {2, 3}, {3, 3});
  check_grad("dropout",
             [](auto x) {
               Random random(3);
               return dropout(x, 0.4, random) * dropout(x, 0.0, random);
             },
             {5, 7});
}

TEST_CASE("gradients: selection and losses") {
  check_grad("rows", [](auto x) { return rows(x, Ids({2, 0, 2, 2})); }, {4, 3});
  check_grad("rows [T, B]", [](auto x) { return rows(x, Ids({0, 1, 1, 3, 0, 0}, 3, 2)); }, {4, 5});
  check_grad("no rows", [](auto x) { return rows(x, Ids()); }, {4, 3});
  check_grad("a tied table", [](auto x) { return matmul(rows(x, {1, 2, 1}), transpose(x)); }, {4, 3});
  check_grad("rows of a part", [](auto x) { return rows(split<2>(x)[1], {0, 0, 1}); }, {2, 6});
  check_grad("pick", [](auto x) { return pick(x, {1, 0, 3}); }, {3, 4});
  check_grad("pick of one row", [](auto x) { return pick(x, {2}); }, {4});
  check_grad("pick [T, B, V]", [](auto x) { return pick(x * x, Ids({1, 0, 3, 3}, 2, 2)); }, {2, 2, 4});
  for (const Reduce reduce : {Reduce::sum, Reduce::per_token, Reduce::per_sequence}) {
    check_grad("cross_entropy", [=](auto z) { return cross_entropy(z, {1, 0, 4}, reduce); }, {3, 5});
    check_grad("cross_entropy of 65 classes", [=](auto z) { return cross_entropy(z, {64, 0}, reduce); }, {2, 65});
    const Ids targets({0, 1, 2, 2, 1, 0}, 3, 2);
    check_grad("cross_entropy [T, B]", [=](auto z) { return cross_entropy(z, targets, reduce); }, {3, 2, 3});
    check_grad("with lengths", [=](auto z) { return cross_entropy(z, targets, reduce, {2, 3}); }, {3, 2, 3});
    check_grad("an empty sequence", [=](auto z) { return cross_entropy(z, targets, reduce, {0, 1}); }, {3, 2, 3});
    check_grad("of a part, scaled",
               [=](auto z) {
                 return 3.0 * cross_entropy(split<2>(z)[1], {1, 0}, reduce);
               },
               {2, 6});
    Random random(5);
    const Array y = uniform(0, 1)({3, 2}, random), y3 = uniform(0, 1)({3, 2, 4}, random),
                y1 = uniform(0, 1)({6}, random);
    check_grad("bce", [=](auto z) { return bce_with_logits(z, y.to(z.dtype()), reduce); }, {3, 2});
    check_grad("bce [N]", [=](auto z) { return bce_with_logits(z, y1.to(z.dtype()), reduce); }, {6});
    check_grad("bce with lengths",
               [=](auto z) {
                 return bce_with_logits(z, y3.to(z.dtype()), reduce, {1, 3});
               },
               {3, 2, 4});
    check_grad("bce of a part", [=](auto z) { return 2.0 * bce_with_logits(split<2>(z)[0], y.to(z.dtype()), reduce); },
               {3, 4});
  }
}
