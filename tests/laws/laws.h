// What the laws share: a layer, inputs and lengths drawn by rapidcheck, which shrinks what fails.
#pragma once

#include <rapidcheck.h>

#include <unroll/layers/stack.h>

#include "../ragged_testing.h"

namespace unroll::testing {

/// Makes a layer of some kind in a scope.
using MakeLayer = std::function<AnyLayer(const Scope&, Index in, Index hidden)>;

/// All cells in all forms.
inline const std::vector<MakeLayer>& all_cells() {
  static const std::vector<MakeLayer> cells = [] {
    std::vector<MakeLayer> all;
    for_each_cell([&](const std::string&, auto make) {
      all.push_back([make](const Scope& p, Index in, Index hidden) { return AnyLayer(make(p / "cell", in, hidden)); });
    });
    return all;
  }();
  return cells;
}

/// One case: a size of everything, and numbers from a seed.
struct Drawn {
  Index steps = *rc::gen::inRange<Index>(1, 9).as("steps");
  Index batch = *rc::gen::inRange<Index>(1, 6).as("batch");
  Index in = *rc::gen::inRange<Index>(1, 10).as("inputs");
  Index hidden = *rc::gen::inRange<Index>(1, 20).as("units");
  Index kind = *rc::gen::inRange<Index>(0, all_cells().size()).as("cell");
  Index other_kind = *rc::gen::inRange<Index>(0, all_cells().size()).as("other cell");
  bool ragged = *rc::gen::arbitrary<bool>().as("ragged");
  bool reverse = *rc::gen::arbitrary<bool>().as("reverse");
  std::uint64_t seed = *rc::gen::inRange<std::uint64_t>(1, 1'000'000).as("seed");
  std::vector<Index> lengths =
      ragged ? *rc::gen::container<std::vector<Index>>(batch, rc::gen::inRange<Index>(1, steps + 1)).as("lengths")
             : std::vector<Index>();

  ScanOptions options() const { return {.lengths = lengths, .reverse = reverse}; }
  Array xs() const { return random_array({steps, batch, in}, seed); }
  AnyLayer cell(const Scope& p) const { return all_cells()[kind](p, in, hidden); }
  AnyLayer other_cell(const Scope& p) const { return all_cells()[other_kind](p, in, hidden); }
  /// A cell, both directions of two cells, or these on top of each other.
  AnyLayer layer(const Scope& p) const {
    const Index form = seed % 3;
    if (form == 0) return cell(p / "a");
    const Bidirectional<AnyLayer> both(cell(p / "a"), other_cell(p / "b"));
    if (form == 1) return both;
    return Stack({both, all_cells()[other_kind](p / "c", both.size(), hidden)});
  }
};

/// Parameters of the size that they are trained to.
inline void fill(Params& params) { params.fill(uniform(0.6)); }

inline double largest(const Array& x) {
  double largest = 0;
  for (Index i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(x.flat(i)));
  return largest;
}
/// To 1e-12, relative to the largest number where that is above 1.
inline bool close(const Array& a, const Array& b) { return distance(a, b) <= 1e-12 * std::max(1.0, largest(b)); }
inline bool close(const std::vector<Array>& a, const std::vector<Array>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto& x, auto& y) { return close(x, y); });
}
inline bool same_bits(const std::vector<Array>& a, const std::vector<Array>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto& x, auto& y) { return same_bits(x, y); });
}

}  // namespace unroll::testing
