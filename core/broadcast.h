// Broadcasting, and the geometry of fused loops.
#pragma once

#include <array>
#include <span>

#include <unroll/core/gemm.h>

namespace unroll {

/// Whether an array of this shape can be broadcast to the other.
bool becomes(const Shape& shape, const Shape& other);
/// x repeated along the axes it lacks, or has once. Errors: the shapes do not broadcast.
Array broadcast_to(const Array& x, const Shape& shape);
/// x summed over the axes along which `shape` was broadcast to x's shape.
Array sum_to(const Array& x, const Shape& shape);
/// The largest elements of x over those axes; NaN where one of them is.
Array max_to(const Array& x, const Shape& shape);
/// The smallest, the same way.
Array min_to(const Array& x, const Shape& shape);
/// The products of x's elements over those axes.
Array product_to(const Array& x, const Shape& shape);

/// For each axis of a shape: the step along it through an array's memory.
using AxisSteps = std::array<Index, Shape::max_axes>;
/// The steps of x along the axes of `shape`; 0 where x is broadcast.
AxisSteps steps_along(const Array& x, const Shape& shape);

/// Calls f(row number, offset) for each row of `shape`, with the offset of its first element under the given steps.
template <class F>
void each_row(const Shape& shape, const AxisSteps& steps, F f) {
  AxisSteps at{};
  Index offset = 0;
  const Index leading = shape.ndim() == 0 ? 0 : shape.ndim() - 1;
  for (Index row = 0, rows = shape.rows(); row < rows; ++row) {
    f(row, offset);
    for (Index axis = leading; axis-- > 0;) {
      offset += steps[axis];
      if (++at[axis] < shape[axis]) break;
      offset -= steps[axis] * shape[axis];
      at[axis] = 0;
    }
  }
}

namespace fused {

/// How a fused loop over [rows, cols] walks an array: element (r, c) lies at r·row_step + c·col_step.
struct Steps {
  Index row_step = 0, col_step = 1;
  bool whole() const { return row_step != 0 && col_step == 1; }
  bool once() const { return row_step == 0 && col_step == 0; }
};
inline Steps steps_of_whole(const Array& a) { return {a.stride(), 1}; }

/// Turns every input into one that a row step and a column step can walk (copying only those broadcast over a middle
/// axis), fills in the steps, and returns the common shape. Errors under the name of the op: shapes, dtypes.
Shape align(const char* op, std::span<const Array*> inputs, std::span<Steps> steps, std::span<Array> copies);

/// The inputs of an elementwise op, ready to be walked. What the op was given is only pointed to: it must stay alive.
template <std::size_t N>
struct Operands {
  std::array<const Array*, N> in;
  std::array<Steps, N> steps;
  Shape shape;  // the common one
  std::array<Array, N> copies;

  /// Errors under the name of the op: no value, shapes that do not broadcast, mixed dtypes.
  Operands(const char* op, const std::array<const Array*, N>& inputs) : in(inputs) {
    bool alike = in[0]->defined();
    for (std::size_t i = 0; i < N; ++i) {
      if (i > 0) alike = alike && in[i]->shape() == in[0]->shape() && in[i]->dtype() == in[0]->dtype();
      steps[i] = steps_of_whole(*in[i]);
    }
    if (alike) {
      shape = in[0]->shape();
    } else {
      shape = align(op, in, steps, copies);
    }
  }
};

inline constexpr Index tile_elements = 4096;  // some microseconds of gate arithmetic: worth handing to a second thread

/// The loop: `rows` × `cols`, cut into tiles by shape. A loop over arrays without gaps is one long row.
struct Loop {
  Index rows, cols;
  Index rows_per_tile, cols_per_tile, tiles = 1;

  /// `flat` says that every array has no gaps, or is one element.
  Loop(Index rows_, Index cols_, bool flat) : rows(flat ? 1 : rows_), cols(flat ? rows_ * cols_ : cols_) {
    rows_per_tile = rows;
    cols_per_tile = cols;
    if (const Index size = rows * cols; size > tile_elements || size == 0) cut();
  }
  /// Worth waking a thread for.
  bool large() const { return tiles >= 16; }
  struct Part {
    Index row, row_end, col, col_end;
  };
  Part part(Index tile) const {
    if (rows > 1) return {tile * rows_per_tile, std::min(rows, (tile + 1) * rows_per_tile), 0, cols};
    return {0, rows, tile * cols_per_tile, std::min(cols, (tile + 1) * cols_per_tile)};
  }

 private:
  void cut();
};
inline bool flat(const Steps& steps, Index rows, Index cols) {
  return steps.once() || (steps.col_step == 1 && (steps.row_step == cols || rows == 1));
}

}  // namespace fused
}  // namespace unroll
