// Functions of one value and their derivatives, for the lambdas of `pointwise`: what arithmetic, exp, log, sqrt, tanh
// and the like of lane.h and dual.h do not cover. Each is exact to a few units in the last place over the whole range
// of its dtype, with the limits at the infinities, and NaN where the input is NaN; results near the smallest normal
// number may be 0.
#pragma once

#include <numbers>

#include <unroll/core/dual.h>
#include <unroll/core/erf.h>
#include <unroll/core/pow.h>

namespace unroll {

// ---- sine and cosine, the error function, ln(1 + x), exp x − 1
template <class T>
Lane<T> sin(Lane<T> x) {
  return xsimd::sin(x.v);
}
template <class T>
Lane<T> cos(Lane<T> x) {
  return xsimd::cos(x.v);
}
template <class T>
Lane<T> erf(Lane<T> x) {
  return simd::erf(x.v);
}
template <class T>
Lane<T> log1p(Lane<T> x) {
  return simd::log1p(x.v);
}
template <class T>
Lane<T> expm1(Lane<T> x) {
  return simd::expm1(x.v);
}
template <class T, unsigned A>
auto sin(const Dual<T, A>& x) {
  return detail::chain(x, sin(x.v), cos(x.v));
}
template <class T, unsigned A>
auto cos(const Dual<T, A>& x) {
  return detail::chain(x, cos(x.v), -sin(x.v));
}
template <class T, unsigned A>
auto erf(const Dual<T, A>& x) {
  return detail::chain(x, erf(x.v), (2 * std::numbers::inv_sqrtpi) * Lane<T>(simd::exp_of_square(x.v.v, T(1))));
}
template <class T, unsigned A>
auto log1p(const Dual<T, A>& x) {
  return detail::chain(x, log1p(x.v), 1 / (1 + x.v));
}
template <class T, unsigned A>
auto expm1(const Dual<T, A>& x) {
  return detail::chain(x, expm1(x.v), exp(x.v));
}

// ---- powers
template <class T>
Lane<T> square(Lane<T> x) {
  return x * x;
}
template <class T, unsigned A>
auto square(const Dual<T, A>& x) {
  return detail::chain(x, x.v * x.v, 2 * x.v);
}
/// xʸ as IEEE 754 has it: NaN for negative x unless y is whole; 1 for y = 0 and for x = 1, whatever the other one is.
template <class T>
Lane<T> pow(Lane<T> x, Lane<T> y) {
  return simd::pow(x.v, y.v);
}
/// The powers that cost a few operations are computed so, with the results of the operation: √x is NaN at −∞.
template <class T, Arithmetic C>
Lane<T> pow(Lane<T> x, C y) {
  const auto n = static_cast<double>(y);
  if (n == 0) return Lane<T>(1);
  if (n == 1) return x;
  if (n == 2) return x * x;
  if (n == 3) return x * x * x;
  if (n == -1) return 1 / x;
  if (n == -2) return square(1 / x);
  if (n == 0.5) return sqrt(x);
  if (n == -0.5) return 1 / sqrt(x);
  return pow(x, Lane<T>(y));
}
template <class T, Arithmetic C>
Lane<T> pow(C x, Lane<T> y) {
  return pow(Lane<T>(x), y);
}
template <class T, unsigned A, Arithmetic C>
auto pow(const Dual<T, A>& x, C y) {
  const auto n = static_cast<double>(y);
  return detail::chain(x, pow(x.v, n), n == 0 ? Lane<T>(0) : n * pow(x.v, n - 1));
}
namespace detail {
/// The derivative of z = xʸ by y, z ln x: 0 at x = 0 for y ≥ 0.
template <class T>
Lane<T> pow_slope(Lane<T> x, Lane<T> y, Lane<T> z) {
  return where(x == 0 && y >= 0, Lane<T>(0), z * log(x));
}
}  // namespace detail
template <class T, unsigned A, Arithmetic C>
auto pow(C x, const Dual<T, A>& y) {
  const Lane<T> base(x), z = pow(base, y.v);
  return detail::chain(y, z, detail::pow_slope(base, y.v, z));
}
template <class T, unsigned A, unsigned B>
auto pow(const Dual<T, A>& x, const Dual<T, B>& y) {
  const Lane<T> z = pow(x.v, y.v);
  Lane<T> dx(0), dy(0);
  if constexpr (A != 0) dx = where(y.v == 0, Lane<T>(0), y.v * pow(x.v, y.v - 1));
  if constexpr (B != 0) dy = detail::pow_slope(x.v, y.v, z);
  return detail::chain(x, y, z, dx, dy);
}

// ---- pieces
/// −1, 0 or 1; 0 at NaN, as in PyTorch. The derivative is 0.
template <class T>
Lane<T> sign(Lane<T> x) {
  return where(x > 0, Lane<T>(1), where(x < 0, Lane<T>(-1), Lane<T>(0)));
}
template <class T, unsigned A>
auto sign(const Dual<T, A>& x) {
  return detail::chain(x, sign(x.v), Lane<T>(0));
}
/// min(max(x, low), high). An infinite bound is no bound. As in PyTorch the derivative is 1 strictly between the bounds
/// and 0 at them.
template <class T>
Lane<T> clamp(Lane<T> x, double low, double high) {
  const Lane<T> least(low), most(high), y = where(x < least, least, x);
  return where(y > most, most, y);
}
template <class T, unsigned A>
auto clamp(const Dual<T, A>& x, double low, double high) {
  const Mask<T> above = low == -std::numeric_limits<double>::infinity() ? x.v == x.v : x.v > Lane<T>(low);
  const Mask<T> below = high == std::numeric_limits<double>::infinity() ? x.v == x.v : x.v < Lane<T>(high);
  return detail::chain(x, clamp(x.v, low, high), where(above && below, Lane<T>(1), Lane<T>(0)));
}
/// x for x > 0, slope · x else.
template <class T>
Lane<T> leaky_relu(Lane<T> x, double slope) {
  return where(x > 0, x, slope * x);
}
template <class T, unsigned A>
auto leaky_relu(const Dual<T, A>& x, double slope) {
  return detail::chain(x, leaky_relu(x.v, slope), where(x.v > 0, Lane<T>(1), Lane<T>(slope)));
}
/// x for x > 0, alpha (exp x − 1) else.
template <class T>
Lane<T> elu(Lane<T> x, double alpha) {
  return where(x > 0, x, alpha * expm1(x));
}
template <class T, unsigned A>
auto elu(const Dual<T, A>& x, double alpha) {
  return detail::chain(x, elu(x.v, alpha), where(x.v > 0, Lane<T>(1), alpha * exp(x.v)));
}

// ---- from the logistic function
namespace detail {
/// 1 / (1 + exp −x), whose tail keeps its relative accuracy where f32's `sigmoid` keeps an absolute one; and its
/// derivative.
template <class T>
struct Logistic {
  Lane<T> value, slope;
  explicit Logistic(Lane<T> x) {
    const Lane<T> e = exp(-abs(x)), inverse = 1 / (1 + e);
    value = where(x < 0, e, Lane<T>(1)) * inverse;
    slope = e * inverse * inverse;
  }
};
/// a b, but 0 where b is 0 and a infinite.
template <class T>
Lane<T> vanishing(Lane<T> a, Lane<T> b) {
  return where(b == 0 && a == a, b, a * b);
}
}  // namespace detail
/// ln(1 + exp x)
template <class T>
Lane<T> softplus(Lane<T> x) {
  return where(x < 0, Lane<T>(0), x) + log1p(exp(-abs(x)));
}
template <class T, unsigned A>
auto softplus(const Dual<T, A>& x) {
  return detail::chain(x, softplus(x.v), detail::Logistic<T>(x.v).value);
}
/// ln σ(x)
template <class T>
Lane<T> logsigmoid(Lane<T> x) {
  return -softplus(-x);
}
template <class T, unsigned A>
auto logsigmoid(const Dual<T, A>& x) {
  return detail::chain(x, logsigmoid(x.v), detail::Logistic<T>(-x.v).value);
}
/// x σ(x)
template <class T>
Lane<T> silu(Lane<T> x) {
  return detail::vanishing(x, detail::Logistic<T>(x).value);
}
template <class T, unsigned A>
auto silu(const Dual<T, A>& x) {
  const detail::Logistic<T> s(x.v);
  return detail::chain(x, detail::vanishing(x.v, s.value), s.value + detail::vanishing(x.v, s.slope));
}

// ---- gelu
/// x Φ(x) with the normal distribution's Φ.
template <class T>
Lane<T> gelu(Lane<T> x) {
  return detail::vanishing(x, Lane<T>(simd::normal_below(x.v)));
}
template <class T, unsigned A>
auto gelu(const Dual<T, A>& x) {
  const Lane<T> phi = simd::normal_below(x.v.v), e = simd::exp_of_square(x.v.v, T(0.5));
  const Lane<T> density = (0.5 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi) * e;
  return detail::chain(x, detail::vanishing(x.v, phi), phi + detail::vanishing(x.v, density));
}
namespace detail {
inline constexpr double gelu_scale = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi, gelu_cubic = 0.044715;
}
/// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), which is x σ(2 √(2/π) (x + 0.044715 x³)).
template <class T>
Lane<T> gelu_tanh(Lane<T> x) {
  return detail::vanishing(x, detail::Logistic<T>(detail::gelu_scale * (x + detail::gelu_cubic * x * x * x)).value);
}
template <class T, unsigned A>
auto gelu_tanh(const Dual<T, A>& x) {
  const Lane<T> square = x.v * x.v;
  const detail::Logistic<T> s(detail::gelu_scale * (x.v + detail::gelu_cubic * square * x.v));
  const Lane<T> inner = x.v * (detail::gelu_scale * (1 + 3 * detail::gelu_cubic * square));
  return detail::chain(x, detail::vanishing(x.v, s.value), s.value + detail::vanishing(inner, s.slope));
}

}  // namespace unroll
