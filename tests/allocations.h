// What the test program knows about its memory: it has an operator new and an aligned_alloc of its own.
#pragma once

#include <unroll/core/ids.h>

namespace unroll::testing {

/// Calls of operator new so far, by all threads.
long heap_calls();

/// Bytes that operator new has handed out and that are still in use, and the most there were since `reset_heap_peak`.
Index heap_bytes();
Index heap_peak();
void reset_heap_peak();

/// Blocks that operator new has handed out and that are still in use.
long heap_blocks();

/// While it lives, the `n`th request (1, 2, …) of this thread for memory is refused: by std::bad_alloc if operator new
/// is asked, by a null pointer if it is std::aligned_alloc, which the pools and the tapes ask.
class Refusal {
 public:
  explicit Refusal(long n);
  ~Refusal();
  Refusal(const Refusal&) = delete;
  Refusal& operator=(const Refusal&) = delete;
  /// Whether there were so many requests.
  bool happened() const;
};

}  // namespace unroll::testing
