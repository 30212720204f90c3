// What matrix products are computed in.
#pragma once

namespace unroll {

enum class Products {
  f32,   ///< in the operands' dtype
  bf16,  ///< of f32 operands: copies of them rounded to bfloat16 (8 bits of mantissa, f32's range), added up in f32
};

/// What the products of f32 tensors are computed in, in the whole process, from the next one on (default f32). All else
/// stays f32: parameters, states, gates, softmax, sums, gradients and the optimizer. Products of f64 tensors, and those
/// too small to gain by it, are computed as ever. Results have the same bits for any number of threads.
/// Where the processor has AMX, the first call for bf16 asks the kernel for it, once, and if it is granted these
/// products go through it; their sums are rounded in another order than by AVX512-BF16.
/// Errors: UsageError if the processor, or the build, has no instruction for it (AVX512-BF16).
void set_products(Products products);
Products products();
/// Whether `set_products` takes it.
bool available(Products products);

}  // namespace unroll
