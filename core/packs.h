// The packed product: a micro-kernel over a matrix laid out in column panels, as wide as the registers allow.
#pragma once

#include <algorithm>
#include <cstring>

#include <unroll/core/pool.h>

#if defined(__AVX512F__)
#define UNROLL_VECTOR_BYTES 64
#elif defined(__AVX__)
#define UNROLL_VECTOR_BYTES 32
#else
#define UNROLL_VECTOR_BYTES 16
#endif

namespace unroll {
namespace packed {

template <class T>
struct Vector {
  typedef T type __attribute__((vector_size(UNROLL_VECTOR_BYTES)));
};

/// The micro-tile: `tile_rows` rows of the result by `panel` columns. Its accumulators, one row of the panel and one
/// broadcast element fill the register file: 24 + 4 + 1 of 32 registers, or 12 + 2 + 1 of 16.
template <class T>
struct TileSize {
  static constexpr Index lanes = UNROLL_VECTOR_BYTES / sizeof(T);
  static constexpr Index vectors = UNROLL_VECTOR_BYTES == 32 ? 2 : 4;
  static constexpr Index panel = lanes * vectors;
  static constexpr Index rows = 6;
};

/// A format of packed operands: its products are of type Out, and `per_unit` numbers that follow each other in depth
/// stand in one Unit. For the plain formats, named by their type, that is one number.
template <class F>
struct Tile : TileSize<F> {
  using Out = F;
  using Unit = F;
  using Sum = typename Vector<F>::type;
  using Factor = Sum;
  using Stored = F;   // the format of matrices that are kept packed for it
  struct Session {};  // what a thread needs while it multiplies
  static constexpr Index per_unit = 1;
  static constexpr Index row_step = 1;    // groups of rows of a left operand begin at multiples of it
  static constexpr Index unit_step = 1;   // its rows are filled up with zeros to a multiple of it
  static constexpr Index spare_rows = 0;  // so many rows behind the last are read, and not used
  static Sum multiply_add(Unit x, const Factor& b, const Sum& sum) { return sum + x * b; }
};

/// Units in the depth of one block of a panel: 64 columns by 256 of f32 are 64 KB and stay in the second-level cache.
inline constexpr Index depth = 256;

/// What a product is added to: nothing, its own destination, another matrix, or (with `row` 0) one row for all.
template <class T>
struct Base {
  const T* data = nullptr;
  Index row = 0;
  Base at(Index r, Index c) const { return {data == nullptr ? nullptr : data + r * row + c, row}; }
};

/// c [M, n] = base + a [M, K] p for M ≤ 6 and n up to N vectors, with p one packed block [K, panel] and a's rows
/// `a_row` apart or, `Packed`, a as one micro-tile [K, 6].
template <class F, int M, int N, bool Packed>
inline void micro(Index k_count, const typename Tile<F>::Unit* a, Index a_row, const typename Tile<F>::Unit* p,
                  typename Tile<F>::Out* c, Index c_row, Index n, Base<typename Tile<F>::Out> base) {
  using K = Tile<F>;
  using T = typename K::Out;
  using V = typename K::Sum;
  constexpr Index width = static_cast<Index>(N) * K::lanes;
  V sum[M][N] = {};
  for (Index k = 0; k < k_count; ++k) {
    typename K::Factor b[N];
    for (int j = 0; j < N; ++j) std::memcpy(&b[j], p + k * K::panel + static_cast<Index>(j) * K::lanes, sizeof(b[j]));
    for (int i = 0; i < M; ++i) {
      const auto x = Packed ? a[k * K::rows + static_cast<Index>(i)] : a[static_cast<Index>(i) * a_row + k];
      for (int j = 0; j < N; ++j) sum[i][j] = K::multiply_add(x, b[j], sum[i][j]);
    }
  }
  if (n == width) {
    for (int i = 0; i < M; ++i) {
      for (int j = 0; j < N; ++j) {
        V out = sum[i][j];
        if (base.data != nullptr) {
          V old;
          std::memcpy(&old, base.data + static_cast<Index>(i) * base.row + static_cast<Index>(j) * K::lanes, sizeof(V));
          out += old;
        }
        std::memcpy(c + static_cast<Index>(i) * c_row + static_cast<Index>(j) * K::lanes, &out, sizeof(V));
      }
    }
    return;
  }
  for (int i = 0; i < M; ++i) {
    T row[width];
    std::memcpy(row, sum[i], sizeof(row));
    T* at = c + static_cast<Index>(i) * c_row;
    const T* old = base.data + static_cast<Index>(i) * base.row;
    for (Index j = 0; j < n; ++j) at[j] = base.data != nullptr ? old[j] + row[j] : row[j];
  }
}

/// The same for any number of rows up to the tile's, and for n up to the panel's: a narrow last panel does less work.
template <class F, int M, bool Packed>
inline void micro_columns(Index k, const typename Tile<F>::Unit* a, Index a_row, const typename Tile<F>::Unit* p,
                          typename Tile<F>::Out* c, Index c_row, Index n, Base<typename Tile<F>::Out> base) {
  using K = Tile<F>;
  if (K::vectors > 1 && n <= K::lanes) return micro<F, M, 1, Packed>(k, a, a_row, p, c, c_row, n, base);
  if (K::vectors > 2 && n <= 2 * K::lanes) return micro<F, M, 2, Packed>(k, a, a_row, p, c, c_row, n, base);
  return micro<F, M, static_cast<int>(K::vectors), Packed>(k, a, a_row, p, c, c_row, n, base);
}
template <class F, bool Packed>
inline void micro_rows(Index m, Index k, const typename Tile<F>::Unit* a, Index a_row, const typename Tile<F>::Unit* p,
                       typename Tile<F>::Out* c, Index c_row, Index n, Base<typename Tile<F>::Out> base) {
  switch (m) {
    case 1:
      return micro_columns<F, 1, Packed>(k, a, a_row, p, c, c_row, n, base);
    case 2:
      return micro_columns<F, 2, Packed>(k, a, a_row, p, c, c_row, n, base);
    case 3:
      return micro_columns<F, 3, Packed>(k, a, a_row, p, c, c_row, n, base);
    case 4:
      return micro_columns<F, 4, Packed>(k, a, a_row, p, c, c_row, n, base);
    case 5:
      return micro_columns<F, 5, Packed>(k, a, a_row, p, c, c_row, n, base);
    default:
      return micro_columns<F, 6, Packed>(k, a, a_row, p, c, c_row, n, base);
  }
}

/// Lays out rows [k0, k0 + k_count) and columns [n0, n0 + panel) of w, whose elements lie `k_step` and `n_step` apart
/// (one of them is 1), as one block [k_count, panel]; columns beyond `n_count` are zero.
template <class F>
void pack_block(const typename Tile<F>::Out* w, Index k_step, Index n_step, Index k0, Index k_count, Index n0,
                Index n_count, typename Tile<F>::Unit* out) {
  using T = F;
  constexpr Index panel = Tile<F>::panel;
  const Index n = std::min(panel, n_count - n0);
  if (n < panel) std::fill_n(out, k_count * panel, T{0});
  if (n_step == 1) {
    const T* from = w + k0 * k_step + n0;
    if (n < panel) {
      for (Index k = 0; k < k_count; ++k) std::memcpy(out + k * panel, from + k * k_step, n * sizeof(T));
      return;
    }
    for (Index k = 0; k < k_count; ++k) {  // the rows may lie pages apart, where the processor fetches nothing ahead
      for (Index line = 0; line < panel; line += 64 / sizeof(T)) __builtin_prefetch(from + (k + 8) * k_step + line);
      std::memcpy(out + k * panel, from + k * k_step, panel * sizeof(T));
    }
    return;
  }
  constexpr Index strip = 16;  // a strip of k for all columns: reads whole cache lines, writes stay in the first level
  for (Index s = 0; s < k_count; s += strip) {
    const Index s_end = std::min(k_count, s + strip);
    for (Index j = 0; j < n; ++j) {
      const T* from = w + (n0 + j) * n_step + (k0)*k_step;
      for (Index k = s; k < s_end; ++k) out[k * panel + j] = from[k * k_step];
    }
  }
}

/// Units that hold so many numbers in depth.
template <class F>
constexpr Index units(Index k) {
  return (k + Tile<F>::per_unit - 1) / Tile<F>::per_unit;
}
/// The same in a row of a left operand.
template <class F>
constexpr Index row_units(Index k) {
  return (units<F>(k) + Tile<F>::unit_step - 1) / Tile<F>::unit_step * Tile<F>::unit_step;
}
/// Units of a matrix of a depth of `k` units and n columns once packed: blocks of up to `depth`, each holding all its
/// panels in turn.
template <class F>
constexpr Index packed_size(Index k, Index n) {
  return (n + Tile<F>::panel - 1) / Tile<F>::panel * Tile<F>::panel * k;
}
/// Where the block of units from k0 (a multiple of `depth`) and columns from n0 begins.
template <class F>
constexpr Index block_offset(Index k0, Index k_count, Index n0, Index n_count) {
  return packed_size<F>(k0, n_count) + n0 * k_count;
}

}  // namespace packed
}  // namespace unroll
