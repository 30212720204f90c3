// Copies of matrices in the micro-kernel's layout, kept with a matrix for as long as it does not change.
#pragma once

#include <unroll/core/array.h>
#include <unroll/core/bf16.h>

namespace unroll::packed {

/// A matrix operand [rows, cols] whose elements lie `row` and `col` apart; one of them is 1.
template <class T>
struct Operand {
  const T* data;
  Index row, col;
};

/// All of a matrix [k, n] in blocks of panels of a format, in memory that the caller releases.
template <class F>
Buffer* pack_all(Operand<typename Tile<F>::Out> w, Index k, Index n);

/// The packed copy of w (or of wᵀ), or null while it is not worth one: on its first use, unless it is packed anyway.
template <class F>
const typename Tile<F>::Unit* panels_of(const Array& w, bool transposed, bool at_once);

}  // namespace unroll::packed
