// Reductions over axes that are known at run time only.
#pragma once

#include <numeric>

#include <unroll/core/ops.h>

namespace unroll::agreement {

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

}  // namespace unroll::agreement
