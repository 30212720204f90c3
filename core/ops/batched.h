// Products of batches of matrices, for matmul and matmul_nt.
#pragma once

#include <unroll/core/ops.h>

namespace unroll::detail {

/// a b for a [..., N, K] and b [..., K, M], or with `transposed` a bᵀ for b [..., M, K]; leading axes broadcast.
Tensor batched_product(const char* op, const Tensor& a, const Tensor& b, bool transposed);

}  // namespace unroll::detail
