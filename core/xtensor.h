// xtensor's headers, wherever this version keeps them: 0.24 and 0.25 flat, 0.26 and later in folders.
#pragma once

#if defined(__GNUC__) && !defined(__clang__) && defined(__AVX512BW__) && !defined(__OPTIMIZE__)
// xsimd 8, which xtensor includes, passes these two intrinsics variables, which gcc's unoptimised macros refuse: a
// debug build would not compile.
#include <immintrin.h>
#undef _mm512_mask_blend_epi8
#undef _mm512_mask_blend_epi16
inline __m512i _mm512_mask_blend_epi8(__mmask64 m, __m512i a, __m512i b) { return _mm512_mask_mov_epi8(a, m, b); }
inline __m512i _mm512_mask_blend_epi16(__mmask32 m, __m512i a, __m512i b) { return _mm512_mask_mov_epi16(a, m, b); }
#endif

#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/core/xmath.hpp>
#include <xtensor/core/xnoalias.hpp>
#include <xtensor/views/xstrided_view.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xstrided_view.hpp>
#include <xtensor/xview.hpp>
#endif
