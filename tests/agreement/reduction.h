// Axes that are known at run time only.
#pragma once

#include <numeric>

#include <unroll/core/ops.h>

namespace unroll::agreement {

using List = std::initializer_list<int>;

/// Calls f with the axes, which the ops take as a braced list.
template <class F>
Tensor over_axes(const std::vector<int>& axes, F f) {
  switch (axes.size()) {
    case 1:
      return f({axes[0]});
    case 2:
      return f({axes[0], axes[1]});
    case 3:
      return f({axes[0], axes[1], axes[2]});
    case 4:
      return f({axes[0], axes[1], axes[2], axes[3]});
    default:
      return f({});
  }
}

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
  const auto swapped = [&](const Tensor& y) { return over_axes(order, [&](List list) { return transpose(y, list); }); };
  return swapped(f(swapped(x)));
}

/// The product over some axes, of the slices along them.
inline Tensor product(Tensor x, const std::vector<int>& axes, bool keep) {
  Shape dropped;
  for (const int axis : axes) {
    if (x.dim(axis) == 0) {
      x = exp(sum(x, {axis}, true));  // of no element: 1
      continue;
    }
    Tensor y = slice(x, axis, 0, 1);
    for (Index i = 1; i < x.dim(axis); ++i) y = y * slice(x, axis, i, i + 1);
    x = y;
  }
  for (Index i = 0; i < x.ndim(); ++i) {
    bool named = false;
    for (const int axis : axes) named = named || x.shape().axis(axis, "product") == i;
    if (!named) dropped.append(x.dim(static_cast<int>(i)));
  }
  return keep ? x : reshape(x, dropped);
}

/// Sums of the elements up to each one, along an axis.
inline Tensor running_sum(const Tensor& x, int axis) {
  const Index n = x.dim(axis);
  Array up_to = Array::zeros({n, n}, x.dtype());
  for (Index i = 0; i < n; ++i) {
    for (Index j = i; j < n; ++j) up_to.set_flat(i * n + j, 1);
  }
  return along(x, axis, [&](const Tensor& rows) { return matmul(rows, Tensor(up_to)); });
}

}  // namespace unroll::agreement
