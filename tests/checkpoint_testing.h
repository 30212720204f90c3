// What tests of scans with checkpoints share: one size, all kinds of scan, and equality to the bit.
#pragma once

#include "ragged_testing.h"

namespace unroll::testing {

inline constexpr Index in = 3, hidden = 4, steps = 23, batch = 13;  // 299 rows: a block of 256 and the rest of one

inline std::vector<Index> some_lengths() {
  std::vector<Index> lengths;
  for (Index b = 0; b < batch; ++b) lengths.push_back(1 + b * 7 % steps);
  return lengths;
}
inline Array some_mask(Dtype dtype) {
  Array mask = Array::uninitialised({steps, batch}, dtype);
  for (Index i = 0; i < mask.size(); ++i) mask.set_flat(i, i * i % 5 < 3 && i % batch != 4 ? 1 : 0);
  return mask;
}

inline const std::vector<Index>& intervals() {
  static const std::vector<Index> all{1, 2, 5, steps - 1, steps, 1000};
  return all;
}

/// Calls check(options) for scans of every kind, without checkpoints.
template <class Check>
void for_each_kind(Dtype dtype, Check check) {
  for (const bool reverse : {false, true}) {
    CAPTURE(reverse);
    check(ScanOptions{.reverse = reverse});
    INFO("lengths");
    check(ScanOptions{.lengths = some_lengths(), .reverse = reverse});
    INFO("mask");
    check(ScanOptions{.reverse = reverse, .mask = some_mask(dtype)});
    check(ScanOptions{.lengths = some_lengths(), .reverse = reverse, .mask = some_mask(dtype), .repeat_outputs = true});
  }
}

}  // namespace unroll::testing
