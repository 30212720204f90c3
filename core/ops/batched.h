// Products of batches of matrices, for matmul and matmul_nt.
#pragma once

#include <unroll/core/ops.h>

namespace unroll::detail {

/// Σ x∘y over n elements, in as many sums side by side as a register holds.
template <class T>
T inner_product(const T* x, const T* y, Index n) {
  constexpr Index lanes = 64 / sizeof(T);
  T sums[lanes] = {}, total = 0;
  Index c = 0;
  for (; c + lanes <= n; c += lanes) {
    for (Index l = 0; l < lanes; ++l) sums[l] += x[c + l] * y[c + l];
  }
  for (Index l = 0; c < n; ++c, ++l) sums[l] += x[c] * y[c];
  for (const T sum : sums) total += sum;
  return total;
}

/// a b for a [..., N, K] and b [..., K, M], or with `transposed` a bᵀ for b [..., M, K]; leading axes broadcast.
Tensor batched_product(const char* op, const Tensor& a, const Tensor& b, bool transposed);

}  // namespace unroll::detail
