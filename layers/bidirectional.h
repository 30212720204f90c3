#pragma once

#include <algorithm>
#include <iterator>

#include <unroll/layers/scan.h>

namespace unroll {

/// Two cells over the same sequence, one from each end of it (Schuster and Paliwal 1997).
///   outputs[t] = [forward's at t, backward's at t]
/// It needs the whole sequence, so it has no step: it can be scanned and stacked, not streamed.
template <Cell F, Cell B = F>
struct Bidirectional {
  struct State {
    typename F::State forward;   // after each sequence's last step
    typename B::State backward;  // after each sequence's first step
  };

  F forward;
  B backward;

  Bidirectional(F forward, B backward) : forward(std::move(forward)), backward(std::move(backward)) {}
  /// Two cells of `hidden` units each, in the scopes `forward` and `backward`.
  template <class... Options>
    requires std::same_as<F, B>
  Bidirectional(const Scope& p, Index in, Index hidden, const Options&... options)
      : forward(p / "forward", in, hidden, options...), backward(p / "backward", in, hidden, options...) {}

  /// Of both directions, if both are single cells that say what their gates are.
  std::optional<LayerGates> gates() const {
    auto there = gates_of(forward), back = gates_of(backward);
    const auto one = [](const auto& all) { return all && all->size() == 1 && all->front().size() == 1; };
    if (!one(there) || !one(back)) return std::nullopt;
    return LayerGates{{there->front().front(), back->front().front()}};
  }

  Index size() const { return output_size(forward) + output_size(backward); }
  /// What both ends know: [forward's output after the last step, backward's after the first].
  Tensor output(const State& state) const {
    return concat({unroll::output(forward, state.forward), unroll::output(backward, state.backward)});
  }
  State zero_state(Index batch) const { return {forward.zero_state(batch), backward.zero_state(batch)}; }
  std::vector<Substitute> substitutes() const {
    std::vector<Substitute> all = unroll::substitutes(forward), others = unroll::substitutes(backward);
    std::ranges::move(others, std::back_inserter(all));
    return all;
  }

  Scanned<State> scan(const Tensor& xs, const State& state, const ScanOptions& options) const {
    ScanOptions other = options;
    other.reverse = !options.reverse;
    auto there = [&] {
      const NameScope scope("forward");
      return unroll::scan(forward, xs, state.forward, options);
    }();
    const NameScope scope("backward");
    auto back = unroll::scan(backward, xs, state.backward, other);
    return {concat({there.outputs, back.outputs}), {std::move(there.last), std::move(back.last)}};
  }
};

/// Streaming a bidirectional layer is refused: its backward half starts at the end of the sequence.
template <class F, class B>
typename Bidirectional<F, B>::State advance(const Bidirectional<F, B>&, const Tensor&,
                                            const typename Bidirectional<F, B>::State&) = delete;

}  // namespace unroll
