// What the wrappers share: everything that they pass on to the cell inside.
#pragma once

#include <unroll/layers/cell.h>
#include <unroll/layers/dropout.h>

namespace unroll {

template <Cell C>
class ResetWhere;

namespace detail {

/// A cell can step with these further arguments: none, or what its recurrent products see.
template <class C, class... Seen>
concept StepsWith = sizeof...(Seen) == 0 || (sizeof...(Seen) == 1 && has_seen<C>);

/// Traits that hold for a cell inside any number of wrappers, also a user's.
template <class C>
inline constexpr bool takes_resets = false;
template <template <class> class W, class C>
inline constexpr bool takes_resets<W<C>> = takes_resets<C>;
template <class C>
inline constexpr bool takes_resets<ResetWhere<C>> = true;

template <class C>
inline constexpr bool has_recurrent_products = [] {
  if constexpr (requires { C::recurrent_products; }) {
    return bool(C::recurrent_products);
  } else {
    return true;
  }
}();
template <template <class> class W, class C>
inline constexpr bool has_recurrent_products<W<C>> = has_recurrent_products<C>;

/// A wrapper whose state is the cell's. It declares again what it does otherwise.
template <Cell C>
struct Wraps {
  using State = typename C::State;

  C cell;

  Index size() const { return output_size(cell); }
  State zero_state(Index batch) const { return cell.zero_state(batch); }
  Tensor project(const Tensor& xs) const { return unroll::project(cell, xs); }
  template <std::same_as<Tensor>... Seen>
    requires StepsWith<C, Seen...>
  State step(Tensor z, const State& s, const Seen&... seen) const {
    return cell.step(std::move(z), s, seen...);
  }
  Tensor output(const State& s) const
    requires has_output<C>
  {
    return cell.output(s);
  }
  Begun<State> begin(const Tensor& xs, const State& s) const
    requires has_begin<C>
  {
    return cell.begin(xs, s);
  }
  std::vector<Substitute> substitutes() const { return unroll::substitutes(cell); }
  /// The weights are the bare cell's.
  std::optional<LayerGates> gates() const { return gates_of(cell); }
};

/// The state with another first tensor.
template <class State>
State with_first(const State& state, const Tensor& first) {
  bool done = false;
  return map_fields(state, [&](const Tensor& x) { return std::exchange(done, true) ? x : first; });
}

}  // namespace detail
}  // namespace unroll
