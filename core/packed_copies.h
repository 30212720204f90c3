// Copies of matrices in the micro-kernel's layout, kept with a matrix for as long as it does not change.
#pragma once

#include <unroll/core/array.h>
#include <unroll/core/packs.h>

namespace unroll::packed {

/// A matrix operand [rows, cols] whose elements lie `row` and `col` apart; one of them is 1.
template <class T>
struct Operand {
  const T* data;
  Index row, col;
};

/// All of a matrix [k, n] in blocks of panels, in memory that the caller releases.
template <class T>
Buffer* pack_all(Operand<T> w, Index k, Index n);

/// The packed copy of w (or of wᵀ), or null while it is not worth one: on its first use, unless it is packed anyway.
template <class T>
const T* panels_of(const Array& w, bool transposed, bool at_once);

}  // namespace unroll::packed
