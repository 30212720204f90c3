#include <atomic>

#include <unroll/core/bf16.h>
#include <unroll/core/error.h>
#include <unroll/core/products.h>

namespace unroll {
namespace {

std::atomic<Products> products_now{Products::f32};

}  // namespace

bool available([[maybe_unused]] Products products) {
#if defined(UNROLL_HAS_BF16)
  return products == Products::f32 || __builtin_cpu_supports("avx512bf16");
#else
  return products == Products::f32;
#endif
}
void set_products(Products products) {
  require<UsageError>(available(products),
                      "set_products: products in bf16 need a processor with AVX512-BF16 and a build for it");
  products_now = products;
}
Products products() { return products_now.load(std::memory_order_relaxed); }

}  // namespace unroll
