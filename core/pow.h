// Powers to less than two units in the last place: xsimd 8's loses up to 80, is wrong at 0 and −∞, and overflows too
// early.
#pragma once

#include <bit>
#include <cstdint>

#include <unroll/core/simd.h>

namespace unroll::simd {
namespace detail {

template <class T>
struct FloatBits;
template <>
struct FloatBits<float> {
  using Int = std::int32_t;
  static constexpr int digits = 23, bias = 127;
  static constexpr Int root_half = 0x3f3504f3;
  static constexpr float ln2 = 0x1.62e4p-1f, ln2_rest = 0x1.7f7d1cf79abcap-20f;  // n ln2 is exact for |n| < 256
  static constexpr float limit = 150, largest_exponent = 0x1p40f;
  static constexpr int exp_terms = 8, log_terms = 5;
};
template <>
struct FloatBits<double> {
  using Int = std::int64_t;
  static constexpr int digits = 52, bias = 1023;
  static constexpr Int root_half = 0x3fe6a09e667f3bcd;
  static constexpr double ln2 = 0x1.62e42fefa38p-1, ln2_rest = 0x1.ef35793c7673p-45;  // … for |n| < 2048
  static constexpr double limit = 1100, largest_exponent = 0x1p64;
  static constexpr int exp_terms = 14, log_terms = 11;
};

/// A number and what was rounded off it.
template <class T>
struct Pair {
  xsimd::batch<T> v, rest;
};

/// ln x for x > 0 and finite, to about twice the digits of T. With x = 2ⁿ m, √½ ≤ m < √2 and s = (m − 1)/(m + 1):
/// ln x = n ln 2 + 2 (s + s³/3 + s⁵/5 + …).
template <class T>
Pair<T> log_pair(xsimd::batch<T> x) {
  using V = xsimd::batch<T>;
  using B = FloatBits<T>;
  using I [[gnu::vector_size(sizeof(V))]] = typename B::Int;
  constexpr T scale = std::is_same_v<T, float> ? T(0x1p24) : T(0x1p54);
  constexpr T magic = std::is_same_v<T, float> ? T(0x1.8p23) : T(0x1.8p52);
  const auto denormal = x < V(std::numeric_limits<T>::min());
  const I bits = std::bit_cast<I>(xsimd::select(denormal, x * V(scale), x));
  const I exponent = (bits - B::root_half) >> B::digits;
  const V m = std::bit_cast<V>(bits - (exponent << B::digits));
  V n = std::bit_cast<V>(exponent + std::bit_cast<typename B::Int>(magic)) - V(magic);
  n = xsimd::select(denormal, n - V(std::is_same_v<T, float> ? T(24) : T(54)), n);

  const V f = m - V(1), g = m + V(1), g_rest = m - (g - V(1));
  const V s = f / g, s_rest = (-fused_minus(s, g, f) - s * g_rest) / g;
  const V s2 = s * s, s2_rest = fused_minus(s, s, s2) + (s + s) * s_rest;
  const V s3 = s2 * s, s3_rest = fused_minus(s2, s, s3) + (s2_rest * s + s2 * s_rest);
  constexpr T third = T(2) / 3, third_rest = static_cast<T>(2.0L / 3 - static_cast<long double>(third));
  const V u = s3 * V(third), u_rest = fused_minus(s3, V(third), u) + (s3_rest * V(third) + s3 * V(third_rest));
  constexpr auto c = [] {
    std::array<T, B::log_terms> terms{};
    for (int k = 0; k < B::log_terms; ++k) terms[static_cast<std::size_t>(k)] = T(2) / static_cast<T>(2 * k + 5);
    return terms;
  }();
  const V more = s3 * s2 * polynomial(s2, c);

  const V twice = s + s, log_m = twice + u, log_m_rest = (twice - log_m) + u;
  const V whole = n * V(B::ln2), sum = whole + log_m;
  const V sum_rest = (whole - sum) + log_m;  // exact: |whole| is 0 or the larger one
  const V rest = sum_rest + (n * V(B::ln2_rest) + (log_m_rest + (s_rest + s_rest + u_rest + more)));
  return {sum, rest};
}

/// exp(p + rest), over the whole range of T including the denormal numbers.
template <class T>
xsimd::batch<T> exp_pair(xsimd::batch<T> p, xsimd::batch<T> rest) {
  using V = xsimd::batch<T>;
  using B = FloatBits<T>;
  using I [[gnu::vector_size(sizeof(V))]] = typename B::Int;
  constexpr T magic = std::is_same_v<T, float> ? T(0x1.8p23) : T(0x1.8p52);
  const V sum = p * V(T(1.44269504088896341)) + V(magic), n = sum - V(magic);
  const V r = ((p - n * V(B::ln2)) - n * V(B::ln2_rest)) + rest;
  constexpr auto c = [] {
    std::array<T, B::exp_terms - 2> terms{};
    double factorial = 2;
    for (int k = 2; k < B::exp_terms; ++k) {
      terms[static_cast<std::size_t>(k - 2)] = static_cast<T>(1 / factorial);
      factorial *= k + 1;
    }
    return terms;
  }();
  const V y = V(1) + (r + r * r * polynomial(r, c));
  const I exponent = std::bit_cast<I>(sum) - std::bit_cast<typename B::Int>(magic), half = exponent >> 1;
  const auto power_of_2 = [](I e) { return std::bit_cast<V>((e + B::bias) << B::digits); };
  return y * power_of_2(half) * power_of_2(exponent - half);  // in two steps: 2ⁿ itself may overflow
}

}  // namespace detail

/// xʸ, with IEEE 754's results for zeros, infinities, NaN and negative x.
template <class T>
xsimd::batch<T> pow(xsimd::batch<T> x, xsimd::batch<T> y) {
  using V = xsimd::batch<T>;
  using B = detail::FloatBits<T>;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const V size = xsimd::abs(x), zero(T{0});
  const auto log = detail::log_pair(size);
  const V bounded = xsimd::min(xsimd::max(y, V(-B::largest_exponent)), V(B::largest_exponent));
  const V p = bounded * log.v, p_rest = fused_minus(bounded, log.v, p) + bounded * log.rest;
  const auto far = xsimd::abs(p) >= V(B::limit);
  V z = detail::exp_pair(xsimd::min(xsimd::max(p, V(-B::limit)), V(B::limit)), xsimd::select(far, zero, p_rest));

  const auto below = y < zero;
  z = xsimd::select(size == zero, xsimd::select(below, V(infinity), zero), z);
  z = xsimd::select(size == V(infinity), xsimd::select(below, zero, V(infinity)), z);
  const V half = y * V(T(0.5));
  const auto whole = xsimd::floor(y) == y;
  const auto odd = whole & ~(xsimd::floor(half) == half);
  z = xsimd::select(odd, z | xsimd::bitofsign(x), z);
  const V nan(std::numeric_limits<T>::quiet_NaN());
  z = xsimd::select((x < zero) & (size < V(infinity)) & ~whole, nan, z);
  z = xsimd::select((x == x) & (y == y), z, nan);
  return xsimd::select((y == zero) | (x == V(1)), V(1), z);
}

}  // namespace unroll::simd
