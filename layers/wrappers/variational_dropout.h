#pragma once

#include <unroll/layers/wrappers/wraps.h>

namespace unroll {

struct VariationalRates {
  double input = 0;      ///< of x
  double recurrent = 0;  ///< of the h that the recurrent products see
  double output = 0;     ///< of what the layer above sees
};

/// Dropout whose masks are the same at all steps of a sequence (Gal and Ghahramani 2016).
///   h', … = cell(x∘mx, h∘mh, …)   y = h'∘my
/// The masks are a part of the state. They are drawn when a state without any begins a scan in training, and carried on
/// with it: pieces of one sequence see the same masks. `forget_masks` lets the next scan draw others. In evaluation
/// the cell is bare.
///
/// mh acts on the first tensor of the state. In a gated unit whose h is its memory too, dropping that would wipe out
/// memory and blow up the rest: the cell's step(x, s, seen) then says what its products see (see cell.h); Gru,
/// SimpleGru and Mgu have one, and a user's cell of that kind needs one.
template <Cell C>
class VariationalDropout {
  static_assert(!detail::takes_resets<C>,
                "the mask of resets must not be dropped: write ResetWhere<VariationalDropout<...>>");

 public:
  struct State {
    typename C::State inner;
    Tensor input, recurrent, output;  // masks, like what they act on; [B, 0] as long as there is none
  };

  C cell;

  /// Draws from the parameters' random numbers. Errors: a rate outside [0, 1); a recurrent one for a cell without
  /// recurrent products.
  VariationalDropout(const Scope& p, C inner, const VariationalRates& rates)
      : cell(std::move(inner)), rates_(rates), random_(&p.random()) {
    for (const double rate : {rates.input, rates.recurrent, rates.output}) {
      require<UsageError>(rate >= 0 && rate < 1, "VariationalDropout: a rate of {}; it must be at least 0 and below 1",
                          rate);
    }
    require<UsageError>(detail::has_recurrent_products<C> || rates.recurrent == 0,
                        "VariationalDropout: a recurrent rate of {} for a cell without recurrent products",
                        rates.recurrent);
  }

  Index size() const { return output_size(cell); }
  State zero_state(Index batch) const { return forget_masks({cell.zero_state(batch), {}, {}, {}}); }
  /// The state without its masks: the next scan in training draws others.
  static State forget_masks(State s) {
    const Tensor first = detail::first_tensor(s.inner);
    s.input = s.recurrent = s.output = Tensor::zeros({first.dim(0), 0}, first.dtype());
    return s;
  }

  Begun<State> begin(const Tensor& xs, const State& s) const {
    State start = s;
    Tensor dropped = xs;
    if (in_training()) {
      draw(start.input, rates_.input, {xs.dim(-2), xs.dim(-1)});
      draw(start.recurrent, rates_.recurrent, detail::first_tensor(s.inner).shape());
      draw(start.output, rates_.output, {xs.dim(-2), size()});
      dropped = masked(xs, start.input);
    }
    auto begun = unroll::begin(cell, dropped, s.inner);
    start.inner = std::move(begun.state);
    return {std::move(begun.xs), std::move(start)};
  }
  Tensor project(const Tensor& xs) const { return unroll::project(cell, xs); }
  template <std::same_as<Tensor>... Seen>
    requires detail::StepsWith<C, Seen...>
  State step(Tensor z, const State& s, const Seen&... seen) const {
    State next = s;
    if (!in_training() || s.recurrent.size() == 0) {
      next.inner = cell.step(std::move(z), s.inner, seen...);
    } else if constexpr (detail::has_seen<C>) {
      const std::array<Tensor, 1 + sizeof...(Seen)> h{seen..., detail::first_tensor(s.inner)};
      next.inner = cell.step(std::move(z), s.inner, masked(h[0], s.recurrent));
    } else {
      const Tensor h = masked(detail::first_tensor(s.inner), s.recurrent);
      next.inner = cell.step(std::move(z), detail::with_first(s.inner, h));
    }
    return next;
  }
  Tensor output(const State& s) const {
    const Tensor y = unroll::output(cell, s.inner);
    return in_training() ? masked(y, s.output) : y;
  }
  std::vector<Substitute> substitutes() const { return unroll::substitutes(cell); }
  /// The weights are the bare cell's.
  std::optional<LayerGates> gates() const { return gates_of(cell); }

 private:
  void draw(Tensor& mask, double rate, const Shape& shape) const {
    if (rate > 0 && mask.size() == 0) mask = random_->mask(shape, mask.dtype(), 1 - rate);
  }
  /// A mask is a constant: NaN in what it drops must not become its gradient.
  static Tensor masked(const Tensor& x, const Tensor& mask) { return mask.size() == 0 ? x : x * detach(mask); }

  VariationalRates rates_;
  Random* random_;
};

}  // namespace unroll
