// Rows of softmax, shared by the softmax ops and the cross-entropy.
#pragma once

#include <algorithm>
#include <cmath>
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

/// Writes exp(x − shift) to y (in place is fine) and returns the sum.
template <class T>
T exp_row(const T* x, T shift, T* y, Index n) {
  using V = xsimd::batch<T>;
  V sums(T{0});
  Index c = 0;
  for (; c + V::size <= n; c += V::size) {
    const V e = xsimd::exp(V::load_unaligned(x + c) - V(shift));
    e.store_unaligned(y + c);
    sums += e;
  }
  T buffer[V::size], total = 0;
  sums.store_unaligned(buffer);
  for (const T s : buffer) total += s;
  if (c < n) {
    for (Index i = 0; i < V::size; ++i) buffer[i] = c + i < n ? x[c + i] : x[c];
    xsimd::exp(V::load_unaligned(buffer) - V(shift)).store_unaligned(buffer);
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

}  // namespace unroll::detail
