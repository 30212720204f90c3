// The shapes of a reduction, shared by the ops that reduce.
#pragma once

#include <unroll/core/ops.h>

namespace unroll::detail {

/// The shape of a reduction with the reduced axes kept as 1, and without them.
struct Reduced {
  Shape kept, dropped;
};
/// Errors under the name of the op: an axis that does not exist, or is named twice.
Reduced reduced(const char* op, const Shape& shape, const Axes& axes);

/// As many axes, each with extent 1: what a reduction over all of them keeps.
inline Shape ones(const Shape& shape) {
  Shape s = shape;
  for (Index i = 0; i < s.ndim(); ++i) s.set(i, 1);
  return s;
}

/// How many elements of `all` come together in each of `kept`, also where there is none of these.
inline double count(const Shape& all, const Shape& kept) {
  double n = 1;
  for (Index i = 0; i < all.ndim(); ++i) n *= kept[i] == all[i] ? 1 : static_cast<double>(all[i]);
  return n;
}

}  // namespace unroll::detail
