// Axes that are known at run time only.
#pragma once

#include <numeric>

#include <unroll/core/ops.h>

namespace unroll::agreement {

inline std::vector<int> all_axes(const Tensor& x) {
  std::vector<int> axes(x.ndim());
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

/// f over one axis, for ops that work along the last one.
template <class F>
Tensor along(const Tensor& x, int axis, F f) {
  std::vector<int> order = all_axes(x);
  std::swap(order[x.shape().axis(axis, "along")], order.back());
  return transpose(f(transpose(x, order)), order);
}

}  // namespace unroll::agreement
