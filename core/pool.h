// Reference-counted memory that returns to a pool: from the second training step on, no array asks the system for any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <unroll/core/ids.h>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define UNROLL_SINGLE_THREADED __libc_single_threaded
#else
#define UNROLL_SINGLE_THREADED false
#endif

namespace unroll {

struct Packs;  // copies of a matrix laid out for the recurrent product (core/packs.h)

/// The head of a piece of memory; the elements follow it, aligned to 64 bytes.
struct alignas(64) Buffer {
  std::int32_t refs = 1;
  std::uint32_t size_class = 0;
  Packs* packs = nullptr;
  Buffer* next = nullptr;  // in the pool's list, while it is free

  void* data() { return this + 1; }

  /// Counts are atomic as soon as the process has a second thread; before that the plain increment is 5 ns cheaper.
  void retain() {
    if (UNROLL_SINGLE_THREADED) {
      ++refs;
    } else {
      __atomic_add_fetch(&refs, 1, __ATOMIC_RELAXED);
    }
  }
  void release() {
    const std::int32_t left =
        UNROLL_SINGLE_THREADED ? --refs : __atomic_sub_fetch(&refs, std::int32_t{1}, __ATOMIC_ACQ_REL);
    if (left == 0) recycle(this);
  }
  Index holders() const { return static_cast<Index>(__atomic_load_n(&refs, __ATOMIC_ACQUIRE)); }
  bool unique() const { return holders() == 1; }

  /// A buffer of at least `bytes`, uninitialised.
  static Buffer* make(Index bytes);

 private:
  static void recycle(Buffer* buffer);
};

/// A list in the pool's memory: what an op or a rule needs besides arrays, without asking the heap. Copies share it.
template <class T>
  requires(std::is_trivially_copyable_v<T>)
class PooledList {
 public:
  explicit PooledList(Index size) : buffer_(Buffer::make(size * sizeof(T))), size_(size) {}
  template <class Container>
  static PooledList of(const Container& values) {
    PooledList list(values.size());
    std::copy(values.begin(), values.end(), list.begin());
    return list;
  }
  PooledList(const PooledList& other) noexcept : buffer_(other.buffer_), size_(other.size_) { buffer_->retain(); }
  PooledList& operator=(PooledList other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~PooledList() { buffer_->release(); }

  /// Forgets all but the first `size` elements.
  void shorten(Index size) { size_ = std::min(size_, size); }

  Index size() const { return size_; }
  T* begin() const { return static_cast<T*>(buffer_->data()); }
  T* end() const { return begin() + size_; }
  T& operator[](Index i) const { return begin()[i]; }

 private:
  Buffer* buffer_;
  Index size_;
};

struct PoolStats {
  Index system_calls = 0;  ///< how often this process has asked the system for a buffer
  Index bytes = 0;         ///< and for how many bytes in all
  Index in_use = 0;        ///< bytes of the buffers that somebody holds, or that are free on another thread
};
PoolStats pool_stats();

/// Frees the packed copies of a matrix (called when it is written to or recycled).
void drop_packs(Buffer* buffer);

}  // namespace unroll
