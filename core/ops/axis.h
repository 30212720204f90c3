// An array seen around one axis, shared by the ops that work along one.
#pragma once

#include <cstring>

#include <unroll/core/dest.h>

namespace unroll::detail {

/// A shape [..., n, ...] as [outer, n, inner].
struct Around {
  Index outer = 1, n, inner = 1;
  Around(const Shape& shape, Index axis) : n(shape[axis]) {
    for (Index i = 0; i < axis; ++i) outer *= shape[i];
    for (Index i = axis + 1; i < shape.ndim(); ++i) inner *= shape[i];
  }
};

/// Without gaps between its rows.
inline Array dense(const Array& x) { return x.contiguous() ? x : x.copy(); }

inline Shape with_extent(Shape shape, Index axis, Index extent) {
  shape.set(axis, extent);
  return shape;
}

inline Shape without_first(const Shape& shape) { return Shape(shape.begin() + 1, shape.end()); }

inline Shape without(const Shape& shape, Index axis) {
  Shape left;
  for (Index i = 0; i < shape.ndim(); ++i) {
    if (i != axis) left.append(shape[i]);
  }
  return left;
}

/// Copies `count` entries of an axis from `from_at` of x to `to_at` of y, both without gaps.
inline void copy_axis(const Array& x, Index from_at, const Array& y, Index to_at, Index axis, Index count) {
  const Around a(x.shape(), axis), b(y.shape(), axis);
  dispatch(x.dtype(), [&]<class T>(T) {
    const T* from = x.raw<T>();
    T* to = y.raw<T>();
    for (Index o = 0; o < a.outer; ++o) {
      std::memcpy(to + (o * b.n + to_at) * b.inner, from + (o * a.n + from_at) * a.inner, count * a.inner * sizeof(T));
    }
  });
}

}  // namespace unroll::detail
