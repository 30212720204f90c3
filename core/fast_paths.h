// The switch between the fast paths and the plain ones they must agree with.
#pragma once

#include <atomic>

namespace unroll {

namespace detail {
inline std::atomic<bool> fast_paths_on{true};
}

/// Whether the engine takes its fast paths: products by its own kernel over packed matrices, gathered products and
/// rows, gradients written where they belong, results over operands that nobody else holds, scans without copies.
inline bool fast_paths() { return detail::fast_paths_on.load(std::memory_order_relaxed); }

/// Off, everything is computed the plain way: each product by its definition when it occurs, each gradient in memory of
/// its own and then added. Slower, and the same up to rounding: a test compares the two, and so may you when in doubt.
/// Not while a tape is in scope.
inline void set_fast_paths(bool on) { detail::fast_paths_on.store(on, std::memory_order_relaxed); }

}  // namespace unroll
