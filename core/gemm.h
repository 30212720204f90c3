// Matrix products. Weights that are used again go through a packed copy; every product is cut into tiles by its shape.
#pragma once

#include <unroll/core/array.h>

namespace unroll {

/// Where an op writes a result or a gradient: `into` has the result's shape (its rows may lie apart); with `add` what
/// is there is added to, otherwise it is overwritten.
struct Dest {
  Array into;
  bool add = false;
};

/// c (+)= a b        a [N, K], b [K, M], c [N, M]; leading axes of a and c count as rows.
void multiply(const Array& a, const Array& b, const Dest& c);
/// c (+)= a bᵀ       a [N, M], b [K, M], c [N, K]
void multiply_nt(const Array& a, const Array& b, const Dest& c);
/// c (+)= aᵀ b       a [N, K], b [N, M], c [K, M]
void multiply_tn(const Array& a, const Array& b, const Dest& c);

}  // namespace unroll
