#pragma once

#include <unroll/core/ops.h>

namespace unroll {

/// y = x w + b.   x [..., in] → [..., out]
struct Linear {
  Param w, b;

  Linear(const Scope& p, Index in, Index out, const Init& init = glorot)
      : w(p("w", {in, out}, init)), b(p("b", {out}, zero)) {}

  Tensor operator()(const Tensor& x) const {
    require(x.ndim() >= 1 && x.dim(-1) == w.dim(0),
            "Linear: the input is {} but '{}' is {}; the last axis must have {} elements", x.shape(), w.name(),
            w.shape(), w.dim(0));
    return affine(x, w, b);
  }
};

}  // namespace unroll
