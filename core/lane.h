// What a lambda given to `pointwise` computes with: as many values as the registers hold.
#pragma once

#include <concepts>
#include <type_traits>

#include <unroll/core/simd.h>
#include <unroll/core/tape.h>

namespace unroll {

template <class A>
concept Arithmetic = std::is_arithmetic_v<A>;

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
  friend Lane exp(Lane a) { return simd::exp(a.v); }
  friend Lane log(Lane a) { return simd::log(a.v); }
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

}  // namespace unroll
