// The order of batches: random by a seed, and the same on every machine.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// SplitMix64 (Steele, Lea and Flood, 2014).
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

  /// A number below n. The remainder favours some numbers by n / 2⁶⁴ at most.
  Index below(Index n) { return static_cast<Index>(next() % n); }

 private:
  std::uint64_t state_;
};

/// Fisher and Yates; std::shuffle may differ between standard libraries.
template <class T>
void shuffle(std::vector<T>& items, SplitMix64& random) {
  for (Index left = items.size(); left > 1; --left) std::swap(items[left - 1], items[random.below(left)]);
}

}  // namespace unroll
