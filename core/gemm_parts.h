// What the products a b and aᵀ b share.
#pragma once

#include <algorithm>
#include <concepts>

#include <unroll/core/amx.h>
#include <unroll/core/fast_paths.h>
#include <unroll/core/gemm.h>
#include <unroll/core/packed_copies.h>
#include <unroll/core/products.h>
#include <unroll/core/threads.h>

namespace unroll::detail {

using packed::Base;
using packed::Operand;
using packed::Tile;

/// Memory for the length of a scope.
struct Scratch {
  explicit Scratch(Index bytes) : Scratch(Buffer::make(bytes)) {}
  explicit Scratch(Buffer* made) : buffer(made) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (buffer != nullptr) buffer->release();
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(buffer->data());
  }
  Buffer* buffer;
};

/// Work below which a second thread costs more than it saves: handing over takes a microsecond or two, and what it has
/// written must come from its cache.
inline constexpr double parallel_flops = 1.5e6;

template <class F>
void tiles_for(double flops, Index tiles, F&& f) {
  if (flops < parallel_flops) {
    for (Index i = 0; i < tiles; ++i) f(i);
  } else {
    parallel_for(tiles, f, flops >= 10 * parallel_flops);
  }
}

/// Smaller products gain nothing, and keep f32's precision.
inline bool wants_bf16(Index m, Index n, Index k) {
  return products() == Products::bf16 && k >= 16 && m * n * k >= Index{1} << 15;
}

/// f with the format that products in bf16 use on this processor.
template <class Function>
void in_bf16_format(Function f) {
#if defined(UNROLL_HAS_AMX)
  if (packed::uses_amx()) return f(packed::Amx{});
#endif
  f(packed::Bf16{});
}

/// Where registers are 512 bits wide our own kernel runs at 98 % of the machine's peak on every large product (257
/// GFLOP/s where OpenBLAS 0.3.21 reaches 245 as SkylakeX and 125 as Zen, which it takes the newest AMD processors for).
/// Where they are narrower, the large ones go to OpenBLAS.
inline constexpr bool prefer_blas() { return UNROLL_VECTOR_BYTES < 64; }

/// c [m, n] (+)= a b by OpenBLAS, of matrices as they are stored or transposed.
void blas_gemm(bool ta, bool tb, Index m, Index n, Index k, const float* a, Index lda, const float* b, Index ldb,
               float* c, Index ldc, bool add);
void blas_gemm(bool ta, bool tb, Index m, Index n, Index k, const double* a, Index lda, const double* b, Index ldb,
               double* c, Index ldc, bool add);

/// c = base, for a product without anything to add or one that is added in place.
template <class T>
void copy_base(Base<T> base, T* c, Index rows, Index cols, Index stride) {
  if (base.data == c) return;
  for (Index r = 0; r < rows; ++r) {
    if (base.data == nullptr) {
      std::fill_n(c + r * stride, cols, T{0});
    } else {
      std::copy_n(base.data + r * base.row, cols, c + r * stride);
    }
  }
}

}  // namespace unroll::detail
