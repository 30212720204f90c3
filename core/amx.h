// The products of bf16.h in tiles of 16 × 16 numbers, where the processor has them: AMX (Intel's Architectures Software
// Developer's Manual, volume 1, chapter 18). The packed panels are the same, pairs of neighbours in depth.
#pragma once

#include <unroll/core/array.h>
#include <unroll/core/bf16.h>

#if defined(UNROLL_HAS_BF16) && defined(__x86_64__) && defined(__linux__)
#define UNROLL_HAS_AMX 1
#endif

namespace unroll::packed {

/// Whether products in bf16 go through AMX: from `set_products` on, if the processor has it and the kernel grants it to
/// this process. `use_amx` is for tests and comparisons; without AMX its instructions end the program.
bool uses_amx();
void use_amx(bool on);

#if defined(UNROLL_HAS_AMX)

/// Names the format: its left operands lie in rows of whole tiles, its right ones as Bf16's.
struct Amx {};

// Without the attribute a compiler that was not told of such a processor refuses the instructions.
#define UNROLL_AMX __attribute__((target("amx-tile,amx-bf16")))

template <>
struct Tile<Amx> : Tile<Bf16> {
  using Stored = Bf16;
  static constexpr Index rows = 32, row_step = 16, unit_step = 16, spare_rows = 15;
  /// Eight tiles of 16 rows by 64 bytes for this thread, as long as it multiplies.
  struct Session {
    UNROLL_AMX Session() {
      struct alignas(64) Config {
        std::uint8_t palette = 1, start_row = 0, unused[14] = {};
        std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
      };
      static_assert(sizeof(Config) == 64);
      static constexpr Config config;
      _tile_loadconfig(&config);
    }
    UNROLL_AMX ~Session() { _tile_release(); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
  };
  static void pack_turned(const Array& a, Index r0, Index r1, Pair* to);
};

/// The accumulators of 32 rows by 32 columns, tiles 0 and 1 above 2 and 3; or, of no more than 16 rows, of 64 columns,
/// so that here too four sums are on their way.
template <bool Two>
struct Accumulators {
  static constexpr Index rows = Two ? 32 : 16, columns = Two ? 32 : 64;
  /// Where tiles 2 and 3 begin.
  static constexpr Index lower(Index row) { return Two ? 16 * row : 32; }

  UNROLL_AMX static void begin(Base<float> base) {
    if (base.data == nullptr) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      return;
    }
    const Index bytes = base.row * sizeof(float);
    const float* below = base.data + lower(base.row);
    _tile_loadd(0, base.data, bytes);
    _tile_loadd(1, base.data + 16, bytes);
    _tile_loadd(2, below, bytes);
    _tile_loadd(3, below + 16, bytes);
  }
  /// 16 pairs in depth.
  UNROLL_AMX static void add(const Pair* a, Index a_row, const Pair* p) {
    constexpr Index p_bytes = Tile<Amx>::panel * sizeof(Pair);
    const Index a_bytes = a_row * sizeof(Pair);
    _tile_loadd(4, a, a_bytes);
    _tile_loadd(6, p, p_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, p + 16, p_bytes);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (Two) {
      _tile_loadd(5, a + 16 * a_row, a_bytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    } else {
      _tile_loadd(5, p + 32, p_bytes);
      _tile_dpbf16ps(2, 4, 5);
      _tile_loadd(6, p + 48, p_bytes);
      _tile_dpbf16ps(3, 4, 6);
    }
  }
  UNROLL_AMX static void end(float* c, Index c_row) {
    const Index bytes = c_row * sizeof(float);
    float* below = c + lower(c_row);
    _tile_stored(0, c, bytes);
    _tile_stored(1, c + 16, bytes);
    _tile_stored(2, below, bytes);
    _tile_stored(3, below + 16, bytes);
  }
};

/// c [m, n] = base + a [m, K] p for m ≤ 32, with p one packed block [K, panel] and a's rows of pairs `a_row` apart.
/// Reads whole tiles; what comes of rows from m on is dropped. At an edge, too, the sum begins with the base: the bits
/// of a row do not depend on the rows beside it.
template <bool Two>
UNROLL_AMX void multiply_tiles(Index m, Index k, const Pair* a, Index a_row, const Pair* p, float* c, Index c_row,
                               Index n, Base<float> base) {
  using Sums = Accumulators<Two>;
  constexpr Index depth_step = Tile<Amx>::unit_step, panel = Tile<Amx>::panel, width = Sums::columns;
  const Index whole = k / depth_step * depth_step;
  alignas(64) Pair last[depth_step][panel];  // what is beyond the panel's end belongs to others
  if (whole < k) {
    std::memcpy(last, p + whole * panel, (k - whole) * panel * sizeof(Pair));
    std::fill_n(last[k - whole], (depth_step - (k - whole)) * panel, Pair{0});
  }
  for (Index j = 0; j < n; j += width) {
    const Index columns = std::min(width, n - j);
    const bool direct = m % 16 == 0 && columns == width;
    alignas(64) float edge[Sums::rows][width];
    Base<float> start = base.at(0, j);
    if (!direct && start.data != nullptr) {
      for (Index r = 0; r < m; ++r) std::copy_n(base.at(r, j).data, columns, edge[r]);
      start = {edge[0], width};
    }
    asm volatile("" ::: "memory");  // gcc's tile loads do not say that they read
    Sums::begin(start);
    for (Index u = 0; u < whole; u += depth_step) Sums::add(a + u, a_row, p + u * panel + j);
    if (whole < k) Sums::add(a + whole, a_row, last[0] + j);
    Sums::end(direct ? c + j : edge[0], direct ? c_row : width);
    for (Index r = 0; !direct && r < m; ++r) std::copy_n(edge[r], columns, c + r * c_row + j);
  }
}

template <>
inline void micro_rows<Amx, false>(Index m, Index k, const Pair* a, Index a_row, const Pair* p, float* c, Index c_row,
                                   Index n, Base<float> base) {
  (m > 16 ? multiply_tiles<true> : multiply_tiles<false>)(m, k, a, a_row, p, c, c_row, n, base);
}

/// Rows [r0, r1) of a [N, m] as its transpose: strips of 32 columns of a, each with its pairs of rows in a row, filled
/// up with zeros to whole tiles.
inline void Tile<Amx>::pack_turned(const Array& a, Index r0, Index r1, Pair* to) {
  constexpr Index step = unit_step;
  const Index m = a.cols(), row = row_units<Amx>(r1 - r0);
  const Index apart = m + 16;  // of the pairs gathered at once: a power of two would put all of them in one set
  Buffer* scratch = Buffer::make(step * apart * sizeof(Pair));
  Pair* pairs = static_cast<Pair*>(scratch->data());
  const __m512i places = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                            _mm512_set1_epi32(static_cast<int>(apart)));
  for (Index u0 = 0; u0 < row; u0 += step) {
    for (Index u = 0; u < step; ++u) {
      const Index r = r0 + 2 * (u0 + u);
      if (r >= r1) {
        std::fill_n(pairs + u * apart, m, Pair{0});
      } else {
        const float* x = a.raw<float>() + r * a.stride();
        pair_rows(x, r + 1 < r1 ? x + a.stride() : nullptr, m, pairs + u * apart);
      }
    }
    for (Index i = 0; i < m; ++i) _mm512_storeu_si512(to + i * row + u0, _mm512_i32gather_epi32(places, pairs + i, 4));
  }
  scratch->release();
}

#endif

}  // namespace unroll::packed
