// A small pool of threads. Work is cut into tiles by its shape, never by the number of threads: results have the same
// bits for any number of them.
#pragma once

#include <type_traits>

#include <unroll/core/error.h>
#include <unroll/core/ids.h>

namespace unroll {

/// Uses up to `count` threads, the calling one included (default 1). They start with the first work that is large
/// enough: a process that never has any stays single-threaded, and counts references without atomics.
/// Errors: `count` of 0.
void set_threads(Index count);
Index threads();

namespace detail {
void run_tiles(Index tiles, void (*tile)(void*, Index), void* context, bool large);
}

/// Calls `f(tile)` for every tile below `tiles`, each exactly once, and returns when all are done. What f throws is
/// thrown here, once no thread is at work any more; which of the other tiles were done then is left open.
/// From inside a tile it runs on the calling thread alone. Threads that sleep are woken for `large` work only: waking
/// one takes as long as some 50 µs of work are worth.
template <class F>
void parallel_for(Index tiles, F&& f, bool large = true) {
  if (tiles <= 1 || threads() == 1) {
    for (Index i = 0; i < tiles; ++i) f(i);
    return;
  }
  using Body = std::remove_reference_t<F>;
  detail::run_tiles(
      tiles, [](void* context, Index i) { (*static_cast<Body*>(context))(i); },
      const_cast<void*>(static_cast<const void*>(&f)), large);
}

/// While it lives, this thread and the pool's treat denormal numbers as zero: they cost a hundred times a normal one.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned before_;
};

}  // namespace unroll
