// A scan that keeps the state at every k-th step and computes what lies between once more in backward.
//
// It is cut into chunks of k steps, each of which is a part of the computation that `recomputed` runs twice. The state
// between two chunks and the outputs are results of such parts; so their gradients add up on the outer tape in the
// order of the steps, as they would without chunks.
#pragma once

#include <memory>
#include <numeric>
#include <optional>
#include <type_traits>

#include <unroll/core/random.h>
#include <unroll/core/recompute.h>
#include <unroll/layers/scan_steps.h>

namespace unroll::detail {

/// The cell for the second run: a copy, made after the first run (which may have changed what the cell remembers), or
/// where it is for one that cannot be copied.
template <class C>
class KeptCell {
 public:
  void keep(const C& cell) {
    if constexpr (std::is_copy_constructible_v<C>) {
      cell_.emplace(cell);
    } else {
      cell_ = &cell;
    }
  }
  const C& operator*() const { return *cell_; }

 private:
  std::conditional_t<std::is_copy_constructible_v<C>, std::optional<C>, const C*> cell_{};
};

/// Whether the inputs may be projected chunk by chunk. That gives the bits of the projection of all steps when the
/// gradients of whatever the projection uses are sums over rows (as those of x w + b are), when the steps use nothing
/// of it too, and when it draws no random numbers; otherwise all steps are projected at once, and kept.
class ProjectionCheck {
 public:
  void before();
  void after();
  /// `input` is what the projection gets, when it gets that as it is.
  bool by_rows(const std::vector<LinkUse>& at_the_end, const TiledInput* input) const;

 private:
  std::vector<LinkUse> before_, after_;
  Index drawn_ = 0;
};

template <class C>
inline constexpr bool has_projection = requires(const C& cell, const Tensor& xs) { cell.project(xs); };

/// A tensor that is kept as long as a chunk waits for backward: a part of something larger would keep all of that.
Tensor compact(const Tensor& x);

template <class State>
State compact_state(const State& state) {
  return map_fields(state, [](const Tensor& x) { return compact(x); });
}

/// The first `fields` of a chunk's results after `from` as the state that the first run ended in.
template <class State>
State state_from(const State& after, std::span<const Tensor> results, Index from) {
  return with_fields(after, results.subspan(from));
}

template <class C>
Scanned<typename C::State> scan_checkpointed(const C& cell, const Tensor& xs, typename C::State state,
                                             const ScanOptions& options) {
  using State = typename C::State;
  const Index steps = xs.dim(0), every = options.checkpoint_every;
  const auto kept = std::make_shared<KeptCell<C>>();
  OutputBlock all(places_for<C>(steps));
  TiledInput input(xs);
  std::vector<Tensor> projected, outputs;  // projected: of all steps, when it cannot be done chunk by chunk
  ProjectionCheck check;
  std::vector<LinkUse> uses;
  std::optional<ScanFrame> frame;
  for (Index from = 0; from < steps;) {
    const Index to = std::min(steps, from + every);
    std::vector<Tensor> mine;
    Tensor chunk;
    if (projected.empty()) {
      chunk = options.reverse ? input.part(steps - to, steps - from) : input.part(from, to);
    } else {
      mine.assign(projected.begin() + static_cast<std::ptrdiff_t>(from),
                  projected.begin() + static_cast<std::ptrdiff_t>(to));
    }
    // Not const: without a projection it would be a constant, and clang warns of a constant's capture.
    bool checked = has_projection<C> && from == 0 && projected.empty();
    if (from == 0) frame.emplace(steps, xs.dim(1), options.reverse);
    State after = state;
    // What is captured by reference belongs to the first run.
    Part part = [&cell, &all, &check, &uses, &after, &frame, kept, chunk, mine, checked, from, to,
                 reverse = options.reverse, start = compact_state(state)](bool again) {
      const C& c = again ? **kept : cell;
      std::vector<Tensor> zs = mine, results;
      if (mine.empty()) {
        const bool noted = checked && !again;
        const Tensor x = reverse ? flip(chunk, 0) : chunk;
        if (noted) check.before();
        Tensor z = project(c, x);
        if (noted) check.after();
        zs = steps_of(std::move(z));
      }
      OutputBlock own(places_for<C>(to - from));
      State last =
          run_steps(c, std::move(zs), start, again ? own : all, again ? 0 : from, results, again ? nullptr : &*frame);
      each_field(last, [&](const Tensor& x) { results.push_back(x); });
      if (!again) {
        after = std::move(last);
        uses = link_uses();
      }
      return results;
    };
    const auto results = recomputed(std::move(part), [&] { return !checked || check.by_rows(uses, &input); });
    if (!results) {
      input.drop();
      projected = unstack(project(cell, options.reverse ? flip(xs, 0) : xs));
      continue;
    }
    input.note(uses);
    outputs.insert(outputs.end(), results->begin(), results->begin() + static_cast<std::ptrdiff_t>(to - from));
    state = compact_state(state_from(after, *results, to - from));
    from = to;
  }
  kept->keep(cell);
  frame->end();
  const Tensor stacked = stack(outputs);
  return {named("outputs", options.reverse ? flip(stacked, 0) : stacked), std::move(state)};
}

/// The steps of a packed batch, `every` at a time: each with the rows `tokens` of xs [T·B, F], in steps of `sizes`.
template <class C>
void run_checkpointed(const C& cell, const Tensor& xs, const Packing& packing, const ScanOptions& options, Index batch,
                      RaggedRun<typename C::State>& run) {
  using State = typename C::State;
  const Index every = options.checkpoint_every;
  std::optional<ScanFrame> frame;
  const auto kept = std::make_shared<KeptCell<C>>();
  const std::vector<Id>& tokens = packing.tokens.values();
  std::vector<Tensor> projected;
  ProjectionCheck check;
  std::vector<LinkUse> uses;
  const Index fields = list_fields(run.state).size();
  for (Index from = 0, row = 0; from < packing.sizes.size();) {
    const Index to = std::min(packing.sizes.size(), from + every);
    const auto at = [](auto& list, Index i) { return list.begin() + static_cast<std::ptrdiff_t>(i); };
    const std::vector<Index> sizes(at(packing.sizes, from), at(packing.sizes, to));
    const Index row_end = row + std::accumulate(sizes.begin(), sizes.end(), Index{0});
    const Ids ids(std::vector<Id>(at(tokens, row), at(tokens, row_end)));
    std::vector<Tensor> mine;
    if (!projected.empty()) mine.assign(at(projected, from), at(projected, to));
    // Not const: without a projection it would be a constant, and clang warns of a constant's capture.
    bool checked = has_projection<C> && from == 0 && projected.empty();
    if (from == 0) frame.emplace(xs.dim(0) / batch, batch, options.reverse, packing.tokens);
    RaggedRun<State> after{run.state, 0, {}, {}};
    Part part = [&cell, &check, &uses, &after, &frame, kept, xs, ids, sizes, mine, checked, alive = run.alive,
                 start = compact_state(run.state)](bool again) {
      const C& c = again ? **kept : cell;
      std::vector<Tensor> zs = mine;
      if (mine.empty()) {
        const bool noted = checked && !again;
        const Tensor x = rows(xs, ids);
        if (noted) check.before();
        const Tensor z = project(c, x);
        if (noted) check.after();
        zs = split(z, sizes, 0);
      }
      RaggedRun<State> part_run{start, alive, {}, {}};
      run_steps(c, std::span<const Tensor>(zs), part_run, again ? nullptr : &*frame);
      std::vector<Tensor> results = part_run.outputs;
      each_field(part_run.state, [&](const Tensor& x) { results.push_back(x); });
      for (const auto& tail : part_run.ended) results.insert(results.end(), tail.begin(), tail.end());
      if (!again) {
        after = std::move(part_run);
        if (checked) uses = link_uses();
      }
      return results;
    };
    const auto results = recomputed(std::move(part), [&] { return !checked || check.by_rows(uses, nullptr); });
    if (!results) {
      projected = split(project(cell, rows(xs, packing.tokens)), packing.sizes, 0);
      continue;
    }
    const std::span<const Tensor> made(*results);
    run.outputs.insert(run.outputs.end(), made.begin(), made.begin() + static_cast<std::ptrdiff_t>(to - from));
    run.state = compact_state(state_from(after.state, made, to - from));
    run.alive = after.alive;
    for (Index i = 0; i < after.ended.size(); ++i) {
      const auto tail = made.subspan(to - from + (i + 1) * fields, fields);
      run.ended.emplace_back();
      for (const Tensor& x : tail) run.ended.back().push_back(compact(x));
    }
    from = to;
    row = row_end;
  }
  kept->keep(cell);
}

}  // namespace unroll::detail
