// Products of vectors and of batches of matrices: gradients against central differences, values against their
// definition, and what wrong calls say.
#include <unroll/core/threads.h>

#include "check_grad.h"
#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

struct Operands {
  Shape a, b;
};

/// Element by element as NumPy defines it: leading axes broadcast, b [..., K, M].
Array by_definition(const Array& a, const Array& b) {
  Shape lead =
      broadcast("test", Shape(a.shape().begin(), a.shape().end() - 2), Shape(b.shape().begin(), b.shape().end() - 2));
  const Index n = a.dim(-2), k = a.dim(-1), m = b.dim(-1);
  Shape a_all = lead, b_all = lead, y_all = lead;
  for (const Index extent : {n, k}) a_all.append(extent);
  for (const Index extent : {k, m}) b_all.append(extent);
  for (const Index extent : {n, m}) y_all.append(extent);
  const Array x = broadcast_to(a, a_all), w = broadcast_to(b, b_all);
  Array y = Array::zeros(y_all, f64);
  for (Index i = 0; i < lead.size(); ++i) {
    for (Index r = 0; r < n; ++r) {
      for (Index c = 0; c < m; ++c) {
        double sum = 0;
        for (Index j = 0; j < k; ++j) sum += x.flat((i * n + r) * k + j) * w.flat((i * k + j) * m + c);
        y.set_flat((i * n + r) * m + c, sum);
      }
    }
  }
  return y;
}

Tensor swapped(const Tensor& x) {
  std::vector<int> order(x.ndim());
  for (Index i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  std::swap(order[order.size() - 2], order.back());
  return transpose(x, order);
}

const std::vector<Operands> batches = {
    {{4, 2, 3}, {4, 3, 5}},           // one by one
    {{1, 2, 3}, {4, 3, 5}},           // one a for all
    {{4, 2, 3}, {1, 3, 5}},           // one b for all
    {{2, 3}, {4, 3, 5}},              // a matrix a
    {{2, 1, 2, 3}, {3, 3, 5}},        // each lends an axis
    {{2, 3, 2, 3}, {2, 1, 3, 4}},     //
    {{2, 3}, {1, 1, 3, 4}},           // leading ones
    {{2, 2, 2, 2, 2, 3}, {2, 3, 2}},  // six axes
    {{3, 1, 7}, {3, 7, 9}},           // rows by matrices
    {{3, 5, 7}, {3, 7, 1}},           // matrices by columns
    {{3, 1, 4}, {3, 4, 1}},           //
    {{2, 1, 1}, {2, 1, 1}},           //
    {{2, 65, 3}, {2, 3, 66}},         // several panels
    {{2, 0, 3}, {2, 3, 4}},           // no rows
    {{2, 4, 0}, {2, 0, 3}},           // sums over nothing
    {{2, 4, 3}, {2, 3, 0}},           // no columns
    {{0, 2, 3}, {0, 3, 4}},           // no matrices
    {{0, 2, 3}, {1, 3, 4}},
};

}  // namespace

TEST_CASE("batched products equal their definition") {
  for (const auto& [a, b] : batches) {
    INFO(fmt::format("{} {}", a, b));
    const Array x = random_array(a, 1), w = random_array(b, 2), expected = by_definition(x, w);
    const Array y = matmul(Tensor(x), Tensor(w)).value(), t = matmul_nt(Tensor(x), swapped(w)).value();
    CHECK(y.shape() == expected.shape());
    CHECK(t.shape() == expected.shape());
    CHECK(distance(y, expected) <= 1e-14);
    CHECK(distance(t, expected) <= 1e-14);
    CHECK(distance(matmul(Tensor(x.to(f32)), Tensor(w.to(f32))).value().to(f64), expected) <= 1e-5);
  }
}

TEST_CASE("products of vectors equal their definition") {
  const Array a = random_array({7}, 1), b = random_array({7}, 2), c = random_array({4}, 3);
  double sum = 0;
  for (Index i = 0; i < 7; ++i) sum += a.flat(i) * b.flat(i);
  CHECK(dot(Tensor(a), Tensor(b)).shape() == Shape{});
  CHECK(dot(Tensor(a), Tensor(b)).item() == doctest::Approx(sum).epsilon(1e-15));
  CHECK(matmul(Tensor(a), Tensor(b)).item() == doctest::Approx(sum).epsilon(1e-15));
  CHECK(dot(Tensor::zeros({0}), Tensor::zeros({0})).item() == 0);
  const Tensor y = outer(Tensor(a), Tensor(c));
  CHECK(y.shape() == Shape{7, 4});
  for (Index i = 0; i < 7; ++i) {
    for (Index j = 0; j < 4; ++j) CHECK(y.value().flat(i * 4 + j) == a.flat(i) * c.flat(j));
  }
  // A vector is a row on the left and a column on the right.
  const Array m = random_array({5, 7}, 4), n = random_array({2, 7, 3}, 5), l = random_array({2, 3, 7}, 6);
  CHECK(matmul(Tensor(m), Tensor(a)).shape() == Shape{5});
  CHECK(distance(matmul(Tensor(m), Tensor(a)).value(), by_definition(m, a.reshaped({7, 1})).reshaped({5})) <= 1e-14);
  CHECK(matmul(Tensor(a), Tensor(n)).shape() == Shape{2, 3});
  CHECK(distance(matmul(Tensor(a), Tensor(n)).value(), by_definition(a.reshaped({1, 7}), n).reshaped({2, 3})) <= 1e-14);
  CHECK(matmul(Tensor(l), Tensor(a)).shape() == Shape{2, 3});
  CHECK(distance(matmul(Tensor(l), Tensor(a)).value(), by_definition(l, a.reshaped({7, 1})).reshaped({2, 3})) <= 1e-14);
}

TEST_CASE("a batch of products has the bits of its products one by one, for any number of threads") {
  const Array a = random_array({40, 12, 33}, 1), b = random_array({40, 33, 20}, 2);
  const auto run = [&] {
    Tape tape;
    const Tensor x = tape.watch(a), w = tape.watch(b);
    const Tensor y = matmul(x, w);
    const Grads grads = tape.backward(sum(y * y));
    return std::array{y.value(), grads[x], grads[w]};
  };
  const auto one = run();
  set_threads(2);
  const auto two = run();
  set_threads(1);
  for (Index i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], two[i]));
  for (const Index i : {0u, 17u, 39u}) {
    CHECK(same_bits(at(Tensor(one[0]), i), matmul(at(Tensor(a), i), at(Tensor(b), i))));
  }
}

TEST_CASE("gradients: batched products") {
  for (const auto& [a, b] : batches) {
    const std::string name = fmt::format("{} {}", a, b);
    check_grad(
        "matmul " + name, [](auto x, auto w) { return matmul(x, w); }, a, b);
    Shape bt = b;
    bt.set(b.ndim() - 2, b[b.ndim() - 1]);
    bt.set(b.ndim() - 1, b[b.ndim() - 2]);
    check_grad(
        "matmul_nt " + name, [](auto x, auto w) { return matmul_nt(x, w); }, a, bt);
    Shape wide_a = a, wide_b = b;
    wide_a.set(a.ndim() - 1, 2 * a[a.ndim() - 1]);
    wide_b.set(b.ndim() - 1, 2 * b[b.ndim() - 1]);
    check_grad(
        "parts " + name, [](auto x, auto w) { return matmul(split<2>(x)[1], split<2>(w)[0]); }, wide_a, wide_b);
  }
  check_grad("matmul_nt", [](auto x, auto w) { return matmul_nt(x, w); }, {3, 4}, {5, 4});
  check_grad("matmul_nt [T, B, K]", [](auto x, auto w) { return matmul_nt(x, w); }, {2, 3, 4}, {5, 4});
  check_grad("x xᵀ", [](auto x) { return matmul_nt(x, x); }, {3, 4});
  check_grad("x x", [](auto x) { return matmul(x, x); }, {2, 3, 3});
  check_grad("x xᵀ of batches", [](auto x) { return matmul_nt(x, x); }, {2, 3, 4});
  check_grad("one weight acts both ways", [](auto x, auto w) { return matmul_nt(tanh(matmul(x, w)), w); }, {2, 3},
             {3, 4});
  check_grad("attention", [](auto q, auto k, auto v) { return matmul(softmax(0.5 * matmul_nt(q, k)), v); }, {2, 3, 4},
             {2, 5, 4}, {2, 5, 6});
  check_grad("one query", [](auto q, auto k, auto v) { return matmul(softmax(matmul_nt(q, k)), v); }, {2, 1, 4},
             {2, 5, 4}, {2, 5, 6});
  check_grad("steps of a larger one",
             [](auto x, auto w) { return matmul(slice(x, 0, 1, 3), at(w, 1)) + matmul_nt(at(x, 0), at(w, 0)); },
             {3, 4, 4}, {2, 4, 4});
}

TEST_CASE("gradients: products of vectors") {
  const auto product = [](auto a, auto b) { return matmul(a, b); };
  check_grad("dot", [](auto a, auto b) { return dot(a, b); }, {5}, {5});
  check_grad("dot of no element", [](auto a, auto b) { return dot(a, b) + sum(a); }, {0}, {0});
  check_grad("x·x", [](auto a) { return dot(a, a); }, {65});
  check_grad("dot of parts", [](auto a, auto b) { return dot(split<2>(a)[1], at(b, 1)); }, {8}, {3, 4});
  check_grad("outer", [](auto a, auto b) { return outer(a, b); }, {3}, {5});
  check_grad("x xᵀ", [](auto a) { return outer(a, a); }, {4});
  check_grad("vector by vector", product, {5}, {5});
  check_grad("vector by batch", product, {4}, {2, 4, 5});
  check_grad("matrix by vector", product, {3, 4}, {4});
  check_grad("batch by vector", product, {2, 3, 4}, {4});
  check_grad("parts by a part", [](auto a, auto b) { return matmul(split<2>(a)[1], at(b, 1)); }, {3, 8}, {2, 4});
}

TEST_CASE("the gradient of a matrix that acts transposed is gathered over its uses, as in other products") {
  // A step's product of [2, 3] by [4, 3]ᵀ, several times: the sum of all dyᵀ a.
  Params params(1, f64);
  const Param w = Scope(params)("w", {4, 3}, glorot);
  const Array xs = random_array({3, 2, 3}, 1), seeds = random_array({3, 2, 4}, 2);
  Tape tape;
  Tensor loss = Tensor::zeros({}, f64);
  for (Index t = 0; t < 3; ++t) loss = loss + sum(matmul_nt(at(Tensor(xs), t), w) * at(Tensor(seeds), t));
  const Array gradient = tape.backward(loss)[w];
  const Array expected = by_definition(transpose(Tensor(seeds.reshaped({6, 4}))).value(), xs.reshaped({6, 3}));
  CHECK(distance(gradient, expected) <= 1e-15);
}

TEST_CASE("errors: products") {
  const auto zeros = [](const Shape& shape, Dtype dtype = f32) { return Tensor::zeros(shape, dtype); };
  const auto says = [](auto call) { return message_of<ShapeError>(call); };
  const std::string rule = "; the columns of a must equal the rows of b";
  CHECK(says([&] { matmul(zeros({3, 4}), zeros({5})); }) == "matmul: a is [3, 4] and b is [5]" + rule);
  CHECK(says([&] { matmul(zeros({4}), zeros({5})); }) == "matmul: a is [4] and b is [5]" + rule);
  CHECK(says([&] {
          matmul(zeros({2, 3, 4}), zeros({2, 3, 4}));
        }) == "matmul: a is [2, 3, 4] and b is [2, 3, 4]" + rule);
  CHECK(says([&] { matmul(zeros({3}), zeros({})); }) == "matmul: a is [3] and b is []" + rule);
  CHECK(says([&] { matmul(zeros({}), zeros({3})); }) == "matmul: a is [] and b is [3]" + rule);
  const std::string leading = "; each axis before the last two, from the last, must agree or be 1";
  CHECK(says([&] {
          matmul(zeros({2, 3, 4}), zeros({3, 4, 5}));
        }) == "matmul: a is [2, 3, 4] and b is [3, 4, 5]" + leading);
  CHECK(says([&] {
          matmul_nt(zeros({2, 3, 4}), zeros({3, 5, 4}));
        }) == "matmul_nt: a is [2, 3, 4] and b is [3, 5, 4]" + leading);
  CHECK(says([&] {
          matmul(zeros({2, 3, 0}), zeros({3, 0, 5}));
        }) == "matmul: a is [2, 3, 0] and b is [3, 0, 5]" + leading);
  CHECK(says([&] {
          matmul_nt(zeros({3, 4}), zeros({4, 5}));
        }) == "matmul_nt: a is [3, 4] and b is [4, 5]; both must have two axes or more, and as many columns");
  CHECK(says([&] {
          matmul_nt(zeros({4}), zeros({3, 4}));
        }) == "matmul_nt: a is [4] and b is [3, 4]; both must have two axes or more, and as many columns");
  CHECK(says([&] { dot(zeros({3}), zeros({4})); }) == "dot: a is [3] and b is [4]; two vectors of one length");
  CHECK(says([&] { outer(zeros({3}), zeros({4, 1})); }) == "outer: a is [3] and b is [4, 1]; both must be vectors");
  CHECK(says([&] {
          matmul(zeros({2, 3, 4}), zeros({2, 4, 5}, f64));
        }) == "matmul: dtypes f32 and f64 do not mix; convert one with to(…)");
  CHECK(says([&] {
          matmul_nt(zeros({3, 4}), zeros({5, 4}, f64));
        }) == "matmul_nt: dtypes f32 and f64 do not mix; convert one with to(…)");
}
