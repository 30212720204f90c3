// Products against xtensor-blas' reference path, over shapes, strides and packed copies; the same bits for any number
// of threads.
#include <doctest/doctest.h>

#include <cstring>

#include <unroll/core/ops.h>

#if __has_include(<xtensor-blas/xlinalg.hpp>)
#include <xtensor-blas/xlinalg.hpp>
#else
#include <xlinalg.hpp>
#endif

using namespace unroll;

namespace {

Array random_array(const Shape& shape, Dtype dtype, std::uint64_t seed) {
  Random random(seed);
  return normal(1)(shape, random).to(dtype);
}

/// The same numbers as a view whose rows lie further apart.
Array with_gaps(const Array& a) {
  Array wide = Array::full({a.rows(), a.cols() + 5}, a.dtype(), 777);
  const Array view = wide.part(0, 3, a.shape());
  for (Index r = 0; r < a.rows(); ++r) {
    for (Index c = 0; c < a.cols(); ++c) wide.set_flat(r * wide.cols() + 3 + c, a.flat(r * a.cols() + c));
  }
  return wide.part(0, 3, a.shape());
}

/// In f64 for f32 numbers too. xtensor-blas refuses empty matrices, whose product is all zeros.
xt::xarray<double> reference(const Array& a, const Array& b, bool transpose_a, bool transpose_b) {
  const xt::xarray<double> x = a.to(f64).as<double>(), y = b.to(f64).as<double>();
  if (x.size() == 0 || y.size() == 0) {
    return xt::zeros<double>({x.shape(transpose_a ? 1 : 0), y.shape(transpose_b ? 0 : 1)});
  }
  const xt::xarray<double> left = transpose_a ? xt::xarray<double>(xt::transpose(x)) : x;
  const xt::xarray<double> right = transpose_b ? xt::xarray<double>(xt::transpose(y)) : y;
  return xt::linalg::dot(left, right);
}

using Product = void (*)(const Array&, const Array&, const Dest&);

void check(Product product, const Array& a, const Array& b, const xt::xarray<double>& expected, const Shape& shape) {
  const double tolerance = a.dtype() == f64 ? 1e-13 : 2e-6;
  const double scale = std::max(1.0, static_cast<double>(a.cols() + a.rows()));
  const Array start = random_array(shape, a.dtype(), 9);
  for (const bool gaps : {false, true}) {
    for (const bool add : {false, true}) {
      for (int call = 0; call < 3; ++call) {  // the first reads b where it lies, the others its packed copy
        const Array whole = Array::full({shape[0], shape[1] + 4}, a.dtype(), 5);
        const Array into = gaps ? whole.part(0, 1, shape) : start.copy();
        for (Index r = 0; gaps && r < shape[0]; ++r) {
          std::memcpy(whole.part(r, 1, {shape[1]}).raw<void>(), start.part(r, 0, {shape[1]}).raw<void>(),
                      shape[1] * (a.dtype() == f64 ? sizeof(double) : sizeof(float)));
        }
        product(a, b, {into, add});
        double worst = 0;
        for (Index i = 0; i < into.size(); ++i) {
          const double e = expected(i / shape[1], i % shape[1]) + (add ? start.flat(i) : 0);
          worst = std::max(worst, std::abs(into.flat(i) - e));
        }
        CAPTURE(a.shape());
        CAPTURE(b.shape());
        CAPTURE(gaps);
        CAPTURE(add);
        CAPTURE(call);
        CHECK(worst <= tolerance * scale);
        if (!gaps) continue;
        for (Index r = 0; r < shape[0]; ++r) {  // nothing beside the destination is touched
          const Index row = r * (shape[1] + 4);
          CHECK(whole.flat(row) == 5);
          for (Index c = shape[1] + 1; c < shape[1] + 4; ++c) CHECK(whole.flat(row + c) == 5);
        }
      }
    }
  }
}

struct Sizes {
  Index n, k, m;
};
const Sizes all_sizes[] = {{1, 1, 1},    {1, 7, 65},    {1, 300, 130}, {2, 65, 3},   {5, 4, 64},
                           {6, 256, 65}, {7, 257, 128}, {13, 1, 129},  {32, 70, 96}, {63, 33, 31},
                           {64, 65, 65}, {193, 31, 70}, {400, 20, 33}, {3, 0, 5},    {0, 4, 5},
                           {4, 5, 0},    {65, 0, 2},    {200, 130, 1}, {70, 600, 20}};

}  // namespace

TEST_CASE_TEMPLATE("products equal the reference", T, float, double) {
  const Dtype dtype = dtype_of<T>;
  for (const auto [n, k, m] : all_sizes) {
    CAPTURE(n);
    CAPTURE(k);
    CAPTURE(m);
    for (const bool gaps : {false, true}) {
      const auto operand = [&](const Shape& shape, std::uint64_t seed) {
        const Array a = random_array(shape, dtype, seed);
        return gaps ? with_gaps(a) : a;
      };
      const Array a = operand({n, k}, 1), b = operand({k, m}, 2), bt = operand({m, k}, 3), at = operand({k, n}, 4);
      check(multiply, a, b, reference(a, b, false, false), {n, m});
      check(multiply_nt, a, bt, reference(a, bt, false, true), {n, m});
      check(multiply_tn, at, b, reference(at, b, true, false), {n, m});
    }
  }
}

TEST_CASE_TEMPLATE("products onto a base: a row, a matrix, a matrix with gaps, the destination itself", T, float,
                   double) {
  const Dtype dtype = dtype_of<T>;
  for (const auto [n, k, m] : all_sizes) {
    const Array a = random_array({n, k}, dtype, 1), b = random_array({k, m}, dtype, 2);
    const Array row = random_array({m}, dtype, 3), matrix = random_array({n, m}, dtype, 4);
    const xt::xarray<double> product = reference(a, b, false, false);
    CAPTURE(a.shape());
    CAPTURE(b.shape());
    for (const Array& base : {row, matrix, with_gaps(matrix), matrix.copy()}) {
      for (int call = 0; call < 3; ++call) {
        const bool itself = call == 2 && base.ndim() == 2 && base.contiguous();
        const Array into = itself ? base : Array::uninitialised({n, m}, dtype);
        const Array before = base.copy();
        multiply_onto(base, a, b, into);
        double worst = 0;
        for (Index i = 0; i < into.size(); ++i) {
          const double from = before.flat(base.ndim() == 1 ? i % m : i);
          worst = std::max(worst, std::abs(into.flat(i) - product(i / m, i % m) - from));
        }
        CHECK(worst <= (dtype == f64 ? 1e-13 : 2e-6) * static_cast<double>(1 + k));
      }
    }
  }
}

TEST_CASE("products: leading axes count as rows") {
  const Array a = random_array({3, 5, 4}, f64, 1), b = random_array({4, 7}, f64, 2);
  const Array y = Array::uninitialised({3, 5, 7}, f64), flat = Array::uninitialised({15, 7}, f64);
  multiply(a, b, {y, false});
  multiply(a.reshaped({15, 4}), b, {flat, false});
  for (Index i = 0; i < flat.size(); ++i) CHECK(y.flat(i) == flat.flat(i));
}

TEST_CASE("products: a packed copy never outlives the numbers it was made from") {
  const Array x = random_array({8, 40}, f64, 1);
  const auto product = [&](const Array& w) {
    const Array y = Array::uninitialised({8, w.cols()}, f64);
    multiply(x, w, {y, false});
    return y.flat(3);
  };
  const auto by_hand = [&](const Array& w) {
    double sum = 0;
    for (Index k = 0; k < 40; ++k) sum += x.flat(3 / w.cols() * 40 + k) * w.flat(k * w.cols() + 3 % w.cols());
    return sum;
  };
  Array w = random_array({40, 24}, f64, 2);
  const auto packed = [&] {
    for (int i = 0; i < 3; ++i) CHECK(product(w) == doctest::Approx(by_hand(w)));
  };
  packed();
  w.set_flat(3, 100);  // in place
  packed();
  w.as<double>()(1, 3) = -50;
  packed();
  w.writable<double>()[2 * 24 + 3] = 70;
  packed();
  // The memory of a dead weight is recycled for the next one.
  w = Array();
  w = random_array({40, 24}, f64, 3);
  packed();
  // A temporary weight that an op overwrites with its result.
  Tensor t = std::move(w);
  for (int i = 0; i < 3; ++i) CHECK(product(t.value()) == doctest::Approx(by_hand(t.value())));
  const void* place = t.value().raw<void>();
  const Tensor more = random_array({40, 24}, f64, 5);
  t = std::move(t) + more;
  CHECK(t.value().raw<void>() == place);
  for (int i = 0; i < 3; ++i) CHECK(product(t.value()) == doctest::Approx(by_hand(t.value())));
  // Two views of one buffer: the copy of one is not taken for the other.
  const Array both = random_array({40, 48}, f64, 4);
  for (int i = 0; i < 3; ++i) {
    for (const Index col : {0u, 24u}) {
      const Array half = both.part(0, col, {40, 24});
      CHECK(product(half) == doctest::Approx(by_hand(half)));
    }
  }
  // A parameter, through an optimizer's steps.
  Params params(1, f64);
  const Param p = Scope(params)("w", {40, 24}, normal(1));
  for (int step = 0; step < 3; ++step) {
    for (int i = 0; i < 3; ++i) CHECK(product(p.value()) == doctest::Approx(by_hand(p.value())));
    double* v = p.data().value.writable<double>();
    for (Index i = 0; i < 960; ++i) v[i] *= -0.5;
  }
}

namespace {

/// The bits of everything a small training run computes: an LSTM by hand over a tied vocabulary, three steps.
std::vector<double> training_run() {
  Params params(5, f32);
  const Index hidden = 72, batch = 40, vocabulary = 300, steps = 6;
  const Scope scope = params;
  const Param table = scope("table", {vocabulary, hidden}, uniform(0.1)),
              wx = scope("wx", {hidden, 4 * hidden}, glorot), wh = scope("wh", {hidden, 4 * hidden}, orthogonal),
              b = scope("b", {4 * hidden}, zero);
  Random random(6);
  std::vector<Id> tokens(steps * batch);
  for (auto& token : tokens) token = static_cast<Id>(random.below(vocabulary));
  const Ids ids(tokens, steps, batch);
  std::vector<double> seen;
  for (int step = 0; step < 3; ++step) {
    Tape tape;
    Tensor h = Tensor::zeros({batch, hidden}), c = h;
    std::vector<Tensor> hs;
    for (const Tensor& z : unstack(affine(rows(table, ids), wx, b))) {
      auto [i, f, g, o] = split<4>(z + matmul(h, wh));
      auto [next_h, next_c] = pointwise(
          [](auto i_, auto f_, auto g_, auto o_, auto c_) {
            auto next = sigmoid(f_) * c_ + sigmoid(i_) * tanh(g_);
            return std::tuple{sigmoid(o_) * tanh(next), next};
          },
          i, f, g, o, c);
      h = next_h, c = next_c;
      hs.push_back(h);
    }
    const Tensor loss = cross_entropy(matmul(stack(hs), transpose(table)), ids, Reduce::per_token);
    seen.push_back(loss.item());
    const Grads grads = tape.backward(loss);
    for (const auto& [param, grad] : grads) {
      float* value = param.data().value.writable<float>();
      const float* g = grad.data<float>();
      for (Index i = 0; i < grad.size(); ++i) value[i] -= 0.5f * g[i];
    }
  }
  for (const Param& param : params) {
    for (Index i = 0; i < param.value().size(); ++i) seen.push_back(param.value().flat(i));
  }
  return seen;
}

/// Large enough for many tiles: products in every form, fused loops with broadcasting, the losses.
std::vector<double> large_ops() {
  std::vector<double> seen;
  const auto keep = [&](const Array& a) {
    for (Index i = 0; i < a.size(); ++i) seen.push_back(a.flat(i));
  };
  for (const Dtype dtype : {f32, f64}) {
    Tape tape;
    const Tensor a = tape.watch(random_array({210, 150}, dtype, 1)), b = tape.watch(random_array({150, 130}, dtype, 2)),
                 row = tape.watch(random_array({130}, dtype, 3)), column = tape.watch(random_array({210, 1}, dtype, 4));
    const Tensor y = matmul(a, b), z = matmul(slice(a, 0, 0, 32), b);
    const Tensor fused = pointwise([](auto u, auto v, auto w) { return tanh(u) * v + w; }, y, row, column);
    std::vector<Id> targets(210);
    for (Index i = 0; i < 210; ++i) targets[i] = static_cast<Id>(i % 130);
    const Tensor loss = cross_entropy(fused, targets, Reduce::sum) + sum(z * z) + sum(tanh(y)) * logsumexp(y);
    const Grads grads = tape.backward(loss);
    for (const Tensor& x : {y, z, fused, loss}) keep(x.value());
    for (const Tensor& x : {a, b, row, column}) keep(grads[x]);
  }
  return seen;
}

struct Threads {
  explicit Threads(Index count) { set_threads(count); }
  ~Threads() { set_threads(1); }
};

}  // namespace

TEST_CASE("threads: the same bits with one, two and three") {
  const std::vector<double> ops = large_ops(), training = training_run();
  CHECK(training[2] < training[0]);
  for (const Index count : {2u, 3u}) {
    const Threads use(count);
    CHECK(threads() == count);
    for (int again = 0; again < 3; ++again) {
      CHECK(large_ops() == ops);
      CHECK(training_run() == training);
    }
  }
  CHECK(threads() == 1);
  CHECK_THROWS_WITH_AS(set_threads(0), "set_threads: at least one thread is needed, got 0", UsageError);
}

TEST_CASE("threads: parallel_for does each tile once, also from inside a tile") {
  const Threads use(3);
  for (int again = 0; again < 200; ++again) {
    std::vector<int> done(50, 0);
    parallel_for(50, [&](Index i) {
      int inner = 0;
      parallel_for(3, [&](Index) { ++inner; });  // runs on this thread alone
      done[i] += inner;
    });
    CHECK(done == std::vector<int>(50, 3));
  }
}
