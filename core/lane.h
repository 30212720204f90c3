// What a lambda given to `pointwise` computes with: Lane for values, Dual for values with their partial derivatives.
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
#include <bit>
#include <concepts>
#include <limits>
#include <tuple>
#include <utility>

#include <unroll/core/tape.h>

namespace unroll {

template <class A>
concept Arithmetic = std::is_arithmetic_v<A>;

namespace simd {

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
inline xsimd::batch<double> tanh(xsimd::batch<double> x) { return xsimd::tanh(x); }
inline xsimd::batch<double> sigmoid(xsimd::batch<double> x) {
  using V = xsimd::batch<double>;
  return V(1) / (V(1) + xsimd::exp(-x));
}

}  // namespace simd

/// A condition, lane by lane.
template <class T>
struct Mask {
  typename xsimd::batch<T>::batch_bool_type m;
  friend Mask operator&&(Mask a, Mask b) { return {a.m & b.m}; }
  friend Mask operator||(Mask a, Mask b) { return {a.m | b.m}; }
  friend Mask operator!(Mask a) { return {~a.m}; }
};

/// As many values as the registers hold.
template <class T>
struct Lane {
  using V = xsimd::batch<T>;
  V v;

  Lane() = default;
  Lane(V value) : v(value) {}
  template <Arithmetic A>
  Lane(A value) : v(static_cast<T>(value)) {}

  friend Lane operator+(Lane a, Lane b) { return a.v + b.v; }
  friend Lane operator-(Lane a, Lane b) { return a.v - b.v; }
  friend Lane operator*(Lane a, Lane b) { return a.v * b.v; }
  friend Lane operator/(Lane a, Lane b) { return a.v / b.v; }
  friend Lane operator-(Lane a) { return -a.v; }
  friend Lane exp(Lane a) { return xsimd::exp(a.v); }
  friend Lane log(Lane a) {  // scaled where a is denormal, which xsimd's is wrong for by a few ln 2
    constexpr T scale = std::is_same_v<T, float> ? T(0x1p24) : T(0x1p54);
    const Lane ln_scale(std::is_same_v<T, float> ? T(16.6355323334) : T(37.4299477502370477));
    const Mask<T> denormal = a < Lane(std::numeric_limits<T>::min());
    const Lane y = xsimd::log(where(denormal, a * Lane(scale), a).v);
    return where(denormal, y - ln_scale, y);
  }
  friend Lane sqrt(Lane a) { return xsimd::sqrt(a.v); }
  friend Lane tanh(Lane a) { return simd::tanh(a.v); }
  friend Lane sigmoid(Lane a) { return simd::sigmoid(a.v); }
  friend Lane abs(Lane a) { return xsimd::abs(a.v); }
  friend Lane relu(Lane a) { return where(a < 0, Lane(0), a); }  // keeps NaN
  friend Lane softsign(Lane a) { return a / (1 + abs(a)); }
  friend Lane max(Lane a, Lane b) { return where(a > b || a != a, a, b); }
  friend Lane min(Lane a, Lane b) { return where(a < b || a != a, a, b); }
  friend Mask<T> operator<(Lane a, Lane b) { return {a.v < b.v}; }
  friend Mask<T> operator>(Lane a, Lane b) { return {a.v > b.v}; }
  friend Mask<T> operator<=(Lane a, Lane b) { return {a.v <= b.v}; }
  friend Mask<T> operator>=(Lane a, Lane b) { return {a.v >= b.v}; }
  friend Mask<T> operator==(Lane a, Lane b) { return {a.v == b.v}; }
  friend Mask<T> operator!=(Lane a, Lane b) { return !(a == b); }  // xsimd's != is false for NaN
  friend Lane where(Mask<T> condition, Lane a, Lane b) { return xsimd::select(condition.m, a.v, b.v); }
};

/// A value with its derivatives with respect to some inputs of the lambda: bit i of `M` says that input i is among
/// them. What is zero by construction is known at compile time and costs nothing.
template <class T, unsigned M>
struct Dual {
  Lane<T> v;
  std::array<Lane<T>, std::popcount(M)> d;

  template <unsigned I>
  static constexpr std::size_t place = static_cast<std::size_t>(std::popcount(M & ((1u << I) - 1u)));
  template <unsigned I>
  Lane<T> partial() const {
    return d[place<I>];
  }
};

namespace detail {

template <unsigned M, class F>
void each_bit(F f) {
  [&]<unsigned... I>(std::integer_sequence<unsigned, I...>) {
    (
        [&] {
          if constexpr ((M >> I & 1u) != 0) f(std::integral_constant<unsigned, I>{});
        }(),
        ...);
  }(std::make_integer_sequence<unsigned, 32>{});
}

/// f(x) with derivative dv.
template <class T, unsigned A>
Dual<T, A> chain(const Dual<T, A>& x, Lane<T> v, Lane<T> dv) {
  Dual<T, A> r;
  r.v = v;
  each_bit<A>([&](auto i) { r.d[r.template place<i>] = dv * x.template partial<i>(); });
  return r;
}
/// f(x, y) with partial derivatives dx and dy.
template <class T, unsigned A, unsigned B>
Dual<T, A | B> chain(const Dual<T, A>& x, const Dual<T, B>& y, Lane<T> v, Lane<T> dx, Lane<T> dy) {
  Dual<T, A | B> r;
  r.v = v;
  each_bit<A | B>([&](auto i) {
    constexpr bool in_x = (A >> i & 1u) != 0, in_y = (B >> i & 1u) != 0;
    Lane<T>& out = r.d[r.template place<i>];
    if constexpr (in_x && in_y) {
      out = Lane<T>(xsimd::fma(dx.v, x.template partial<i>().v, (dy * y.template partial<i>()).v));
    } else if constexpr (in_x) {
      out = dx * x.template partial<i>();
    } else {
      out = dy * y.template partial<i>();
    }
  });
  return r;
}
template <class T, Arithmetic A>
Dual<T, 0> constant(A value) {
  return {Lane<T>(value), {}};
}

}  // namespace detail

template <class T, unsigned A, unsigned B>
auto operator+(const Dual<T, A>& x, const Dual<T, B>& y) {
  Dual<T, A | B> r;
  r.v = x.v + y.v;
  detail::each_bit<A | B>([&](auto i) {
    Lane<T>& out = r.d[r.template place<i>];
    if constexpr ((A >> i & 1u) != 0 && (B >> i & 1u) != 0) {
      out = x.template partial<i>() + y.template partial<i>();
    } else if constexpr ((A >> i & 1u) != 0) {
      out = x.template partial<i>();
    } else {
      out = y.template partial<i>();
    }
  });
  return r;
}
template <class T, unsigned A>
auto operator-(const Dual<T, A>& x) {
  Dual<T, A> r;
  r.v = -x.v;
  for (std::size_t i = 0; i < r.d.size(); ++i) r.d[i] = -x.d[i];
  return r;
}
template <class T, unsigned A, unsigned B>
auto operator-(const Dual<T, A>& x, const Dual<T, B>& y) {
  return x + (-y);
}
template <class T, unsigned A, unsigned B>
auto operator*(const Dual<T, A>& x, const Dual<T, B>& y) {
  return detail::chain(x, y, x.v * y.v, y.v, x.v);
}
template <class T, unsigned A, unsigned B>
auto operator/(const Dual<T, A>& x, const Dual<T, B>& y) {
  const Lane<T> inverse = 1 / y.v, v = x.v / y.v;
  return detail::chain(x, y, v, inverse, -v * inverse);
}
template <class T, unsigned A>
auto exp(const Dual<T, A>& x) {
  const Lane<T> y = exp(x.v);
  return detail::chain(x, y, y);
}
template <class T, unsigned A>
auto log(const Dual<T, A>& x) {
  return detail::chain(x, log(x.v), 1 / x.v);
}
template <class T, unsigned A>
auto sqrt(const Dual<T, A>& x) {
  const Lane<T> y = sqrt(x.v);
  return detail::chain(x, y, 0.5 / y);
}
template <class T, unsigned A>
auto tanh(const Dual<T, A>& x) {
  const Lane<T> y = tanh(x.v);
  return detail::chain(x, y, 1 - y * y);
}
template <class T, unsigned A>
auto sigmoid(const Dual<T, A>& x) {
  const Lane<T> y = sigmoid(x.v);
  return detail::chain(x, y, y * (1 - y));
}
/// |x|, with derivative 0 at 0.
template <class T, unsigned A>
auto abs(const Dual<T, A>& x) {
  return detail::chain(x, abs(x.v), where(x.v > 0, Lane<T>(1), where(x.v < 0, Lane<T>(-1), Lane<T>(0))));
}
/// max(x, 0), with derivative 0 at 0.
template <class T, unsigned A>
auto relu(const Dual<T, A>& x) {
  return detail::chain(x, relu(x.v), where(x.v <= 0, Lane<T>(0), Lane<T>(1)));  // 1 at NaN, as in PyTorch
}
/// x / (1 + |x|)
template <class T, unsigned A>
auto softsign(const Dual<T, A>& x) {
  const Lane<T> inverse = 1 / (1 + abs(x.v));
  return detail::chain(x, x.v * inverse, inverse * inverse);
}
namespace detail {
/// The derivative by an operand of which `loses` says that the other one is taken.
template <class T>
Lane<T> share(Mask<T> loses, Mask<T> ties) {
  return where(loses, Lane<T>(0), where(ties, Lane<T>(0.5), Lane<T>(1)));
}
}  // namespace detail
/// The larger one; ties share the derivative evenly. Beside NaN both derivatives are 1, as in PyTorch.
template <class T, unsigned A, unsigned B>
auto max(const Dual<T, A>& x, const Dual<T, B>& y) {
  const Mask<T> ties = x.v == y.v;
  return detail::chain(x, y, max(x.v, y.v), detail::share(x.v < y.v, ties), detail::share(y.v < x.v, ties));
}
/// The smaller one; ties and NaN as for the larger one.
template <class T, unsigned A, unsigned B>
auto min(const Dual<T, A>& x, const Dual<T, B>& y) {
  const Mask<T> ties = x.v == y.v;
  return detail::chain(x, y, min(x.v, y.v), detail::share(x.v > y.v, ties), detail::share(y.v > x.v, ties));
}
template <class T, unsigned A, unsigned B>
auto where(Mask<T> condition, const Dual<T, A>& x, const Dual<T, B>& y) {
  Dual<T, A | B> r;
  r.v = where(condition, x.v, y.v);
  detail::each_bit<A | B>([&](auto i) {
    Lane<T> a(0), b(0);
    if constexpr ((A >> i & 1u) != 0) a = x.template partial<i>();
    if constexpr ((B >> i & 1u) != 0) b = y.template partial<i>();
    r.d[r.template place<i>] = where(condition, a, b);
  });
  return r;
}

// A plain number beside a dual, and comparisons.
#define UNROLL_DUAL_BINARY(NAME)               \
  template <class T, unsigned A, Arithmetic C> \
  auto NAME(const Dual<T, A>& x, C c) {        \
    return NAME(x, detail::constant<T>(c));    \
  }                                            \
  template <class T, unsigned A, Arithmetic C> \
  auto NAME(C c, const Dual<T, A>& x) {        \
    return NAME(detail::constant<T>(c), x);    \
  }
UNROLL_DUAL_BINARY(operator+)
UNROLL_DUAL_BINARY(operator-)
UNROLL_DUAL_BINARY(operator*)
UNROLL_DUAL_BINARY(operator/)
UNROLL_DUAL_BINARY(max)
UNROLL_DUAL_BINARY(min)
#undef UNROLL_DUAL_BINARY
template <class T, unsigned A, Arithmetic C>
auto where(Mask<T> condition, const Dual<T, A>& x, C c) {
  return where(condition, x, detail::constant<T>(c));
}
template <class T, unsigned A, Arithmetic C>
auto where(Mask<T> condition, C c, const Dual<T, A>& x) {
  return where(condition, detail::constant<T>(c), x);
}
#define UNROLL_DUAL_COMPARE(OP)                                   \
  template <class T, unsigned A, unsigned B>                      \
  Mask<T> operator OP(const Dual<T, A>& x, const Dual<T, B>& y) { \
    return x.v OP y.v;                                            \
  }                                                               \
  template <class T, unsigned A, Arithmetic C>                    \
  Mask<T> operator OP(const Dual<T, A>& x, C c) {                 \
    return x.v OP Lane<T>(c);                                     \
  }                                                               \
  template <class T, unsigned A, Arithmetic C>                    \
  Mask<T> operator OP(C c, const Dual<T, A>& x) {                 \
    return Lane<T>(c) OP x.v;                                     \
  }
UNROLL_DUAL_COMPARE(<)
UNROLL_DUAL_COMPARE(>)
UNROLL_DUAL_COMPARE(<=)
UNROLL_DUAL_COMPARE(>=)
UNROLL_DUAL_COMPARE(==)
UNROLL_DUAL_COMPARE(!=)
#undef UNROLL_DUAL_COMPARE

}  // namespace unroll
