// What a recurrent cell is, and running one for a single step.
//
// A cell is a type with
//     struct State { Tensor h, …; };                       an aggregate; its first field is the output
//     State zero_state(Index batch) const;
//     State step(const Tensor& x, const State& s) const;   x [B, I]
// and, as it likes,
//     Tensor project(const Tensor& xs) const;              what depends on the inputs alone, for all steps in one
//     product;
//                                                          then step takes its rows
//     Tensor output(const State& s) const;                 when the output is not the first field
//     Index size() const;                                  how many features the output has; what stands on the cell
//                                                          asks. Without it a state of zeros is made to see
//     State step(const Tensor& x, const State& s, const Tensor& seen) const;
//                                                          the recurrent products see `seen` in place of the first
//                                                          field, which stays what is remembered: for dropout of it
//     Begun<State> begin(const Tensor& xs, const State& s) const;
//                                                          what a scan, or one streamed step, starts from
//     std::vector<Substitute> substitutes() const;         what stands in for parameters while it lasts
//     static constexpr std::array names{"h", …};           in its State: what traces and hooks call its tensors
//     CellGates gates() const;                             which gate each column of its parameters is (gates.h), for
//                                                          weights of other frameworks
#pragma once

#include <concepts>
#include <vector>

#include <unroll/core/map_fields.h>
#include <unroll/core/ops.h>
#include <unroll/core/substitute.h>
#include <unroll/layers/gates.h>

namespace unroll {

template <class C>
concept Cell = requires(const C& cell, const Tensor& x, const typename C::State& state, Index batch) {
  { cell.zero_state(batch) } -> std::same_as<typename C::State>;
  { cell.step(x, state) } -> std::same_as<typename C::State>;
};

/// cell.project(xs), or xs itself.
template <class C>
Tensor project(const C& cell, const Tensor& xs) {
  if constexpr (requires { cell.project(xs); }) {
    return cell.project(xs);
  } else {
    return xs;
  }
}

/// The inputs and the state that a scan starts from, after the cell has seen them.
template <class State>
struct Begun {
  Tensor xs;
  State state;
};

namespace detail {
template <class C>
inline constexpr bool has_output = requires(const C& cell, const typename C::State& state) { cell.output(state); };
template <class C>
inline constexpr bool has_begin =
    requires(const C& cell, const Tensor& xs, const typename C::State& state) { cell.begin(xs, state); };
template <class C>
inline constexpr bool has_seen =
    requires(const C& cell, const Tensor& x, const typename C::State& state) { cell.step(x, state, x); };

template <class State>
Tensor first_tensor(const State& state) {
  Tensor first;
  each_field(state, [&](const Tensor& x) {
    if (!first.defined()) first = x;
  });
  return first;
}
}  // namespace detail

/// cell.begin(xs, state), or both as they are.  xs [T, B, I], or [B, I] for a single step
template <class C>
Begun<typename C::State> begin(const C& cell, const Tensor& xs, typename C::State state) {
  if constexpr (detail::has_begin<C>) {
    return cell.begin(xs, state);
  } else {
    return {xs, std::move(state)};
  }
}

/// What stands in for parameters of the cell while a scan, or one streamed step, lasts: dropped weights, say. Whoever
/// holds it makes all scans and steps meanwhile use the same: `const auto same_weights = substitutes(cell);`
template <class C>
std::vector<Substitute> substitutes(const C& cell) {
  if constexpr (requires { cell.substitutes(); }) {
    return cell.substitutes();
  } else {
    return {};
  }
}

/// The output of a cell in a state: cell.output(s), or the first tensor of the state.
template <class C>
Tensor output(const C& cell, const typename C::State& state) {
  if constexpr (detail::has_output<C>) {
    return cell.output(state);
  } else {
    return detail::first_tensor(state);
  }
}

/// Features of a cell's or a layer's output: its size(), or the last axis of the output in a state of zeros.
template <class C>
Index output_size(const C& cell) {
  if constexpr (requires { cell.size(); }) {
    return cell.size();
  } else {
    return output(cell, cell.zero_state(1)).dim(-1);
  }
}

/// One time step from a carried state: the same numbers as scanning.  x [B, I]
template <Cell C>
typename C::State advance(const C& cell, const Tensor& x, const typename C::State& state) {
  [[maybe_unused]] const auto weights = substitutes(cell);
  if constexpr (detail::has_begin<C>) {
    const auto start = cell.begin(x, state);
    return cell.step(project(cell, start.xs), start.state);
  } else {
    return cell.step(project(cell, x), state);
  }
}

namespace detail {
/// Errors for a cell fed the wrong width, in one wording.
inline void check_width(const char* cell, const Tensor& x, const Param& w) {
  require(x.ndim() >= 1 && x.dim(-1) == w.dim(0),
          "{}: the input is {} but '{}' is {}; the last axis must have {} elements", cell, x.shape(), w.name(),
          w.shape(), w.dim(0));
}
}  // namespace detail

}  // namespace unroll
