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
#pragma once

#include <concepts>

#include <unroll/core/map_fields.h>
#include <unroll/core/ops.h>

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

namespace detail {
template <class C>
inline constexpr bool has_output = requires(const C& cell, const typename C::State& state) { cell.output(state); };
}

/// The output of a cell in a state: cell.output(s), or the first tensor of the state.
template <class C>
Tensor output(const C& cell, const typename C::State& state) {
  if constexpr (detail::has_output<C>) {
    return cell.output(state);
  } else {
    Tensor first;
    each_field(state, [&](const Tensor& x) {
      if (!first.defined()) first = x;
    });
    return first;
  }
}

/// One time step from a carried state: the same numbers as scanning.  x [B, I]
template <Cell C>
typename C::State advance(const C& cell, const Tensor& x, const typename C::State& state) {
  return cell.step(project(cell, x), state);
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
