// Where an op writes what it computes.
#pragma once

#include <unroll/core/array.h>

namespace unroll {

/// Where an op writes a result or a gradient: `into` has the result's shape (its rows may lie apart); with `add` what
/// is there is added to, otherwise it is overwritten.
struct Dest {
  Array into;
  bool add = false;
};

/// dest (+)= x
void write(const Dest& dest, const Array& x);
/// dest (+)= Σ over the rows of x, from the last to the first, each added to what is there: rows that come in several
/// parts, the last part first, give the same bits.  into [M], x [..., M]
void write_row_sum(const Dest& dest, const Array& x);
/// a = 0, where it lies
void zero_fill(const Array& a);

}  // namespace unroll
