// Matrix products. Weights that are used again go through a packed copy; every product is cut into tiles by its shape.
#pragma once

#include <unroll/core/dest.h>

namespace unroll {

/// c (+)= a b        a [N, K], b [K, M], c [N, M]; leading axes of a and c count as rows.
void multiply(const Array& a, const Array& b, const Dest& c);
/// c = base + a b    the same with a base [N, M], or one row of it [M]
void multiply_onto(const Array& base, const Array& a, const Array& b, const Array& c);
/// c (+)= a bᵀ       a [N, M], b [K, M], c [N, K]
void multiply_nt(const Array& a, const Array& b, const Dest& c);
/// The first and the third for a b that is used here only, one of a batch or a gradient: nothing of it is kept packed.
void multiply_once(const Array& a, const Array& b, const Dest& c);
void multiply_once_nt(const Array& a, const Array& b, const Dest& c);
/// How many rows `multiply_tn` adds up at a time.
inline constexpr Index product_block = 256;
/// c (+)= aᵀ b       a [N, K], b [N, M], c [K, M]
/// A block of rows after the other, counted from the last row: the first rows are the incomplete block, and come last.
/// So whole blocks may be multiplied as soon as they are there, the last ones first, and give the same bits.
void multiply_tn(const Array& a, const Array& b, const Dest& c);

}  // namespace unroll
