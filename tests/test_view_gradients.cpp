// Views, sums that write into them, deep chains and `pointwise` against central differences, in f64 to 1e-9.
#include "check_grad.h"

using namespace unroll;

TEST_CASE("gradients: views of views") {
  check_grad("split of at",
             [](auto x) {
               auto [a, b] = split<2>(at(x, 1));
               return a * b;
             },
             {2, 3, 4});
  check_grad("at of split", [](auto x) { return at(split<2>(x)[1], 2) * at(split<2>(x)[0], 0); }, {3, 2, 4});
  check_grad("split of unstack of split",
             [](auto x) {
               const auto steps = unstack(split<2>(x)[0]);
               return split<3>(steps[1])[2] * split<3>(steps[0])[0];
             },
             {2, 3, 12});
  check_grad("unstacked, all used",
             [](auto x) {
               const auto steps = unstack(x);
               return steps[0] * steps[1] + tanh(steps[2]);
             },
             {3, 2, 5});
  check_grad("unstacked, the middle used", [](auto x) { return exp(unstack(x)[1]); }, {3, 2, 5});
  check_grad("unstacked beside a use", [](auto x) { return sum(x * x) + unstack(x)[1] * unstack(x)[0]; }, {3, 2, 5});
  check_grad("unstacked, none used",
             [](auto x) {
               unstack(x);
               return x * 2.0;
             },
             {3, 2, 5});
  const std::vector<Index> sizes{1, 4, 0, 2};
  check_grad("uneven split",
             [&](auto x) {
               const auto parts = split(x, sizes);
               return parts[1] * parts[0] + sum(parts[2]);
             },
             {3, 7});
  check_grad("uneven split of the first axis",
             [&](auto x) {
               const auto parts = split(x, sizes, 0);
               return parts[1] * parts[0] + sum(parts[3] * parts[3]);
             },
             {7, 2, 3});
  check_grad("overlaps of overlaps",
             [](auto x) {
               auto a = slice(x, 1, 0, 4), b = slice(x, 1, 2, 6);
               return split<2>(a)[1] * split<2>(b)[0] + sum(slice(a, 0, 1, 2) * slice(a, 1, 1, 2) * tanh(b), {1}, true);
             },
             {3, 6});
  check_grad("pointwise on overlaps",
             [](auto x) {
               return pointwise([](auto a, auto b, auto c) { return a * b + c; }, slice(x, 1, 0, 70),
                                slice(x, 1, 1, 71), slice(x, 1, 30, 100));
             },
             {3, 100});
  check_grad("pointwise on a whole and its part",
             [](auto x) { return pointwise([](auto a, auto b) { return a * tanh(b); }, x, slice(x, 0, 1, 2)); },
             {3, 33});
  check_grad("joined views",
             [](auto x) {
               auto [a, b] = split<2>(x);
               return concat({b, a * a, a}) * concat({a, b, b});
             },
             {3, 8});
  check_grad("reshaped views",
             [](auto x) {
               return reshape(split<2>(x)[1], {2, 6}) * sum(reshape(slice(x, 0, 1, 4), {2, 9}), {1}, true);
             },
             {4, 6});
  check_grad("a view of a view of a reshape",
             [](auto x) {
               return at(slice(reshape(x, {3, 2, 4}), 2, 1, 3), 1) * 3.0;
             },
             {6, 4});
  check_grad("transposed views", [](auto x) { return matmul(transpose(split<2>(x)[0]), split<2>(x)[1]); }, {3, 8});
}

TEST_CASE("gradients: a sum writes into the view it adds to") {
  const auto recurrent = [](auto zs, auto h, auto w) {
    for (const Tensor& z : unstack(zs)) {
      auto [i, g] = split<2>(z + matmul(h, w));
      h = sigmoid(i) * tanh(g);
    }
    return h;
  };
  check_grad("z[t] + h w", recurrent, {3, 2, 8}, {2, 4}, {4, 8});
  const auto with_affine = [](auto zs, auto h, auto w) {
    for (const Tensor& z : unstack(zs)) {
      auto [i, g] = split<2>(affine(h, w, z));
      h = sigmoid(i) * tanh(g);
    }
    return h;
  };
  check_grad("affine onto z[t]", with_affine, {3, 2, 8}, {2, 4}, {4, 8});
  check_grad("affine onto z[t] of a result", [&](auto xs, auto h, auto w) { return with_affine(xs * xs, h, w); },
             {3, 2, 8}, {2, 4}, {4, 8});
  check_grad("affine onto what is used again",
             [](auto z, auto h, auto w) {
               const Tensor y = affine(h, w, z);
               return affine(y, w, y) * z;
             },
             {2, 4}, {2, 4}, {4, 4});
  check_grad("z[t] + h w of a result", [&](auto xs, auto h, auto w) { return recurrent(xs * xs, h, w); }, {3, 2, 8},
             {2, 4}, {4, 8});
  check_grad("h w + z[t]",
             [](auto zs, auto h, auto w) {
               for (const Tensor& z : unstack(zs)) h = tanh(matmul(h, w) + z);
               return h;
             },
             {3, 2, 4}, {2, 4}, {4, 4});
  check_grad("every part used twice",
             [](auto zs, auto h, auto w) {
               const Tensor start = h;
               for (const Tensor& z : unstack(zs)) {
                 const Tensor p = matmul(h, w), s = z + p;
                 h = tanh(s) + 0.1 * s * start + z * p;
               }
               return h;
             },
             {3, 2, 4}, {2, 4}, {4, 4});
  check_grad("sums of sums",
             [](auto zs, auto h, auto w) {
               const auto z = unstack(zs);
               const Tensor s = z[0] + h, t = s + z[1];
               return (t + matmul(s, w)) * (z[2] - h) + (z[3] - z[4]);
             },
             {5, 2, 4}, {2, 4}, {4, 4});
  check_grad("z - z",
             [](auto x) {
               auto [a, b] = split<2>(x);
               return (a - a) + (b - a * b) + (b + b);
             },
             {3, 8});
  check_grad("a sum that is the result", [](auto x, auto y) { return split<2>(x)[1] + y; }, {3, 8}, {3, 4});
  check_grad("a sum split further",
             [](auto x, auto y) {
               auto [a, b] = split<2>(x);
               auto [p, q] = split<2>(a + y);
               auto [r, s] = split<2>(b + concat({tanh(p), q}));
               return r * q - p * s;
             },
             {3, 8}, {3, 4});
  check_grad("a broadcast sum",
             [](auto x, auto y) {
               auto [a, b] = split<2>(x);
               return tanh(a + y) * (y + b);
             },
             {3, 8}, {4});
}

TEST_CASE("gradients: watched on the way") {
  const auto watch = [](const Tensor& x) { return Tape::current() == nullptr ? x : Tape::current()->watch(x); };
  check_grad("a watched view",
             [&](auto x) {
               auto [a, b] = split<2>(x * x);
               return watch(a) * b;
             },
             {3, 8});
  check_grad("a watched view that is a sum's operand",
             [&](auto x, auto y) {
               auto [a, b] = split<2>(x * x);
               return tanh(watch(a) + y) * b;
             },
             {3, 8}, {3, 4});
  check_grad("a watched sum",
             [&](auto x, auto y) {
               auto [a, b] = split<2>(x * x);
               return tanh(watch(a + y)) * b;
             },
             {3, 8}, {3, 4});
  check_grad("a watched parent",
             [&](auto x) {
               auto [a, b] = split<2>(watch(x + 1.0));
               return a * a - b;
             },
             {3, 8});
  check_grad("a watched view of a watched view",
             [&](auto x) {
               auto [a, b] = split<2>(watch(at(watch(x * 2.0), 1)));
               return watch(a) * b;
             },
             {2, 3, 4});
}

TEST_CASE("gradients: deep chains") {
  check_grad("50 steps",
             [](auto x) {
               Tensor y = x;
               for (int i = 0; i < 50; ++i) y = tanh(y) + 0.5 * y * x;
               return y;
             },
             {2, 3});
  check_grad("20 steps of views",
             [](auto x) {
               Tensor y = x;
               for (int i = 0; i < 20; ++i) {
                 auto [a, b] = split<2>(y);
                 y = concat({tanh(b) + a * 0.3, sigmoid(a) * b});
               }
               return y;
             },
             {2, 6});
}

// Each link's gradient has its place in the next one's: more links than wait for each other at a time (tape.cpp).
TEST_CASE("gradients: long chains of views, and of sums that write into views") {
  constexpr int links = 120;
  check_grad("sums that write into the views they add to",
             [](auto x, auto b) {
               auto y = x;
               for (int i = 0; i < links; ++i) y = split<1>(y)[0] + 0.01 * b;
               return y * tanh(b);
             },
             {2, 3}, {2, 3});
  check_grad("the same, some of them used elsewhere",
             [](auto x, auto b) {
               auto y = x, all = b;
               for (int i = 0; i < links; ++i) {
                 y = split<1>(y)[0] + 0.01 * b;
                 if (i % 17 == 0) all = all + y * b;
               }
               return all + y;
             },
             {2, 3}, {2, 3});
  check_grad("views of views that cover",
             [](auto x) {
               auto y = x;
               for (int i = 0; i < links; ++i) y = split<1>(y)[0];
               return y * x;
             },
             {2, 3});
  check_grad("the rest, again and again",
             [](auto x) {
               auto rest = x, h = at(x, 0);
               for (Index i = 1; i < links; ++i) {
                 rest = slice(rest, 0, 1, rest.dim(0));
                 h = tanh(h + at(rest, 0));
               }
               return h;
             },
             {links, 2});
  for (const int other_use : {0, 1, 2, 3}) {  // none, before the chain, behind it, both
    check_grad(fmt::format("head and tail, {}", other_use),
               [=](auto x) {
                 const Index rows = x.dim(0);
                 auto other = sum(other_use & 1 ? x * x : 0.0 * x, {0});
                 auto rest = x, h = 0.1 * at(x, 0);
                 for (Index i = 0; i + 1 < rows; ++i) {
                   const auto parts = split(rest, std::vector<Index>{1, rest.dim(0) - 1}, 0);
                   h = tanh(h + at(parts[0], 0));
                   rest = parts[1];
                 }
                 if (other_use & 2) other = other + sum(x * x * x, {0});
                 return h + other;
               },
               {links, 2});
    check_grad(fmt::format("slices of a part, {}", other_use),
               [=](auto x) {
                 auto other = other_use & 1 ? x * x : 0.0 * x;
                 auto y = split(slice(x, 0, 1, 3), std::vector<Index>{2}, 0)[0];
                 for (int i = 0; i < links; ++i) y = slice(y, 0, 0, 2);
                 if (other_use & 2) other = other + x * x * x;
                 return tanh(y) * slice(other, 0, 0, 2);
               },
               {3, 2});
  }
}

TEST_CASE("gradients: pointwise with several inputs and outputs") {
  const auto lstm = [](auto i, auto f, auto g, auto o, auto c) {
    auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
    return std::tuple{sigmoid(o) * tanh(next), next};
  };
  for (const Shape& s : {Shape{3, 4}, Shape{2, 65}, Shape{1}, Shape{2, 3, 7}}) {
    check_grad_within(-2, 2, "an LSTM's gates",
                      [&](auto i, auto f, auto g, auto o, auto c) {
                        auto [h, next] = pointwise(lstm, i, f, g, o, c);
                        return h * next + next;
                      },
                      {s, s, s, s, s});
    check_grad_within(-2, 2, "the first output",
                      [&](auto i, auto f, auto g, auto o, auto c) { return pointwise(lstm, i, f, g, o, c)[0]; },
                      {s, s, s, s, s});
    check_grad_within(-2, 2, "the second output",
                      [&](auto z, auto f, auto g, auto c) { return pointwise(lstm, z, f, g, z, c)[1]; }, {s, s, s, s});
    Shape row{s.cols()}, column = s;
    column.set(s.ndim() - 1, 1);
    check_grad_within(-2, 2, "rows, columns and numbers",
                      [&](auto i, auto f, auto g, auto o, auto c) {
                        auto [h, next] = pointwise(lstm, i, f, g, o, c);
                        return h + tanh(next);
                      },
                      {s, row, column, Shape{}, Shape{1}});
  }
  check_grad_within(-2, 2, "a middle axis",
                    [&](auto i, auto f, auto c) {
                      auto [h, next] = pointwise(lstm, i, f, i, f, c);
                      return h - next;
                    },
                    {{3, 1, 4}, {2, 4}, {3, 2, 1}});
  check_grad_within(-2, 2, "no rows", [&](auto i, auto f) { return pointwise(lstm, i, f, i, f, i)[0]; }, {{0, 4}, {4}});
  check_grad("gates from views",
             [&](auto z, auto c) {
               auto [i, f, g, o] = split<4>(z);
               auto [h, next] = pointwise(lstm, i, f, g, o, c);
               return concat({h, next});
             },
             {3, 28}, {3, 7});
  check_grad("three outputs, one of them constant",
             [](auto x, auto y) {
               auto [a, b, c] = pointwise([](auto u, auto v) { return std::tuple{u * v, exp(u), 0 * v + 2}; }, x, y);
               return a * b + c;
             },
             {3, 5}, {5});
}

TEST_CASE("gradients: pointwise with branches") {
  check_grad_within(-2, 2, "where",
                    [](auto x, auto y) {
                      return pointwise([](auto a, auto b) { return where(a > 0 && !(b < a), a * a, tanh(b) - a); }, x,
                                       y);
                    },
                    {{4, 9}, {9}});
  check_grad_within(-2, 2, "where with numbers",
                    [](auto x) {
                      return pointwise(
                          [](auto a) { return where(a < -1 || a >= 1, 1.0, a * a * a) + where(a == a, a, 0.0); }, x);
                    },
                    {{4, 9}});
  // A derivative that is not finite in the branch not taken stays out.
  check_grad_within(
      -2, 2, "guarded logarithm",
      [](auto x) { return pointwise([](auto a) { return where(a > 0.5, log(where(a > 0.5, a, 1.0)), a); }, x); },
      {{40}});
  check_grad_within(0.5, 2.5, "every function",
                    [](auto x, auto y) {
                      return pointwise(
                          [](auto a, auto b) {
                            return exp(-a) + log(b) * sqrt(a) - relu(a - b) / softsign(b) + abs(a - b) * max(a, b) +
                                   min(a, 1.5) + max(0.1, b) + (2 - a) * (b + 1) - 3 / b + a / 2;
                          },
                          x, y);
                    },
                    {{3, 11}, {3, 1}});
}

TEST_CASE("gradients: xtensor expressions are constants among the inputs") {
  const xt::xarray<double> c = {{1.0, 2.0, -1.0}, {0.5, 3.0, 4.0}};
  const Tensor shift = 2.0 * xt::transpose(c);
  const auto like = [](const Tensor& x, const Array& constant) { return Tensor(constant.to(x.dtype())); };
  check_grad("an expression as operand",
             [&](auto x) { return matmul(x * like(x, xt::exp(c)), like(x, shift.value())); }, {2, 3});
  check_grad(
      "pointwise of an expression",
      [&](auto x) { return pointwise([](auto a, auto b) { return a * b; }, x, like(x, xt::view(c, 0, xt::all()))); },
      {2, 3});
}
