// Products in bf16: those of operands rounded to it, added up in f32. A processor without them has nothing to test but
// that it says so: there the other cases are skipped.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <thread>

#include <unroll/core/gemm.h>
#include <unroll/core/ops.h>
#include <unroll/core/products.h>
#include <unroll/core/random.h>
#include <unroll/core/threads.h>
#include <unroll/layers/cells.h>
#include <unroll/layers/scan.h>
#include <unroll/optim/sgd.h>
#include <unroll/tests/amx_emulator.h>

using namespace unroll;

namespace {

bool same_bits(const Array& a, const Array& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.raw<void>(), b.raw<void>(), a.size() * (a.dtype() == f64 ? 8 : 4)) == 0;
}

/// By the vectors' instruction, or by AMX: the processor's own, or emulated.
enum class How { vectors, amx };

/// Both, where AMX can be had.
std::vector<How> ways() {
  set_products(Products::bf16);  // asks for it
  set_products(Products::f32);
  return packed::uses_amx() || testing::can_emulate_amx() ? std::vector{How::vectors, How::amx}
                                                          : std::vector{How::vectors};
}

struct InBf16 {
  explicit InBf16(How how = How::vectors) {
    set_products(Products::bf16);
    has_amx_ = packed::uses_amx();
    if (how == How::vectors) packed::use_amx(false);
    if (how == How::amx && !has_amx_) emulated_.emplace();
  }
  ~InBf16() {
    emulated_.reset();
    packed::use_amx(has_amx_);
    set_products(Products::f32);
  }
  InBf16(const InBf16&) = delete;
  InBf16& operator=(const InBf16&) = delete;

 private:
  bool has_amx_;
  std::optional<testing::EmulatedAmx> emulated_;
};

Array random_array(const Shape& shape, std::uint64_t seed) {
  Random random(seed);
  return normal(1)(shape, random).to(f32);
}

/// The upper half of an f32, to the nearest and of two equally near ones to the even.
double rounded(double x) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(x));
  const std::uint32_t low = bits & 0xFFFFu, high = bits >> 16;
  const bool up = low > 0x8000u || (low == 0x8000u && (high & 1u) != 0);
  return std::bit_cast<float>((high + (up ? 1u : 0u)) << 16);
}

/// As a part of something wider.
Array with_gaps(const Array& a) {
  const Array wide = Array::full({a.rows(), a.cols() + 5}, f32, 777);
  for (Index r = 0; r < a.rows(); ++r) {
    std::memcpy(wide.part(r, 3, {a.cols()}).raw<void>(), a.part(r, 0, {a.cols()}).raw<void>(),
                a.cols() * sizeof(float));
  }
  return wide.part(0, 3, a.shape());
}

struct Kind {
  const char* name;
  void (*multiply)(const Array&, const Array&, const Dest&);
  bool a_transposed, b_transposed;
};
const Kind kinds[] = {{"a b", multiply, false, false},
                      {"a b once", multiply_once, false, false},
                      {"a bᵀ", multiply_nt, false, true},
                      {"a bᵀ once", multiply_once_nt, false, true},
                      {"aᵀ b", multiply_tn, true, false}};

/// The product [m, n] over a depth of k, and what it must be up to the rounding of its sums.
void check(const Kind& kind, Index m, Index n, Index k) {
  CAPTURE(kind.name);
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  const Array a = random_array(kind.a_transposed ? Shape{k, m} : Shape{m, k}, 1);
  const Array b = random_array(kind.b_transposed ? Shape{n, k} : Shape{k, n}, 2);
  const Array start = random_array({m, n}, 3);
  const auto x = [&](Index i, Index j) { return rounded(kind.a_transposed ? a.flat(j * m + i) : a.flat(i * k + j)); };
  const auto y = [&](Index j, Index q) { return rounded(kind.b_transposed ? b.flat(q * k + j) : b.flat(j * n + q)); };
  std::vector<double> expected(m * n, 0);
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < k; ++j) {
      for (Index q = 0; q < n; ++q) expected[i * n + q] += x(i, j) * y(j, q);
    }
  }
  for (const bool gaps : {false, true}) {
    const Array left = gaps ? with_gaps(a) : a, right = gaps ? with_gaps(b) : b;
    for (const bool add : {false, true}) {
      for (int call = 0; call < 3; ++call) {
        CAPTURE(gaps);
        CAPTURE(add);
        CAPTURE(call);
        const Array into = gaps ? with_gaps(start) : start.copy();
        kind.multiply(left, right, {into, add});
        double worst = 0;
        for (Index i = 0; i < m * n; ++i) {
          worst = std::max(worst, std::abs(into.flat(i) - expected[i] - (add ? start.flat(i) : 0)));
        }
        CHECK(worst <= 1e-6 * std::sqrt(static_cast<double>(k)) * 6);
      }
    }
  }
}

}  // namespace

TEST_CASE("bf16: set_products tells where it cannot be") {
  CHECK(products() == Products::f32);
  CHECK(available(Products::f32));
  if (available(Products::bf16)) {
    const InBf16 here;
    CHECK(products() == Products::bf16);
  } else {
    CHECK_THROWS_WITH_AS(set_products(Products::bf16),
                         "set_products: products in bf16 need a processor with AVX512-BF16 and a build for it",
                         UsageError);
  }
  CHECK(products() == Products::f32);
}

TEST_CASE("bf16: products of rounded operands" * doctest::skip(!available(Products::bf16))) {
  const std::array<Index, 3> sizes[] = {{6, 64, 128},   {1, 300, 129}, {7, 65, 255},  {13, 17, 513},
                                        {16, 64, 32},   {32, 96, 64},  {200, 70, 33}, {48, 64, 640},
                                        {5, 200, 1030}, {33, 33, 31},  {100, 130, 16}};
  for (const How how : ways()) {
    CAPTURE(static_cast<int>(how));
    const InBf16 here(how);
    for (const Kind& kind : kinds) {
      for (const auto& [m, n, k] : sizes) check(kind, m, n, k);
    }
  }
}

TEST_CASE("bf16: AMX is used when it is there" * doctest::skip(!available(Products::bf16))) {
  const Array a = random_array({32, 512}, 1), w = random_array({512, 64}, 2);
  std::vector<Array> results;
  const long before = testing::EmulatedAmx::instructions();
  bool emulated = false;
  for (const How how : ways()) {
    const InBf16 here(how);
    emulated = how == How::amx && testing::EmulatedAmx::now();
    results.push_back(Array::zeros({32, 64}, f32));
    multiply(a, w, {results.back(), false});
  }
  CHECK((testing::EmulatedAmx::instructions() == before) == !emulated);
  if (results.size() == 2) CHECK_FALSE(same_bits(results[0], results[1]));
  // The configuration and its release, and for each half of 64 columns four tiles that begin, 16 steps of eight
  // instructions, and four tiles that end.
  if (emulated) CHECK(testing::EmulatedAmx::instructions() - before == 2 + 2 * (4 + 16 * 8 + 4));
}

TEST_CASE("bf16: the bits of a row do not depend on the rows beside it" * doctest::skip(!available(Products::bf16))) {
  const Array a = random_array({70, 1100}, 1), w = random_array({1100, 100}, 2);
  const Array whole = random_array({70, 100}, 3), row = random_array({100}, 4);
  for (const How how : ways()) {
    CAPTURE(static_cast<int>(how));
    const InBf16 here(how);
    for (int base = 0; base < 4; ++base) {  // none, the destination, a matrix, a row
      CAPTURE(base);
      const auto product = [&](Index first, Index count) {
        const Array into = whole.part(first, 0, {count, 100}).copy(), rows = a.part(first, 0, {count, 1100});
        if (base < 2) {
          multiply(rows, w, {into, base == 1});
        } else {
          multiply_onto(base == 2 ? into.copy() : row, rows, w, into);
        }
        return into;
      };
      const Array all = product(0, 70);
      for (const Index first : std::initializer_list<Index>{0, 3, 32, 60}) {
        for (const Index count : std::initializer_list<Index>{1, 10})
          CHECK(same_bits(product(first, count), all.part(first, 0, {count, 100}).copy()));
      }
    }
  }
}

TEST_CASE("bf16: small products and those of f64 are what they are in f32" *
          doctest::skip(!available(Products::bf16))) {
  const Array a = random_array({3, 40}, 1), b = random_array({40, 5}, 2);
  const Array big_a = random_array({64, 64}, 1).to(f64), big_b = random_array({64, 64}, 2).to(f64);
  const auto bits = [](const Array& x, const Array& y) {
    const Array into = Array::zeros({x.rows(), y.cols()}, x.dtype());
    multiply(x, y, {into, false});
    return into;
  };
  const Array small = bits(a, b), wide = bits(big_a, big_b);
  const InBf16 here;
  CHECK(same_bits(bits(a, b), small));
  CHECK(same_bits(bits(big_a, big_b), wide));
}

TEST_CASE("bf16: a matrix keeps its copies for both apart" * doctest::skip(!available(Products::bf16))) {
  const Array a = random_array({32, 96}, 1), w = random_array({96, 128}, 2);
  const auto product = [&] {
    const Array into = Array::zeros({32, 128}, f32);
    for (int call = 0; call < 2; ++call) multiply(a, w, {into, false});
    return into;
  };
  const Array plain = product();
  const Array in_bf16 = [&] {
    const InBf16 here;
    return product();
  }();
  CHECK_FALSE(same_bits(plain, in_bf16));
  CHECK(same_bits(in_bf16, [&] {  // of a matrix that was never packed in f32
    const InBf16 here;
    const Array into = Array::zeros({32, 128}, f32);
    multiply(a, w.copy(), {into, false});
    return into;
  }()));
  CHECK(same_bits(product(), plain));
  const InBf16 here;
  CHECK(same_bits(product(), in_bf16));
}

TEST_CASE("bf16: the same bits for any number of threads" * doctest::skip(!available(Products::bf16))) {
  for (const How how : ways()) {
    CAPTURE(static_cast<int>(how));
    const InBf16 here(how);
    for (const Kind& kind : kinds) {
      CAPTURE(kind.name);
      const Array a = random_array(kind.a_transposed ? Shape{700, 200} : Shape{200, 700}, 1);
      const Array b = random_array(kind.b_transposed ? Shape{300, 700} : Shape{700, 300}, 2);
      std::vector<Array> results;
      for (const Index count : {1u, 2u, 3u}) {
        set_threads(count);
        const Array into = Array::zeros({200, 300}, f32);
        kind.multiply(a, b, {into, false});
        results.push_back(into);
      }
      set_threads(1);
      CHECK(same_bits(results[1], results[0]));
      CHECK(same_bits(results[2], results[0]));
    }
  }
}

TEST_CASE("bf16: a training step asks for no memory the second time, and for no more than in f32" *
          doctest::skip(!available(Products::bf16))) {
  const auto bytes = [](Products kind, How how) {
    const InBf16 here(how);
    Index first = 0, second = 0;
    std::thread([&] {  // with a pool of its own
      set_products(kind);
      Params params(1);
      const Lstm cell(params / "cell", 40, 96);
      const Array xs = random_array({20, 32, 40}, 5);
      Sgd sgd({.rate = 1e-3});
      const auto step = [&] {
        Tape tape;
        sgd.step(params, tape.backward(sum(scan(cell, Tensor(xs)).outputs)));
      };
      const Index before = pool_stats().bytes;
      step();
      step();
      first = pool_stats().bytes - before;
      step();
      second = pool_stats().bytes - before;
    })
        .join();
    CHECK(second == first);
    return first;
  };
  const Index in_f32 = bytes(Products::f32, How::vectors);
  CAPTURE(in_f32);
  CHECK(bytes(Products::bf16, How::vectors) <= in_f32);
  CHECK(bytes(Products::bf16, How::amx) <= in_f32);
}

TEST_CASE("bf16: what lies behind an odd last row is not read" * doctest::skip(!available(Products::bf16))) {
  const Array a = random_array({33, 64}, 1), b = random_array({33, 96}, 2);
  const auto followed_by_nan = [](const Array& x) {
    const Array longer = Array::full({x.rows() + 1, x.cols()}, f32, std::nan(""));
    std::memcpy(longer.raw<void>(), x.raw<void>(), x.size() * sizeof(float));
    return longer.part(0, 0, x.shape());
  };
  for (const How how : ways()) {
    CAPTURE(static_cast<int>(how));
    const InBf16 here(how);
    const Array into = Array::zeros({64, 96}, f32), beside_nan = Array::zeros({64, 96}, f32);
    multiply_tn(a, b, {into, false});
    multiply_tn(followed_by_nan(a), followed_by_nan(b), {beside_nan, false});
    CHECK(same_bits(beside_nan, into));
  }
}

TEST_CASE("bf16: losses and gradients of the cells are within 2 % of f32's" *
          doctest::skip(!available(Products::bf16))) {
  // As for the reference values of the notes: L = Σ (i + 1) a[i], and the Euclidean norm of each block of its gradient.
  const auto figures = [](auto make) {
    Params params(3);
    const auto cell = make(params / "cell");
    const Array xs = random_array({6, 32, 40}, 5);
    std::vector<float> factors(64);
    for (Index i = 0; i < 64; ++i) factors[i] = static_cast<float>(i + 1) / 64;
    Tape tape;
    const Tensor loss = sum(scan(cell, Tensor(xs)).outputs * Tensor(Array::of(Shape{64}, factors.data())));
    const Grads grads = tape.backward(loss);
    std::vector<double> all{loss.item()};
    for (const Param& param : params) {
      const Array& grad = grads[param];
      double squares = 0;
      for (Index i = 0; i < grad.size(); ++i) squares += grad.flat(i) * grad.flat(i);
      all.push_back(std::sqrt(squares));
    }
    return all;
  };
  const auto compare = [&](const char* name, auto make) {
    CAPTURE(name);
    const std::vector<double> expected = figures(make);
    for (const How how : ways()) {
      CAPTURE(static_cast<int>(how));
      const InBf16 here(how);
      const std::vector<double> found = figures(make);
      REQUIRE(found.size() == expected.size());
      for (Index i = 0; i < found.size(); ++i) {
        CAPTURE(i);
        CHECK(std::abs(found[i] - expected[i]) <= 0.02 * std::abs(expected[i]));
        CHECK(found[i] != expected[i]);
      }
    }
  };
  compare("RNN", [](const Scope& p) { return Rnn(p, 40, 64); });
  compare("simplified GRU", [](const Scope& p) { return SimpleGru(p, 40, 64); });
  compare("GRU, reset before", [](const Scope& p) { return Gru(p, 40, 64, Reset::before); });
  compare("GRU, reset after", [](const Scope& p) { return Gru(p, 40, 64, Reset::after); });
  compare("LSTM of the notes", [](const Scope& p) { return Lstm(p, 40, 64, {.output = LstmOutput::c}); });
  compare("LSTM", [](const Scope& p) { return Lstm(p, 40, 64); });
  compare("LSTM with peepholes", [](const Scope& p) { return PeepholeLstm(p, 40, 64); });
}
