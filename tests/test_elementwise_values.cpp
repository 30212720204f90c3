// Values and derivatives of the elementwise functions in units in the last place (ulp), against long double ones; the
// edges of their domains; comparisons and masks.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include <unroll/core/ops.h>

using namespace unroll;

namespace {

using Long = long double;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

template <class T>
Array array_of(const std::vector<T>& values) {
  return Array::of({values.size()}, values.data());
}
template <class F>
Array slope(F f, const Array& at) {
  Tape tape;
  const Tensor x = tape.watch(at);
  return tape.backward(sum(f(x)))[x];
}

/// How far `got` is from `want` in ulp of max(|want|, floor). What is near the smallest normal number may be 0: an exp
/// on the way may lie below it, where a tape has no numbers. NaN and infinities must be where they are.
template <class T>
double ulp_between(T got, Long want, double floor = 0) {
  constexpr double far = 1e30;
  if (std::isnan(got) || std::isnan(want)) return std::isnan(got) && std::isnan(want) ? 0 : far;
  const T rounded = static_cast<T>(want);
  if (got == rounded) return 0;
  if (std::isinf(got) || std::isinf(rounded)) return far;
  constexpr T least = 4096 * std::numeric_limits<T>::min();
  if (std::abs(rounded) < least) return std::abs(got) <= least ? 0 : far;
  const T size = std::max(std::abs(rounded), static_cast<T>(floor));
  const Long ulp = static_cast<Long>(std::nextafter(size, std::numeric_limits<T>::infinity())) - size;
  return static_cast<double>(std::abs(static_cast<Long>(got) - want) / ulp);
}

/// Numbers of every size and sign, whole ones, and the edges.
template <class T>
std::vector<T> samples() {
  std::vector<T> x;
  Random random(7);
  const auto draw = [&](double low, double high) { return random.uniform(low, high); };
  constexpr double lowest = std::is_same_v<T, float> ? -149 : -1074, highest = std::is_same_v<T, float> ? 127 : 1023;
  for (int i = 0; i < 20'000; ++i) {
    x.push_back(static_cast<T>(draw(-2, 2)));
    x.push_back(static_cast<T>(draw(-12, 12)));
    x.push_back(static_cast<T>(draw(-800, 800)));
    x.push_back(static_cast<T>((i % 2 == 0 ? 1 : -1) * std::exp2(draw(-30, 5))));
    x.push_back(static_cast<T>((i % 2 == 0 ? 1 : -1) * std::exp2(draw(lowest, highest))));
  }
  using Limits = std::numeric_limits<T>;
  for (const T edge : {T(0),
                       T(1),
                       T(0.5),
                       T(3),
                       T(88.7),
                       T(89),
                       T(104),
                       T(300),
                       T(709.7),
                       T(710),
                       T(746),
                       T(1e4),
                       T(1e-10),
                       Limits::min(),
                       Limits::denorm_min(),
                       T(1e3) * Limits::denorm_min(),
                       Limits::max(),
                       std::is_same_v<T, float> ? T(1e30) : T(1e300),
                       Limits::infinity(),
                       Limits::quiet_NaN()}) {
    x.push_back(edge);
    x.push_back(-edge);
  }
  return x;
}

struct Function {
  const char* name;
  Tensor (*f)(const Tensor&);
  Long (*value)(Long);
  Long (*derivative)(Long);
  double ulp = 3;     // of the value; a few more are granted to the derivative
  double growth = 0;  // of the error in ulp with x², where a rounded x² goes into exp
};

Long logistic(Long x) { return 1 / (1 + std::exp(-x)); }
Long log_add(Long x) { return std::max<Long>(x, 0) + std::log1p(std::exp(-std::abs(x))); }
/// a b, and 0 where b is 0 and a infinite.
Long vanishing(Long a, Long b) { return b == 0 && !std::isnan(a) ? 0 : a * b; }
Long normal_below(Long x) { return std::erfc(-x / std::numbers::sqrt2_v<Long>) / 2; }
Long normal_at(Long x) { return std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<Long> / std::numbers::sqrt2_v<Long>; }
Long silu_slope(Long x) { return logistic(x) + vanishing(x, logistic(x) * logistic(-x)); }
constexpr Long gelu_scale = 2 * std::numbers::sqrt2_v<Long> * std::numbers::inv_sqrtpi_v<Long>;
Long gelu_inner(Long x) { return gelu_scale * (x + 0.044715L * x * x * x); }
/// NaN at NaN, as comparisons lose it.
Long keep(Long x, Long y) { return std::isnan(x) ? x : y; }

const Function functions[] = {
    {"sin", [](const Tensor& x) { return sin(x); }, [](Long x) { return std::sin(x); },
     [](Long x) { return std::cos(x); }},
    {"cos", [](const Tensor& x) { return cos(x); }, [](Long x) { return std::cos(x); },
     [](Long x) { return -std::sin(x); }},
    {"erf", [](const Tensor& x) { return erf(x); }, [](Long x) { return std::erf(x); },
     [](Long x) { return 2 * std::numbers::inv_sqrtpi_v<Long> * std::exp(-x * x); }, 1.5},
    {"exp", [](const Tensor& x) { return exp(x); }, [](Long x) { return std::exp(x); },
     [](Long x) { return std::exp(x); }},
    {"expm1", [](const Tensor& x) { return expm1(x); }, [](Long x) { return std::expm1(x); },
     [](Long x) { return std::exp(x); }},
    {"log", [](const Tensor& x) { return log(x); }, [](Long x) { return std::log(x); }, [](Long x) { return 1 / x; },
     1.5},
    {"log1p", [](const Tensor& x) { return log1p(x); }, [](Long x) { return std::log1p(x); },
     [](Long x) { return 1 / (1 + x); }, 1.5},
    {"square", [](const Tensor& x) { return square(x); }, [](Long x) { return x * x; }, [](Long x) { return 2 * x; },
     0.5},
    {"pow(x, 3)", [](const Tensor& x) { return pow(x, 3); }, [](Long x) { return std::pow(x, 3.0L); },
     [](Long x) { return 3 * x * x; }, 1.5},
    {"pow(x, -2)", [](const Tensor& x) { return pow(x, -2); }, [](Long x) { return std::pow(x, -2.0L); },
     [](Long x) { return -2 * std::pow(x, -3.0L); }},
    {"pow(x, 1/2)", [](const Tensor& x) { return pow(x, 0.5); }, [](Long x) { return std::sqrt(x); },
     [](Long x) { return 0.5L / std::sqrt(x); }, 0.5},
    {"pow(x, 2.5)", [](const Tensor& x) { return pow(x, 2.5); }, [](Long x) { return std::pow(x, 2.5L); },
     [](Long x) { return 2.5L * std::pow(x, 1.5L); }, 1.5},
    {"pow(x, -5)", [](const Tensor& x) { return pow(x, -5); }, [](Long x) { return std::pow(x, -5.0L); },
     [](Long x) { return -5 * std::pow(x, -6.0L); }, 1.5},
    {"pow(3, x)", [](const Tensor& x) { return pow(3, x); }, [](Long x) { return std::pow(3.0L, x); },
     [](Long x) { return vanishing(std::log(3.0L), std::pow(3.0L, x)); }, 1.5},
    {"sign", [](const Tensor& x) { return sign(x); }, [](Long x) { return Long((x > 0) - (x < 0)); },
     [](Long) { return 0.0L; }, 0},
    {"clamp", [](const Tensor& x) { return clamp(x, -1, 3); },
     [](Long x) { return keep(x, std::min<Long>(std::max<Long>(x, -1), 3)); },
     [](Long x) { return Long(x > -1 && x < 3); }, 0},
    {"clamp from below", [](const Tensor& x) { return clamp(x, 1, infinity); },
     [](Long x) { return keep(x, std::max<Long>(x, 1)); }, [](Long x) { return Long(x > 1); }, 0},
    {"clamp from above", [](const Tensor& x) { return clamp(x, -infinity, 0.5); },
     [](Long x) { return keep(x, std::min<Long>(x, 0.5L)); }, [](Long x) { return Long(x < 0.5L); }, 0},
    {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.25); }, [](Long x) { return x > 0 ? x : 0.25L * x; },
     [](Long x) { return x > 0 ? 1.0L : 0.25L; }, 0},
    {"elu", [](const Tensor& x) { return elu(x, 1.5); }, [](Long x) { return x > 0 ? x : 1.5L * std::expm1(x); },
     [](Long x) { return x > 0 ? 1.0L : 1.5L * std::exp(x); }, 4},
    {"softplus", [](const Tensor& x) { return softplus(x); }, [](Long x) { return keep(x, log_add(x)); },
     [](Long x) { return logistic(x); }},
    {"logsigmoid", [](const Tensor& x) { return logsigmoid(x); }, [](Long x) { return keep(x, -log_add(-x)); },
     [](Long x) { return logistic(-x); }},
    {"silu", [](const Tensor& x) { return silu(x); }, [](Long x) { return vanishing(x, logistic(x)); }, silu_slope, 4},
    {"gelu", [](const Tensor& x) { return gelu(x); }, [](Long x) { return vanishing(x, normal_below(x)); },
     [](Long x) { return normal_below(x) + vanishing(x, normal_at(x)); }, 5},
    {"gelu_tanh", [](const Tensor& x) { return gelu_tanh(x); },
     [](Long x) { return vanishing(x, logistic(gelu_inner(x))); },
     [](Long x) {
       const Long s = logistic(gelu_inner(x)), t = logistic(-gelu_inner(x));
       return s + vanishing(x * gelu_scale * (1 + 3 * 0.044715L * x * x), s * t);
     },
     5, 3},
};

template <class T>
void check_function(const Function& function) {
  const std::vector<T> x = samples<T>();
  const Array y = function.f(Tensor(array_of(x))).value();
  const Array dx = slope(function.f, array_of(x));
  REQUIRE(y.dtype() == dtype_of<T>);
  double worst = 0, worst_slope = 0;
  T at{}, slope_at{};
  for (Index i = 0; i < x.size(); ++i) {
    const Long v = x[i];
    const double size = static_cast<double>(std::min<Long>(v * v, 1000));
    const double error = ulp_between(y.data<T>()[i], function.value(v)) / (1 + function.growth * size);
    if (error > worst) worst = error, at = x[i];
    // Where a derivative changes its sign nearby, only its absolute error is small. The tape flushes denormal numbers.
    if (std::abs(x[i]) < std::numeric_limits<T>::min() && x[i] != 0) continue;
    const double floor = std::abs(x[i]) < 4 ? 0.2 : 0;  // the size of the terms that cancel
    const double slope_error =
        ulp_between(dx.data<T>()[i], function.derivative(v), floor) / (1 + function.growth * size);
    if (slope_error > worst_slope) worst_slope = slope_error, slope_at = x[i];
  }
  INFO(fmt::format("{} in {}: value worst at {}, derivative at {}", function.name, name(dtype_of<T>), at, slope_at));
  CHECK(worst <= function.ulp);
  CHECK(worst_slope <= function.ulp + 3);
}

}  // namespace

TEST_CASE("elementwise values and derivatives are exact to a few units in the last place, at every size of number") {
  for (const Function& function : functions) {
    check_function<float>(function);
    check_function<double>(function);
  }
}

namespace {

template <class T>
void check_powers() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> x, y;
  Random random(3);
  const auto draw = [&](double low, double high) { return random.uniform(low, high); };
  for (int i = 0; i < 100'000; ++i) {  // results over the whole range
    x.push_back(static_cast<T>(std::exp2(draw(-100, 100))));
    y.push_back(static_cast<T>(draw(-1, 1) * (Limits::max_exponent - 4) / std::log2(static_cast<double>(x.back()))));
    x.push_back(static_cast<T>(draw(0.71, 1.41)));
    y.push_back(static_cast<T>(draw(-1, 1) * (Limits::max_exponent - 4) / std::log2(static_cast<double>(x.back()))));
    x.push_back(static_cast<T>(-1 - draw(0, 3)));
    y.push_back(static_cast<T>(static_cast<int>(draw(-40, 40))));
    x.push_back(static_cast<T>(draw(0.9, 1.1)));
    y.push_back(static_cast<T>(draw(-600, 600)));
  }
  const Tensor z = pow(Tensor(array_of(x)), Tensor(array_of(y)));
  double worst = 0;
  for (Index i = 0; i < x.size(); ++i) {
    worst = std::max(worst, ulp_between(z.value().data<T>()[i], std::pow(static_cast<Long>(x[i]), Long(y[i]))));
  }
  CHECK(worst < 2);

  std::vector<T> edges;
  for (const T v :
       {T(0), T(0.5), T(1), T(2), T(3), T(2.5), T(1e4), T(1e30), T(16777217), T(9007199254740993.), Limits::epsilon(),
        Limits::min(), Limits::denorm_min(), Limits::max(), Limits::infinity(), Limits::quiet_NaN()}) {
    edges.push_back(v);
    edges.push_back(-v);
  }
  for (const T base : edges) {
    for (const T exponent : edges) {
      CAPTURE(base);
      CAPTURE(exponent);
      const T got =
          static_cast<T>(pow(Tensor(array_of(std::vector{base})), Tensor(array_of(std::vector{exponent}))).item());
      const T want = std::pow(base, exponent);
      CHECK(ulp_between(got, want) <= 1);
      if (!std::isnan(want)) CHECK(std::signbit(got) == std::signbit(want));
      CHECK(ulp_between(static_cast<T>(pow(base, Tensor(array_of(std::vector{exponent}))).item()), want) <= 1);
    }
  }
}

}  // namespace

TEST_CASE("elementwise values: pow of two tensors over its range, and IEEE 754's results at the edges") {
  check_powers<float>();
  check_powers<double>();
}

TEST_CASE("elementwise values: pow by a number agrees with pow by a tensor, where there is a shorter way, too") {
  const Array x = array_of(std::vector{-3.7, -1.0, -0.0, 0.0, 0.3, 1.0, 2.5, 1e5, infinity, nan_value});
  for (const double n : {0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 4.0, -7.0, 2.5}) {
    const Array number = pow(Tensor(x), n).value(), tensor = pow(Tensor(x), Tensor::scalar(n, f64)).value();
    for (Index i = 0; i < x.size(); ++i) {
      CAPTURE(n);
      CAPTURE(x.flat(i));
      CHECK(ulp_between(number.flat(i), tensor.flat(i)) <= 2);
    }
  }
  // PyTorch takes the root here, and so do we; IEEE 754's power is ∞.
  CHECK(std::isnan(pow(Tensor::scalar(-infinity, f64), 0.5).item()));
}

TEST_CASE("elementwise derivatives of pow at 0, as in PyTorch") {
  const auto slopes = [](double x, double y) {
    Tape tape;
    const Tensor a = tape.watch(Tensor::scalar(x, f64)), b = tape.watch(Tensor::scalar(y, f64));
    const Grads grads = tape.backward(pow(a, b));
    return std::pair{grads[a].item(), grads[b].item()};
  };
  CHECK(slopes(0, 0) == std::pair{0.0, 0.0});
  CHECK(slopes(0, 1) == std::pair{1.0, 0.0});
  CHECK(slopes(0, 2) == std::pair{0.0, 0.0});
  CHECK(slopes(0, 0.5) == std::pair{infinity, 0.0});
  CHECK(slopes(-2, 3).first == 12);
  CHECK(std::isnan(slopes(-2, 3).second));
  CHECK(slopes(3, 0).first == 0);
  CHECK(slopes(3, 0).second == doctest::Approx(std::log(3.0)).epsilon(1e-15));
  for (const double n : {0.0, 1.0, 2.0, 3.0, 4.0}) {
    CHECK(slope([=](auto v) { return pow(v, n); }, Array::zeros({}, f64)).item() == (n == 1 ? 1 : 0));
  }
  CHECK(slope([](auto v) { return pow(0, v); }, Array::full({}, f64, 2)).item() == 0);
}

TEST_CASE("elementwise values: -0 stays -0 where the function is odd") {
  for (const Dtype dtype : {f32, f64}) {
    const Tensor x = Tensor::full({3}, -0.0, dtype);
    for (const Tensor& y : {sin(x), erf(x), expm1(x), log1p(x), pow(x, 3), pow(x, Tensor::scalar(5, dtype))}) {
      CHECK(y.value().flat(0) == 0);
      CHECK(std::signbit(y.value().flat(0)));
    }
  }
}

TEST_CASE("elementwise values: clamp with crossed bounds gives the upper one; a bound is not NaN") {
  CHECK(clamp(Tensor::scalar(0, f64), 2, 1).item() == 1);
  CHECK_THROWS_WITH_AS(clamp(Tensor::scalar(0, f64), nan_value, 1),
                       "clamp: the bounds are nan and 1; a bound is a number", UsageError);
}

namespace {

void check_numbers(const Tensor& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  for (Index i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CHECK(ulp_between(got.value().flat(i), want[i]) == 0);
  }
}

}  // namespace

TEST_CASE("comparisons: 0 and 1 in the operands' dtype, with broadcasting, never recorded") {
  for (const Dtype dtype : {f32, f64}) {
    CAPTURE(name(dtype));
    const Tensor a = array_of(std::vector{1.0, 2.0, 3.0, nan_value, infinity, -0.0}).to(dtype);
    const Tensor b = array_of(std::vector{2.0, 2.0, 2.0, 2.0, infinity, 0.0}).to(dtype);
    check_numbers(a < b, {1, 0, 0, 0, 0, 0});
    check_numbers(a > b, {0, 0, 1, 0, 0, 0});
    check_numbers(a <= b, {1, 1, 0, 0, 1, 1});
    check_numbers(a >= b, {0, 1, 1, 0, 1, 1});
    check_numbers(equal(a, b), {0, 1, 0, 0, 1, 1});
    check_numbers(not_equal(a, b), {1, 0, 1, 1, 0, 0});
    check_numbers(a < 2.0, {1, 0, 0, 0, 0, 1});
    check_numbers(2.0 < a, {0, 0, 1, 0, 1, 0});
    check_numbers(a > 2.0, {0, 0, 1, 0, 1, 0});
    check_numbers(2.0 > a, {1, 0, 0, 0, 0, 1});
    check_numbers(a <= 2.0, {1, 1, 0, 0, 0, 1});
    check_numbers(2.0 <= a, {0, 1, 1, 0, 1, 0});
    check_numbers(a >= 2.0, {0, 1, 1, 0, 1, 0});
    check_numbers(2.0 >= a, {1, 1, 0, 0, 0, 1});
    check_numbers(equal(a, 2.0), {0, 1, 0, 0, 0, 0});
    check_numbers(not_equal(a, 2.0), {1, 0, 1, 1, 1, 1});
    CHECK((a < b).dtype() == dtype);
    const Tensor table = reshape(a, {6, 1}) >= reshape(b, {1, 6});
    CHECK(table.shape() == Shape{6, 6});
    CHECK(sum(table).item() == 1 + 5 + 5 + 0 + 6 + 1);  // of each a
    Tape tape;
    const Tensor x = tape.watch(a);
    const Index before = tape.size();
    for (const Tensor& mask : {x<b, x> 2.0, 2.0 <= x, equal(x, x), not_equal(x, 1)}) CHECK(!mask.recorded());
    CHECK(tape.size() == before);
  }
}

TEST_CASE("where: the branch that is not taken gets the gradient 0, whatever it holds") {
  for (const Dtype dtype : {f32, f64}) {
    CAPTURE(name(dtype));
    Tape tape;
    const Tensor a = tape.watch(Tensor(array_of(std::vector{1.0, nan_value, infinity, 4.0}).to(dtype)));
    const Tensor b = tape.watch(Tensor(array_of(std::vector{nan_value, 2.0, 3.0, -infinity}).to(dtype)));
    const Tensor mask = array_of(std::vector{1.0, 0.0, -0.0, nan_value}).to(dtype);
    const Tensor y = where(mask, a, b);
    check_numbers(y, {1, 2, 3, 4});
    const Tensor filled = masked_fill(b, mask, 7);
    check_numbers(filled, {7, 2, 3, 7});
    check_numbers(where(mask, a, 9.0), {1, 9, 9, 4});
    check_numbers(where(mask, 9.0, b), {9, 2, 3, 9});
    // What comes back may be infinite where nothing was taken.
    const Tensor scaled = y * array_of(std::vector{1.0, 2.0, infinity, 3.0}).to(dtype);
    const Grads grads = tape.backward(sum(scaled + filled));
    check_numbers(grads[a], {1, 0, 0, 3});
    check_numbers(grads[b], {0, 3, infinity, 0});
  }
  // Inside pointwise the derivatives themselves are chosen.
  const Array x = array_of(std::vector{-4.0, 0.0, 4.0});
  check_numbers(slope([](auto v) { return pointwise([](auto u) { return where(u > 0, sqrt(u), 0.0); }, v); }, x),
                {0, 0, 0.25});
}

TEST_CASE("errors: comparisons, where, and powers name themselves") {
  const Tensor a = Tensor::zeros({3}), b = Tensor::zeros({2}), c = Tensor::zeros({3}, f64);
  const std::string rule = " do not broadcast; each axis, from the last, must agree or be 1";
  const std::string mixed = ": dtypes f32 and f64 do not mix; convert one with to(…)";
  CHECK_THROWS_WITH_AS(static_cast<void>(a < b), ("less: shapes [3] and [2]" + rule).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(static_cast<void>(a >= b), ("greater_equal: shapes [3] and [2]" + rule).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(equal(a, b), ("equal: shapes [3] and [2]" + rule).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(where(a, a, b), ("where: shapes [3] and [2]" + rule).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(where(b, a, a), ("where: shapes [2] and [3]" + rule).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(masked_fill(a, b, 1), ("masked_fill: shapes [3] and [2]" + rule).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(pow(a, b), ("pow: shapes [3] and [2]" + rule).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(static_cast<void>(a > c), ("greater" + mixed).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(where(a, a, c), ("where" + mixed).c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(gelu(Tensor()), "gelu: an input has no value", UsageError);
  CHECK_THROWS_WITH_AS(static_cast<void>(Tensor() < 1.0), "less: an input has no value", UsageError);
}
