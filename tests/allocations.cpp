#include <malloc.h>
#include <stdlib.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include <unroll/tests/allocations.h>

namespace {

std::atomic<long> calls{0}, blocks{0};
std::atomic<unroll::Index> bytes{0}, peak{0};
thread_local long left = 0;  // requests until one is refused; 0: none will be

bool refused() { return left > 0 && --left == 0; }

/// posix_memalign, since aligned_alloc is what is replaced here.
void* aligned(std::size_t size, std::size_t alignment) {
  void* memory = nullptr;
  return ::posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

void* counted(std::size_t size, std::size_t alignment) noexcept {
  ++calls;
  if (refused()) return nullptr;
  void* memory = aligned(size, alignment);
  if (memory == nullptr) return nullptr;
  ++blocks;
  const unroll::Index now = bytes += ::malloc_usable_size(memory);
  for (unroll::Index most = peak; most < now && !peak.compare_exchange_weak(most, now);) {}
  return memory;
}

void* counted_or_throw(std::size_t size, std::size_t alignment) {
  void* memory = counted(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* memory) noexcept {
  if (memory == nullptr) return;
  --blocks;
  bytes -= ::malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return refused() ? nullptr : aligned(size, alignment);
}

void* operator new(std::size_t size) { return counted_or_throw(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {  // std::stable_sort's
  return counted(size, alignof(std::max_align_t));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

namespace unroll::testing {

long heap_calls() { return calls; }
Index heap_bytes() { return bytes; }
Index heap_peak() { return peak; }
void reset_heap_peak() { peak = bytes.load(); }
long heap_blocks() { return blocks; }

Refusal::Refusal(long n) { left = n; }
Refusal::~Refusal() { left = 0; }
bool Refusal::happened() const { return left == 0; }

}  // namespace unroll::testing
