// Broadcasting, and the geometry of fused loops.
#pragma once

#include <array>
#include <span>

#include <unroll/core/gemm.h>

namespace unroll {

/// x repeated along the axes it lacks, or has once. Errors: the shapes do not broadcast.
Array broadcast_to(const Array& x, const Shape& shape);
/// x summed over the axes along which `shape` was broadcast to x's shape.
Array sum_to(const Array& x, const Shape& shape);
/// The largest elements of x over those axes; NaN where one of them is.
Array max_to(const Array& x, const Shape& shape);

namespace fused {

/// How a fused loop over [rows, cols] walks an array: element (r, c) lies at r·row_step + c·col_step.
struct Steps {
  Index row_step = 0, col_step = 1;
  bool whole() const { return row_step != 0 && col_step == 1; }
  bool once() const { return row_step == 0 && col_step == 0; }
};

/// Turns every input into one that a row step and a column step can walk (copying only those broadcast over a middle
/// axis), fills in the steps, and returns the common shape. Errors under the name of the op: shapes, dtypes.
Shape align_slowly(const char* op, std::span<Array> inputs, std::span<Steps> steps);
inline Steps steps_of_whole(const Array& a) { return {a.stride(), 1}; }
template <std::size_t N>
Shape align(const char* op, std::array<Array, N>& inputs, std::array<Steps, N>& steps) {
  bool alike = inputs[0].defined();
  for (std::size_t i = 0; i < N; ++i) {
    alike = alike && inputs[i].shape() == inputs[0].shape() && inputs[i].dtype() == inputs[0].dtype();
    steps[i] = steps_of_whole(inputs[i]);
  }
  return alike ? inputs[0].shape() : align_slowly(op, inputs, steps);
}

/// The loop: `rows` × `cols`, cut into tiles by shape. A loop over arrays without gaps is one long row.
struct Loop {
  Index rows, cols;
  Index rows_per_tile, cols_per_tile, tiles;

  /// `flat` says that every array has no gaps, or is one element.
  Loop(const Shape& shape, bool flat);
  struct Part {
    Index row, row_end, col, col_end;
  };
  Part part(Index tile) const;
};
inline bool flat(const Steps& steps, Index rows, Index cols) {
  return steps.once() || (steps.col_step == 1 && (steps.row_step == cols || rows == 1));
}

}  // namespace fused
}  // namespace unroll
