#include <atomic>
#include <mutex>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <unroll/core/amx.h>
#include <unroll/core/error.h>
#include <unroll/core/products.h>

namespace unroll {
namespace {

std::atomic<Products> products_now{Products::f32};

std::atomic<bool> amx_now{false};

/// Asks for AMX's registers, which the kernel gives to those who ask.
bool amx_granted() {
#if defined(UNROLL_HAS_AMX)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & amx_bf16) == 0 || (d & amx_tile) == 0) return false;
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

}  // namespace

namespace packed {

bool uses_amx() { return amx_now.load(std::memory_order_relaxed); }
void use_amx(bool on) { amx_now = on; }

}  // namespace packed

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
  static std::once_flag asked;
  if (products == Products::bf16) std::call_once(asked, [] { amx_now = amx_granted(); });
  products_now = products;
}
Products products() { return products_now.load(std::memory_order_relaxed); }

}  // namespace unroll
