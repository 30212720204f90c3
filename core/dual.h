// What a lambda given to `pointwise` computes with when its derivative is wanted: values with their partial
// derivatives.
#pragma once

#include <array>
#include <bit>
#include <utility>

#include <unroll/core/lane.h>

namespace unroll {

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
