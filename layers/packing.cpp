#include <algorithm>
#include <numeric>

#include <unroll/layers/packing.h>

namespace unroll::detail {
namespace {

void check_lengths(const Tensor& xs, const std::vector<Index>& lengths) {
  require(lengths.size() == xs.dim(1), "scan: there are {} lengths for a batch of {}", lengths.size(), xs.dim(1));
  for (Index b = 0; b < xs.dim(1); ++b) {
    require(lengths[b] >= 1 && lengths[b] <= xs.dim(0), "scan: sequence {} has length {}; it must be 1 … {}", b,
            lengths[b], xs.dim(0));
  }
}

void check_mask(const Tensor& xs, const Tensor& mask) {
  require(mask.ndim() == 2 && mask.dim(0) == xs.dim(0) && mask.dim(1) == xs.dim(1),
          "scan: the mask is {} and the input {}; it must be [T, B], one number for each step of each sequence",
          mask.shape(), xs.shape());
  for (Index i = 0; i < mask.size(); ++i) {
    const double m = mask.value().flat(i);
    require(m == 0 || m == 1, "scan: the mask is {} at step {} of sequence {}; it must be 0 or 1", m, i / xs.dim(1),
            i % xs.dim(1));
  }
}

/// The steps that each sequence reads, in the order in which it reads them.
std::vector<std::vector<Index>> steps_read(const ScanOptions& options, Index steps, Index batch) {
  std::vector<std::vector<Index>> read(batch);
  for (Index b = 0; b < batch; ++b) {
    const Index end = options.lengths.empty() ? steps : options.lengths[b];
    for (Index t = 0; t < end; ++t) {
      if (!options.mask.defined() || options.mask.value().flat(t * batch + b) != 0) read[b].push_back(t);
    }
    if (options.reverse) std::reverse(read[b].begin(), read[b].end());
  }
  return read;
}

}  // namespace

void check_scan(const Tensor& xs, const ScanOptions& options) {
  require(xs.ndim() == 3, "scan: the input is {}; it must be [T, B, F]: time, batch, features", xs.shape());
  require(xs.dim(0) > 0 && xs.dim(1) > 0, "scan: the input is {}; it needs at least one step and one sequence",
          xs.shape());
  if (!options.lengths.empty()) check_lengths(xs, options.lengths);
  if (options.mask.defined()) check_mask(xs, options.mask);
}

Packing pack(const ScanOptions& options, Index steps, Index batch) {
  const auto read = steps_read(options, steps, batch);
  std::vector<Index> order(batch);
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return read[a].size() > read[b].size(); });
  Packing p;
  p.sorted = std::is_sorted(order.begin(), order.end());
  std::vector<Id> tokens, places(steps * batch, -1), back(batch);
  for (Index b = 0; b < batch; ++b) back[order[b]] = static_cast<Id>(b);
  for (Index s = 0; s < read[order[0]].size(); ++s) {
    Index alive = 0;
    for (; alive < batch && read[order[alive]].size() > s; ++alive) {
      const Index row = read[order[alive]][s] * batch + order[alive];
      places[row] = static_cast<Id>(tokens.size());
      tokens.push_back(static_cast<Id>(row));
    }
    p.sizes.push_back(alive);
  }
  for (Index b = 0; b < batch; ++b) {
    const Id none = static_cast<Id>(tokens.size());
    Id shown = none;
    for (Index i = 0; i < steps; ++i) {
      Id& place = places[(options.reverse ? steps - 1 - i : i) * batch + b];
      if (place < 0) {
        place = shown;
      } else if (options.repeat_outputs) {
        shown = place;
      }
    }
  }
  p.tokens = std::move(tokens);
  std::vector<Id> ids;
  for (const Index b : order) ids.push_back(static_cast<Id>(b));
  p.order = std::move(ids);
  p.places = Ids(std::move(places), steps, batch);
  p.back = std::move(back);
  return p;
}

}  // namespace unroll::detail
