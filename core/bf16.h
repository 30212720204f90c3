// The packed format of products in bf16: pairs of neighbours in depth, one pair to a lane of the f32 result.
#pragma once

#include <cstdint>

#include <unroll/core/packs.h>

#if defined(__AVX512BF16__) && UNROLL_VECTOR_BYTES == 64
#include <immintrin.h>
#define UNROLL_HAS_BF16 1
#endif

namespace unroll::packed {

/// Two numbers of bf16, the first in the lower half.
struct Pair {
  std::uint32_t bits;
};

/// Names the format, as `float` and `double` name theirs.
struct Bf16 {};
#if defined(UNROLL_HAS_BF16)
inline constexpr bool has_bf16 = true;
#else
inline constexpr bool has_bf16 = false;
#endif

#if defined(UNROLL_HAS_BF16)

/// The pairs (x[i], y[i]) of 16 numbers, rounded to nearest even.
inline __m512i paired(__m512 x, __m512 y) {
  const auto halves = [](__m512 v) { return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v))); };
  return _mm512_or_si512(halves(x), _mm512_slli_epi32(halves(y), 16));
}

inline __mmask16 first_lanes(Index n) { return static_cast<__mmask16>(n >= 16 ? 0xFFFFu : (1u << n) - 1u); }

template <>
struct Tile<Bf16> : TileSize<float> {
  using Out = float;
  using Unit = Pair;
  using Sum = Vector<float>::type;
  using Factor = __m512bh;
  using Stored = Bf16;
  struct Session {};
  static constexpr Index per_unit = 2, row_step = 1, unit_step = 1, spare_rows = 0;
  static Sum multiply_add(Unit x, Factor b, Sum sum) {
    // Not set1, at whose sight clang 16 dies.
    const __m512i both = _mm512_broadcastd_epi32(_mm_cvtsi32_si128(static_cast<int>(x.bits)));
    return reinterpret_cast<Sum>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(both), b));
  }
  /// out[i] = (x[i], y[i]) for i < n; without y its halves are zero.
  static void pair_rows(const float* x, const float* y, Index n, Pair* out) {
    for (Index i = 0; i < n; i += 16) {
      const __mmask16 lanes = first_lanes(n - i);
      const __m512 second = y == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes, y + i);
      _mm512_mask_storeu_epi32(out + i, lanes, paired(_mm512_maskz_loadu_ps(lanes, x + i), second));
    }
  }
  /// out[i] = (x[2i], x[2i + 1]) for all of n numbers; a last one alone is paired with zero.
  static void pair_neighbours(const float* x, Index n, Pair* out) {
    for (Index i = 0; i < n; i += 32) {
      const Index left = n - i;
      const __m512 low = _mm512_maskz_loadu_ps(first_lanes(left), x + i);
      const __m512 high = left > 16 ? _mm512_maskz_loadu_ps(first_lanes(left - 16), x + i + 16) : _mm512_setzero_ps();
      _mm512_mask_storeu_epi32(out + i / 2, first_lanes((left + 1) / 2),
                               reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
    }
  }
};

/// As `pack_block` of the other formats, with k0 even: [⌈k_count / 2⌉, panel] pairs.
template <>
inline void pack_block<Bf16>(const float* w, Index k_step, Index n_step, Index k0, Index k_count, Index n0,
                             Index n_count, Pair* out) {
  constexpr Index panel = Tile<Bf16>::panel;
  const Index n = std::min(panel, n_count - n0), units = (k_count + 1) / 2;
  if (n < panel) std::fill_n(out, units * panel, Pair{0});
  if (n_step == 1) {
    for (Index u = 0; u < units; ++u) {
      const float* x = w + (k0 + 2 * u) * k_step + n0;
      Tile<Bf16>::pair_rows(x, 2 * u + 1 < k_count ? x + k_step : nullptr, n, out + u * panel);
    }
    return;
  }
  constexpr Index strip = 16;  // units: a cache line of each column as pairs, which are then turned
  alignas(64) Pair columns[panel][strip] = {};
  const __m512i places = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                            _mm512_set1_epi32(strip));
  for (Index u0 = 0; u0 < units; u0 += strip) {
    const Index count = std::min(strip, units - u0);
    for (Index j = 0; j < n; ++j) {
      Tile<Bf16>::pair_neighbours(w + (n0 + j) * n_step + k0 + 2 * u0, std::min(2 * strip, k_count - 2 * u0),
                                  columns[j]);
    }
    for (Index u = 0; u < count; ++u) {
      for (Index j = 0; j < n; j += 16) {
        const __m512i turned = _mm512_i32gather_epi32(places, &columns[j][u], 4);
        _mm512_mask_storeu_epi32(out + (u0 + u) * panel + j, first_lanes(n - j), turned);
      }
    }
  }
}

#endif

}  // namespace unroll::packed
