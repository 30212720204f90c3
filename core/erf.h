// The error function and the normal distribution, to a few units in the last place: xsimd 8's erf is off by up to 68 in
// f64, and NaN for very large x.
#pragma once

#include <unroll/core/simd.h>

namespace unroll::simd {
namespace detail {

// Made by fit_erf.py. near(x²) = erf x / x − 1 for |x| ≤ 1; tail((x − 3) / (x + 3)) = (1 + 2x) exp x² erfc x for x ≥ ½.
template <class T>
struct ErfTables;
template <>
struct ErfTables<float> {
  static constexpr std::array<float, 8> near{0.128379167f,   -0.376126385f,    0.112837825f,   -0.0268654307f,
                                             0.00522103181f, -0.000848408041f, 0.00011265959f, -9.66704457e-6f};
  static constexpr std::array<float, 10> tail{1.25300806f,    -0.135621049f,   -0.0475621724f, 0.129642757f,
                                              -0.119276066f,  0.0683357498f,   -0.0237508495f, 0.00240415227f,
                                              0.00181445951f, -0.000552905936f};
  static constexpr float largest = 10.5f;  // erfc is 0 beyond
};
template <>
struct ErfTables<double> {
  static constexpr std::array<double, 13> near{0.12837916709551257,    -0.37612638903183748,   0.11283791670954879,
                                               -0.026866170645076793,  0.0052239776248180145,  -0.00085483269808337899,
                                               0.00012055331111642711, -1.4925595266831182e-5, 1.6461000484121368e-6,
                                               -1.6350312701054695e-7, 1.4659775274047436e-8,  -1.1372848856791674e-9,
                                               5.9571761477489114e-11};
  static constexpr std::array<double, 23> tail{
      1.2530080582697297,    -0.13562110612458119,    -0.047562294353450694,   0.12964515870276203,
      -0.11927366341531179,  0.06830802734394434,     -0.023770514918536378,   0.0025293918163351169,
      0.0018886903564002055, -0.00077983227149187949, -0.00010515976008945177, 0.00012509932758636072,
      4.9491714476033322e-6, -2.0100376113106086e-5,  -7.3005508825699872e-7,  3.4716166765935739e-6,
      3.5269325841299799e-7, -6.1463463414254169e-7,  -1.3432312409451291e-7,  9.8774380749406721e-8,
      3.4232990797822601e-8, -1.0659628807393203e-8,  -4.3253707191072784e-9};
  static constexpr double largest = 28;
};

/// erf x for |x| ≤ 1.
template <class T>
xsimd::batch<T> erf_near(xsimd::batch<T> x) {
  return xsimd::fma(x, polynomial(x * x, ErfTables<T>::near), x);
}
/// exp x² erfc x for x ≥ ½, up to the largest x of which erfc is not 0.
template <class T>
xsimd::batch<T> erfc_scaled(xsimd::batch<T> x) {
  using V = xsimd::batch<T>;
  return polynomial((x - V(3)) / (x + V(3)), ErfTables<T>::tail) / (V(1) + x + x);
}
/// x for x < bound, bound beyond; keeps NaN.
template <class T>
xsimd::batch<T> at_most(xsimd::batch<T> x, T bound) {
  using V = xsimd::batch<T>;
  return xsimd::select(x > V(bound), V(bound), x);
}

}  // namespace detail

/// exp(−s x²) for an s that is a power of 2. The rounding of x², which exp would magnify, is made up for.
template <class T>
xsimd::batch<T> exp_of_square(xsimd::batch<T> x, T s) {
  using V = xsimd::batch<T>;
  x = detail::at_most(xsimd::abs(x), detail::ErfTables<T>::largest * 2);
  const V square = x * x, rest = fused_minus(x, x, square);
  const V e = exp_below_overflow(-square * V(s));
  return e * (V(1) - rest * V(s));
}

/// 2/√π ∫₀ˣ exp −t² dt
template <class T>
xsimd::batch<T> erf(xsimd::batch<T> x) {
  using V = xsimd::batch<T>;
  const V size = detail::at_most(xsimd::abs(x), detail::ErfTables<T>::largest);
  const V far = V(1) - exp_of_square(size, T(1)) * detail::erfc_scaled(size);
  return xsimd::select(size <= V(1), detail::erf_near(x), xsimd::select(x < V(0), -far, far));
}
/// The normal distribution's Φ(x) = erfc(−x/√2) / 2, exact where that is tiny, too.
template <class T>
xsimd::batch<T> normal_below(xsimd::batch<T> x) {
  using V = xsimd::batch<T>;
  constexpr T root_half = T(0.70710678118654752);
  const V size = detail::at_most(xsimd::abs(x) * V(root_half), detail::ErfTables<T>::largest), half(T(0.5));
  const V far = half * exp_of_square(x, T(0.5)) * detail::erfc_scaled(size);
  return xsimd::select(size < half, half + half * detail::erf_near(x * V(root_half)),
                       xsimd::select(x < V(0), far, V(1) - far));
}

}  // namespace unroll::simd
