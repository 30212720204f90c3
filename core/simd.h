// Functions of whole registers, where xsimd's are slow or wrong at the edges of their domain.
#pragma once

#include <unroll/core/xtensor.h>

// gcc 12 takes the undefined operands of its own AVX-512 intrinsics for uninitialised variables.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <xsimd/xsimd.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

namespace unroll::simd {

/// A clamped rational approximation of tanh for f32 (the one Eigen and XLA use): within 3.5e-7, a third of the time of
/// the exact one. NaN stays NaN: the x86 minimum and maximum return their second operand when one is NaN.
inline xsimd::batch<float> tanh(xsimd::batch<float> x) {
  using V = xsimd::batch<float>;
  x = xsimd::min(V(7.90531110763549805f), xsimd::max(V(-7.90531110763549805f), x));
  const V x2 = x * x;
  V p = xsimd::fma(x2, V(-2.76076847742355e-16f), V(2.00018790482477e-13f));
  p = xsimd::fma(x2, p, V(-8.60467152213735e-11f));
  p = xsimd::fma(x2, p, V(5.12229709037114e-08f));
  p = xsimd::fma(x2, p, V(1.48572235717979e-05f));
  p = xsimd::fma(x2, p, V(6.37261928875436e-04f));
  p = xsimd::fma(x2, p, V(4.89352455891786e-03f));
  V q = xsimd::fma(x2, V(1.19825839466702e-06f), V(1.18534705686654e-04f));
  q = xsimd::fma(x2, q, V(2.26843463243900e-03f));
  q = xsimd::fma(x2, q, V(4.89352518554385e-03f));
  return x * p / q;
}
inline xsimd::batch<float> sigmoid(xsimd::batch<float> x) {
  using V = xsimd::batch<float>;
  return xsimd::fma(tanh(x * V(0.5f)), V(0.5f), V(0.5f));
}

/// f(x) for one of xsimd's functions that is constant beyond ±800. In f64 they convert a multiple of x to an integer
/// of 64 bits, one by one, which C++ leaves undefined for NaN and for what such an integer cannot hold.
template <class T, class F>
xsimd::batch<T> convertible(F f, xsimd::batch<T> x) {
  using V = xsimd::batch<T>;
  if constexpr (std::is_same_v<T, float>) {
    return f(x);
  } else {
    const auto number = x == x;
    const V y = f(xsimd::select(number, xsimd::min(xsimd::max(x, V(-800)), V(800)), V(0)));
    return xsimd::select(number, y, x);
  }
}
/// exp x, which may be ∞ above 88 in f32 and 709 in f64; `exp` is finite as far as a number can hold it.
template <class T>
xsimd::batch<T> exp_below_overflow(xsimd::batch<T> x) {
  return convertible([](auto v) { return xsimd::exp(v); }, x);
}
inline xsimd::batch<double> tanh(xsimd::batch<double> x) {
  return convertible([](auto v) { return xsimd::tanh(v); }, x);
}
inline xsimd::batch<double> sigmoid(xsimd::batch<double> x) {
  using V = xsimd::batch<double>;
  return V(1) / (V(1) + exp_below_overflow(-x));
}

/// f(x) for an f like exp near where it overflows, which xsimd's do 0.35 too early: there e f(x − 1).
template <class T, class F>
xsimd::batch<T> up_to_overflow(F f, xsimd::batch<T> x) {
  using V = xsimd::batch<T>;
  const auto large = x > V(std::is_same_v<T, float> ? T(80) : T(700));
  const V y = convertible(f, xsimd::select(large, x - V(1), x));
  return xsimd::select(large, y * V(T(2.71828182845904524)), y);
}
template <class T>
xsimd::batch<T> exp(xsimd::batch<T> x) {
  return up_to_overflow([](auto v) { return xsimd::exp(v); }, x);
}
/// exp x − 1, exact for small x.
template <class T>
xsimd::batch<T> expm1(xsimd::batch<T> x) {
  const auto y = up_to_overflow([](auto v) { return xsimd::expm1(v); }, x);
  return xsimd::select(x == xsimd::batch<T>(0), x, y);  // −0, too
}
/// Scaled where x is denormal, which xsimd's is wrong for by a few ln 2.
template <class T>
xsimd::batch<T> log(xsimd::batch<T> x) {
  using V = xsimd::batch<T>;
  constexpr T scale = std::is_same_v<T, float> ? T(0x1p24) : T(0x1p54);
  constexpr T ln_scale = std::is_same_v<T, float> ? T(16.6355323334) : T(37.4299477502370477);
  const auto denormal = x < V(std::numeric_limits<T>::min());
  const V y = xsimd::log(xsimd::select(denormal, x * V(scale), x));
  return xsimd::select(denormal, y - V(ln_scale), y);
}
/// ln(1 + x), exact for small x.
template <class T>
xsimd::batch<T> log1p(xsimd::batch<T> x) {
  return xsimd::select(x == xsimd::batch<T>(0), x, xsimd::log1p(x));
}

/// a b − c, rounded once. xsimd 8's fma rounds twice where it knows no such instruction, as for AVX-512.
template <class T>
xsimd::batch<T> fused_minus(xsimd::batch<T> a, xsimd::batch<T> b, xsimd::batch<T> c) {
  using V = xsimd::batch<T>;
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) {
    if constexpr (std::is_same_v<T, float>) {
      return V(_mm512_fmsub_ps(a, b, c));
    } else {
      return V(_mm512_fmsub_pd(a, b, c));
    }
  }
#endif
#if defined(__FMA__)
  if constexpr (sizeof(V) == 32) {
    if constexpr (std::is_same_v<T, float>) {
      return V(_mm256_fmsub_ps(a, b, c));
    } else {
      return V(_mm256_fmsub_pd(a, b, c));
    }
  }
#endif
  T x[V::size], y[V::size], z[V::size];
  a.store_unaligned(x);
  b.store_unaligned(y);
  c.store_unaligned(z);
  for (std::size_t i = 0; i < V::size; ++i) z[i] = std::fma(x[i], y[i], -z[i]);
  return V::load_unaligned(z);
}

/// c₀ + c₁ x + c₂ x² + …
template <class T, std::size_t N>
xsimd::batch<T> polynomial(xsimd::batch<T> x, const std::array<T, N>& c) {
  xsimd::batch<T> y(c[N - 1]);
  for (std::size_t i = N - 1; i-- > 0;) y = xsimd::fma(y, x, xsimd::batch<T>(c[i]));
  return y;
}

}  // namespace unroll::simd
