// Cutting the work of a step into pieces, by its size alone.
#pragma once

#include <algorithm>

#include <unroll/core/threads.h>

namespace unroll::detail {

inline constexpr Index piece_length = 1 << 15;

/// Calls `piece(i, count)` for pieces that cover `size` elements; on all threads when there are several.
template <class F>
void in_pieces(Index size, F piece) {
  parallel_for((size + piece_length - 1) / piece_length,
               [&](Index p) { piece(p * piece_length, std::min(piece_length, size - p * piece_length)); },
               size >= 8 * piece_length);
}

}  // namespace unroll::detail
