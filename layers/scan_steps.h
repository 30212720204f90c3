// The steps of a scan: what `scan` does at once, and once more where it recomputes.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include <unroll/core/place.h>
#include <unroll/layers/cell.h>
#include <unroll/layers/packing.h>

namespace unroll {

/// The outputs of all steps, and the state after each sequence's last one.
template <class State>
struct Scanned {
  Tensor outputs;  // [T, B, H]
  State last;
};

namespace detail {

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
S with_fields(const S& s, std::span<const Tensor> all) {
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
  /// For so many of them; the first to be kept says how large they are.
  explicit OutputBlock(Index count) : count_(count) {}
  /// Copies the h of step t (0 is the initial state's) into the block and returns it from there.
  Tensor keep(Index t, const Tensor& h);

 private:
  Index count_;
  Array block_;
};

/// `state` with its first tensor kept in the block.
template <class State>
State keep_output(OutputBlock& block, Index t, State state) {
  bool first = true;
  return map_fields(state, [&](const Tensor& x) { return std::exchange(first, false) ? block.keep(t, x) : x; });
}

/// How many places a block for so many steps of a cell has.
template <class C>
Index places_for(Index steps) {
  return has_output<C> ? steps : steps + 1;
}

/// The steps over zs from a state, whose outputs are those of steps `first`, `first` + 1 … of the block. Returns the
/// state after the last one, which does not lie in the block: a carried state must not hold all of it. `frame` is null
/// where the steps are computed once more, which observers are not told.
template <class C>
typename C::State run_steps(const C& cell, std::vector<Tensor> zs, typename C::State state, OutputBlock& block,
                            Index first, std::vector<Tensor>& outputs, ScanFrame* frame) {
  if constexpr (has_output<C>) {
    for (Tensor& z : zs) {
      if (frame != nullptr) frame->next(z.dim(0));
      state = cell.step(std::move(z), state);
      if (frame != nullptr && observed()) [[unlikely]]
        name_state(state);
      outputs.push_back(block.keep(first++, cell.output(state)));
    }
  } else {
    state = keep_output(block, first, std::move(state));
    for (Index t = 0; t < zs.size(); ++t) {
      if (frame != nullptr) frame->next(zs[t].dim(0));
      auto next = cell.step(std::move(zs[t]), state);
      if (frame != nullptr && observed()) [[unlikely]]
        name_state(next);
      state = keep_output(block, first + t + 1, next);
      outputs.push_back(output(cell, state));
      if (t + 1 == zs.size()) state = std::move(next);
    }
  }
  return state;
}

/// A batch of sequences that end at different steps, on its way.
template <class State>
struct RaggedRun {
  State state;                             // of the sequences that have not ended
  Index alive;                             // how many these are
  std::vector<Tensor> outputs;             // of each step, [alive, H]
  std::vector<std::vector<Tensor>> ended;  // the last states of sequences that have ended, the shortest first
};

/// The steps over zs, of which each has as many rows as sequences are alive.
template <class C>
void run_steps(const C& cell, std::span<const Tensor> zs, RaggedRun<typename C::State>& run, ScanFrame* frame) {
  for (const Tensor& z : zs) {
    if (z.dim(0) < run.alive) {
      const std::array<Index, 2> sizes{z.dim(0), run.alive - z.dim(0)};
      auto& tail = run.ended.emplace_back();
      run.state = map_fields(run.state, [&](const Tensor& x) {
        auto parts = split(x, sizes, 0);
        tail.push_back(parts[1]);
        return parts[0];
      });
      run.alive = z.dim(0);
    }
    if (frame != nullptr) frame->next(run.alive);
    run.state = cell.step(z, run.state);
    if (frame != nullptr && observed()) [[unlikely]]
      name_state(run.state);
    run.outputs.push_back(output(cell, run.state));
  }
}

}  // namespace detail
}  // namespace unroll
