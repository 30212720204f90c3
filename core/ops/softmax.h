// Rows of softmax, shared by the softmax ops and the cross-entropy.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <unroll/core/lane.h>

namespace unroll::detail {

/// The largest of n numbers; NaN when one of them is.
template <class T>
T largest(const T* x, Index n) {
  using V = xsimd::batch<T>;
  T top = x[0];
  Index c = 0;
  if (n >= V::size) {
    V tops = V::load_unaligned(x);
    auto nan = tops != tops;
    for (c = V::size; c + V::size <= n; c += V::size) {
      const V v = V::load_unaligned(x + c);
      nan = nan | (v != v);
      tops = xsimd::max(tops, v);
    }
    if (xsimd::any(nan)) return std::numeric_limits<T>::quiet_NaN();
    T buffer[V::size];
    tops.store_unaligned(buffer);
    top = *std::max_element(buffer, buffer + V::size);
  }
  for (; c < n; ++c) top = x[c] > top || x[c] != x[c] ? x[c] : top;
  return top;
}

/// exp x for x < 88. In f32 two to the power of n + f = x log₂ e with |f| ≤ ½, where 2ᶠ is a polynomial fitted for the
/// least relative error (9e-8, and exact at 0; with the rounding of f 1e-7 + 1.3e-8 |x|): a third of the time of a
/// general exp. Zero below −87.3; NaN stays NaN.
inline xsimd::batch<float> exp_bounded(xsimd::batch<float> x) {
  typedef float F __attribute__((vector_size(sizeof(x))));
  typedef std::int32_t I __attribute__((vector_size(sizeof(x))));
  const F v = std::bit_cast<F>(x);
  const F sum = v * 1.44269502f + 12583039.0f;  // + 1.5·2²³ + 127: the low bits are n + 127
  const F f = v * 1.44269502f - (sum - 12583039.0f);
  F p = f * 0.00132647273f + 0.00967151299f;
  p = p * f + 0.0555073358f;
  p = p * f + 0.240222424f;
  p = p * f + 0.693147004f;
  p = p * f + 1.0f;
  p *= std::bit_cast<F>(std::bit_cast<I>(sum) << 23);
  return std::bit_cast<xsimd::batch<float>>(v < -87.3f ? F{} : p);
}
inline xsimd::batch<double> exp_bounded(xsimd::batch<double> x) { return simd::exp_below_overflow(x); }

/// Writes exp(x − shift) to y (in place is fine) and returns the sum; every x − shift is below 88.
template <class T>
T exp_row(const T* x, T shift, T* y, Index n) {
  using V = xsimd::batch<T>;
  V sums(T{0});
  Index c = 0;
  for (; c + V::size <= n; c += V::size) {
    const V e = exp_bounded(V::load_unaligned(x + c) - V(shift));
    e.store_unaligned(y + c);
    sums += e;
  }
  T buffer[V::size], total = 0;
  sums.store_unaligned(buffer);
  for (const T s : buffer) total += s;
  if (c < n) {
    for (Index i = 0; i < V::size; ++i) buffer[i] = c + i < n ? x[c + i] : x[c];
    exp_bounded(V::load_unaligned(buffer) - V(shift)).store_unaligned(buffer);
    for (Index i = 0; c + i < n; ++i) {
      y[c + i] = buffer[i];
      total += buffer[i];
    }
  }
  return total;
}

/// The shift that keeps exp finite: the largest element, or 0 when that is infinite.
template <class T>
T softmax_shift(const T* x, Index n) {
  const T top = largest(x, n);
  return std::isinf(top) && top < 0 ? T{0} : top;
}

inline constexpr Index softmax_block = 1024;

/// What one pass over a row of logits finds: a shift, and Σ exp(x − shift).
template <class T>
struct SoftmaxSum {
  T shift, total;
};
/// Writes exp(x − s) to y, block by block, and each block's s to `shifts`. The first s is the first block's largest
/// element, or the row's where that is −∞; a later block takes the s before it unless an element of it is larger by so
/// much that sums could overflow. So the row is read once, not once for its largest element too. `y` may be a block's
/// worth of scratch when `keep` is false.
template <class T>
SoftmaxSum<T> softmax_pass(const T* x, Index n, T* y, bool keep, T* shifts) {
  using V = xsimd::batch<T>;
  constexpr T bound = 60;
  T shift = largest(x, std::min(softmax_block, n)), total = 0;
  if (shift == -std::numeric_limits<T>::infinity()) shift = softmax_shift(x, n);
  for (Index begin = 0; begin < n; begin += softmax_block) {
    const Index count = std::min(softmax_block, n - begin), whole = count / V::size * V::size;
    const T* from = x + begin;
    T* to = keep ? y + begin : y;
    V sums(T{0}), tops(-std::numeric_limits<T>::infinity());
    for (Index c = 0; c < whole; c += V::size) {
      const V v = V::load_unaligned(from + c) - V(shift), e = exp_bounded(v);
      tops = xsimd::max(tops, v);
      e.store_unaligned(to + c);
      sums += e;
    }
    T top[V::size], sum[V::size], block = 0;
    tops.store_unaligned(top);
    sums.store_unaligned(sum);
    for (const T part : sum) block += part;
    if (whole < count) {
      top[0] = std::max(top[0], largest(from + whole, count - whole) - shift);
      block += exp_row(from + whole, shift, to + whole, count - whole);
    }
    if (*std::max_element(top, top + V::size) > bound) {
      const T larger = largest(from, count);
      total *= std::exp(shift - larger);
      shift = larger;
      block = exp_row(from, shift, to, count);
    }
    shifts[begin / softmax_block] = shift;
    total += block;
  }
  return {shift, total};
}

}  // namespace unroll::detail
