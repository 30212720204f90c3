#include <algorithm>

#include <unroll/layers/scan.h>

namespace unroll::detail {

void check_scan(const Tensor& xs, const ScanOptions& options) {
  require(xs.ndim() == 3, "scan: the input is {}; it must be [T, B, F]: time, batch, features", xs.shape());
  require(xs.dim(0) > 0 && xs.dim(1) > 0, "scan: the input is {}; it needs at least one step and one sequence",
          xs.shape());
  if (options.lengths.empty()) return;
  require(options.lengths.size() == xs.dim(1), "scan: there are {} lengths for a batch of {}", options.lengths.size(),
          xs.dim(1));
  for (Index b = 0; b < xs.dim(1); ++b) {
    require(options.lengths[b] >= 1 && options.lengths[b] <= xs.dim(0),
            "scan: sequence {} has length {}; it must be 1 … {}", b, options.lengths[b], xs.dim(0));
  }
}

Tensor reordered(const Tensor& x, const Ids& order) {
  return reshape(rows(reshape(x, {x.dim(0), x.size() / x.dim(0)}), order), x.shape());
}

std::vector<Tensor> steps_of(Tensor xs) {
  std::vector<Tensor> steps = unstack(xs);
  xs = Tensor();
  if (fast_paths() && steps[0].value().buffer()->holders() == steps.size()) {
    for (Tensor& x : steps) x.lend();
  }
  return steps;
}

OutputBlock::OutputBlock(const Tensor& initial, Index steps) {
  Shape shape{steps + 1};
  for (const auto extent : initial.shape()) shape.append(extent);
  block_ = Array::uninitialised(shape, initial.dtype());
}

Tensor OutputBlock::keep(Index t, const Tensor& h) {
  const Shape each(block_.shape().begin() + 1, block_.shape().end());
  if (h.shape() != each || h.dtype() != block_.dtype() || !fast_paths()) return h;
  const Array place = block_.part(t * each.rows(), 0, each);
  write({place, false}, h.value());
  return Tensor(place, h.tape(), h.node());
}

Packing pack(const std::vector<Index>& lengths, Index steps, bool reverse) {
  const Index batch = lengths.size();
  std::vector<Index> order(batch);
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return lengths[a] > lengths[b]; });
  Packing p;
  p.sorted = std::is_sorted(order.begin(), order.end());
  std::vector<Id> tokens, places(steps * batch, -1), back(batch);
  for (Index b = 0; b < batch; ++b) back[order[b]] = static_cast<Id>(b);
  for (Index t = 0; t < lengths[order[0]]; ++t) {
    Index alive = 0;
    for (; alive < batch && lengths[order[alive]] > t; ++alive) {
      const Index b = order[alive], source = reverse ? lengths[b] - 1 - t : t;
      places[source * batch + b] = static_cast<Id>(tokens.size());
      tokens.push_back(static_cast<Id>(source * batch + b));
    }
    p.sizes.push_back(alive);
  }
  for (Id& place : places) {
    if (place < 0) place = static_cast<Id>(tokens.size());
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
