// Running a cell over time.
#pragma once

#include <numeric>
#include <vector>

#include <unroll/core/place.h>
#include <unroll/layers/cell.h>

namespace unroll {

struct ScanOptions {
  /// The length of each sequence [B]; empty: all have T steps. A sequence's state stops changing at its end, outputs
  /// beyond it are zero, and what lies there is never read.
  std::vector<Index> lengths = {};
  /// From the last step to the first, each sequence from its own end; outputs stay in their places.
  bool reverse = false;
};

/// The outputs of all steps, and the state after each sequence's last one.
template <class State>
struct Scanned {
  Tensor outputs;  // [T, B, H]
  State last;
};

namespace detail {

/// Where the tokens of a ragged batch go: packed in time order, the longest sequences first, without padding.
struct Packing {
  Ids tokens;                // for each packed row, its row in [T·B]
  std::vector<Index> sizes;  // how many sequences are alive at each step
  Ids order;                 // for each packed sequence, its place in the batch
  Ids places;                // for each row of [T, B], its packed row, or the row after the last one
  Ids back;                  // for each place in the batch, its packed sequence
  bool sorted = true;        // the batch is in the packed order already
};
Packing pack(const std::vector<Index>& lengths, Index steps, bool reverse);

void check_scan(const Tensor& xs, const ScanOptions& options);

/// Without it a state of one sequence would broadcast over the batch.
template <class State>
void check_start(const Tensor& xs, const State& state) {
  each_field(state, [&](const Tensor& x) {
    require(x.ndim() > 0 && x.dim(0) == xs.dim(1),
            "scan: the initial state has a tensor of {}; its first axis must be the batch of {}", x.shape(), xs.dim(1));
  });
}

/// The sequences of a state's tensor [B, …] in another order.
Tensor reordered(const Tensor& x, const Ids& order);

/// The tensors of a state in order, and a state like `s` made of such a list.
template <class S>
std::vector<Tensor> list_fields(const S& s) {
  std::vector<Tensor> all;
  each_field(s, [&](const Tensor& x) { all.push_back(x); });
  return all;
}
template <class S>
S with_fields(const S& s, const std::vector<Tensor>& all) {
  Index i = 0;
  return map_fields(s, [&](const Tensor&) { return all[i++]; });
}

/// Tells observers the tensors of a state after a step: by State::names, that of a state inside it too, and what has no
/// name as "state.0", "state.1", …
template <class S>
void name_fields(const S& s, Index& unnamed) {
  if constexpr (std::is_same_v<S, Tensor>) {
    give_name("state." + std::to_string(unnamed++), s, {});
  } else if constexpr (requires { S::names[0]; }) {
    Index k = 0;
    each_field(
        s, [&](const Tensor& x) { k < S::names.size() ? give_name(S::names[k++], x, {}) : name_fields(x, unnamed); });
  } else if constexpr (is_vector<S> || requires { std::tuple_size<S>::value; } || !std::is_aggregate_v<S>) {
    each_field(s, [&](const Tensor& x) { name_fields(x, unnamed); });
  } else {
    std::apply([&](const auto&... field) { (name_fields(field, unnamed), ...); }, fields(s));
  }
}
template <class State>
[[gnu::noinline, gnu::cold]] void name_state(const State& state) {
  Index unnamed = 0;
  name_fields(state, unnamed);
}

/// xs [T, ...] as T tensors; those that nobody else holds may be written over by the step that each is moved to.
std::vector<Tensor> steps_of(Tensor xs);

/// The initial state's h and those of all steps, one after the other in one block: so the outputs [T, B, H], and the
/// left side of the recurrent weight's gradient, are there without gathering them.
class OutputBlock {
 public:
  OutputBlock(const Tensor& initial, Index steps);
  /// Copies the h of step t (0 is the initial state's) into the block and returns it from there.
  Tensor keep(Index t, const Tensor& h);

 private:
  Array block_;
};

/// `state` with its first tensor kept in the block.
template <class State>
State keep_output(OutputBlock& block, Index t, State state) {
  bool first = true;
  return map_fields(state, [&](const Tensor& x) { return std::exchange(first, false) ? block.keep(t, x) : x; });
}

template <class C>
Scanned<typename C::State> scan_ragged(const C& cell, const Tensor& xs, typename C::State state,
                                       const ScanOptions& options) {
  const Index steps = xs.dim(0), batch = xs.dim(1), width = xs.size() / std::max<Index>(1, steps * batch);
  const Packing packing = pack(options.lengths, steps, options.reverse);
  if (!packing.sorted) {
    state = map_fields(state, [&](const Tensor& x) { return reordered(x, packing.order); });
  }
  ScanFrame frame(steps, batch, options.reverse, packing.tokens);
  const Tensor packed = project(cell, rows(reshape(xs, {steps * batch, width}), packing.tokens));
  std::vector<Tensor> outputs;
  std::vector<std::vector<Tensor>> ended;  // the last states of sequences that have ended, the shortest first
  Index alive = batch;
  for (const Tensor& z : split(packed, packing.sizes, 0)) {
    if (z.dim(0) < alive) {
      const std::array<Index, 2> sizes{z.dim(0), alive - z.dim(0)};
      auto& tail = ended.emplace_back();
      state = map_fields(state, [&](const Tensor& x) {
        auto parts = split(x, sizes, 0);
        tail.push_back(parts[1]);
        return parts[0];
      });
      alive = z.dim(0);
    }
    frame.next(alive);
    state = cell.step(z, state);
    if (observed()) [[unlikely]]
      name_state(state);
    outputs.push_back(output(cell, state));
  }
  frame.end();
  auto last = list_fields(state);
  for (Index field = 0; field < last.size(); ++field) {
    std::vector<Tensor> pieces{last[field]};
    for (Index i = ended.size(); i-- > 0;) pieces.push_back(ended[i][field]);
    if (pieces.size() > 1) last[field] = concat(pieces, 0);
    if (!packing.sorted) last[field] = reordered(last[field], packing.back);
  }
  const Index hidden = outputs.back().dim(-1);
  outputs.push_back(Tensor::zeros({1, hidden}, xs.dtype()));  // what padding shows
  return {named("outputs", rows(concat(outputs, 0), packing.places)), with_fields(state, last)};
}

}  // namespace detail

/// Runs a cell (or a layer that scans itself, such as Stack and Bidirectional) over xs [T, B, I] from an initial state.
/// Errors: the shape of xs, lengths or an initial state that do not fit.
template <class C>
Scanned<typename C::State> scan(const C& cell, const Tensor& xs, typename C::State state,
                                const ScanOptions& options = {}) {
  detail::check_scan(xs, options);
  detail::check_start(xs, state);
  if constexpr (requires { cell.scan(xs, state, options); }) {
    return cell.scan(xs, state, options);
  } else {
    static_assert(Cell<C>, "scan needs a cell: a State, zero_state(batch) and step(x, state)");
    [[maybe_unused]] const auto weights = substitutes(cell);
    auto start = begin(cell, xs, std::move(state));
    if (!options.lengths.empty()) return detail::scan_ragged(cell, start.xs, std::move(start.state), options);
    state = std::move(start.state);
    std::vector<Tensor> outputs;
    outputs.reserve(xs.dim(0));
    detail::ScanFrame frame(xs.dim(0), xs.dim(1), options.reverse);
    std::vector<Tensor> zs = detail::steps_of(project(cell, options.reverse ? flip(start.xs, 0) : start.xs));
    if constexpr (detail::has_output<C>) {
      for (Tensor& z : zs) {
        frame.next(xs.dim(1));
        state = cell.step(std::move(z), state);
        if (detail::observed()) [[unlikely]]
          detail::name_state(state);
        outputs.push_back(cell.output(state));
      }
    } else {
      detail::OutputBlock block(output(cell, state), zs.size());
      state = keep_output(block, 0, std::move(state));
      for (Index t = 0; t < zs.size(); ++t) {
        frame.next(xs.dim(1));
        auto next = cell.step(std::move(zs[t]), state);
        if (detail::observed()) [[unlikely]]
          detail::name_state(next);
        state = keep_output(block, t + 1, next);
        outputs.push_back(output(cell, state));
        if (t + 1 == zs.size()) state = std::move(next);  // a carried state must not hold the whole block
      }
    }
    frame.end();
    const Tensor all = stack(outputs);
    return {named("outputs", options.reverse ? flip(all, 0) : all), std::move(state)};
  }
}

/// The same from the zero state.
template <class C>
Scanned<typename C::State> scan(const C& cell, const Tensor& xs, const ScanOptions& options = {}) {
  detail::check_scan(xs, options);
  return scan(cell, xs, cell.zero_state(xs.dim(1)), options);
}

/// The state after every step, from the zero state.
template <Cell C>
std::vector<typename C::State> scan_states(const C& cell, const Tensor& xs) {
  detail::check_scan(xs, {});
  std::vector<typename C::State> states;
  [[maybe_unused]] const auto weights = substitutes(cell);
  auto start = begin(cell, xs, cell.zero_state(xs.dim(1)));
  detail::ScanFrame frame(xs.dim(0), xs.dim(1), false);
  for (const Tensor& z : unstack(project(cell, start.xs))) {
    frame.next(xs.dim(1));
    states.push_back(start.state = cell.step(z, start.state));
  }
  return states;
}

}  // namespace unroll
