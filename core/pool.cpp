#include <sys/mman.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <new>
#include <utility>

#include <unroll/core/pool.h>

namespace unroll {
namespace {

std::atomic<Index> system_calls{0}, system_bytes{0}, returned_bytes{0};

// Four sizes to an octave: at most a quarter of a buffer is unused.
constexpr Index smallest = 128;  // head and 64 bytes of elements
std::uint32_t class_of(Index bytes) {
  if (bytes <= smallest) return 0;
  const Index step = static_cast<Index>(std::bit_width(bytes - 1)) - 3;  // bytes in units of 1/4 of its octave
  return static_cast<std::uint32_t>((step - 5) * 4 + ((bytes - 1) >> step) - 3);
}
Index bytes_of(std::uint32_t size_class) {
  if (size_class == 0) return smallest;
  const Index k = size_class - 1, step = k / 4 + 5;
  return (k % 4 + 5) << step;
}
/// What the system is asked for, for a buffer of that class.
Index total_of(std::uint32_t size_class) { return (bytes_of(size_class) + 63) / 64 * 64; }

void give_back(Buffer* buffer) {
  returned_bytes.fetch_add(total_of(buffer->size_class), std::memory_order_relaxed);
  std::free(buffer);
}

// The free buffers of this thread, by class. Plain data, which a thread reaches without a check of whether it has been
// constructed; the guard, armed by the first of a class, gives them back when the thread ends. A buffer that outlives
// it (a global tensor's, say) then goes back to the system.
constinit thread_local std::array<Buffer*, 160> free_buffers{};
constinit thread_local bool pool_alive = true;

struct Guard {
  void arm() {}  // that it is used constructs it
  ~Guard() {
    pool_alive = false;
    for (Buffer*& list : free_buffers) {
      while (list != nullptr) give_back(std::exchange(list, list->next));
    }
  }
};
thread_local Guard guard;

}  // namespace

Buffer* Buffer::make(Index bytes) {
  const std::uint32_t size_class = class_of(bytes + sizeof(Buffer));
  if (size_class >= free_buffers.size()) throw std::bad_alloc();
  if (Buffer* buffer = free_buffers[size_class]) {
    free_buffers[size_class] = buffer->next;
    buffer->refs = 1;
    return buffer;
  }
  constexpr Index huge = Index{1} << 21;
  const Index total = total_of(size_class);
  const Index alignment = total >= 2 * huge ? huge : 64;
  void* memory = std::aligned_alloc(alignment, (total + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (alignment == huge) madvise(memory, total, MADV_HUGEPAGE);
#endif
  system_calls.fetch_add(1, std::memory_order_relaxed);
  system_bytes.fetch_add(total, std::memory_order_relaxed);
  auto* buffer = new (memory) Buffer;
  buffer->size_class = size_class;
  return buffer;
}

void Buffer::recycle(Buffer* buffer) {
  if (buffer->packs != nullptr) drop_packs(buffer);
  if (pool_alive) {
    buffer->next = std::exchange(free_buffers[buffer->size_class], buffer);
    if (buffer->next == nullptr) guard.arm();
  } else {
    give_back(buffer);
  }
}

PoolStats pool_stats() {
  PoolStats stats{system_calls.load(), system_bytes.load(), system_bytes.load() - returned_bytes.load()};
  for (const Buffer* free : free_buffers) {
    for (; free != nullptr; free = free->next) stats.in_use -= total_of(free->size_class);
  }
  return stats;
}

}  // namespace unroll
