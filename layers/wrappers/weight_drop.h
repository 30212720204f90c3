#pragma once

#include <unroll/layers/wrappers/wraps.h>

namespace unroll {

namespace detail {
/// The weights of recurrent products by the names that our cells give them, also inside wrappers.
template <class C>
std::vector<Param> recurrent_weights(const C& cell) {
  std::vector<Param> all;
  if constexpr (requires { Param(cell.wh); }) all.push_back(cell.wh);
  if constexpr (requires { Param(cell.wc); }) all.push_back(cell.wc);
  if constexpr (requires { cell.cell; }) return recurrent_weights(cell.cell);
  return all;
}
}  // namespace detail

/// DropConnect on recurrent weights (Merity et al. 2018): for each scan some of their elements are zero, the same ones
/// at all steps and for all sequences.
///   W → W∘m,   m is 0 with probability `rate`, else 1/(1−rate)
/// In evaluation the cell is bare. When streamed in training, each step draws anew, unless one says for how long the
/// weights are to be the same: `const auto same_weights = substitutes(cell);`
template <Cell C>
class WeightDrop : public detail::Wraps<C> {
 public:
  using typename detail::Wraps<C>::State;

  /// The weights are `wh` and `wc` of the cell, or those given. Draws from the parameters' random numbers. Errors: a
  /// rate outside [0, 1), no weights.
  WeightDrop(const Scope& p, C cell, double rate) : WeightDrop(p, cell, rate, detail::recurrent_weights(cell)) {}
  WeightDrop(const Scope& p, C cell, double rate, std::vector<Param> weights)
      : detail::Wraps<C>{std::move(cell)},
        rate_(rate),
        weights_(std::make_shared<const std::vector<Param>>(std::move(weights))),
        random_(&p.random()) {
    require<UsageError>(rate >= 0 && rate < 1, "WeightDrop: a rate of {}; it must be at least 0 and below 1", rate);
    require<UsageError>(!weights_->empty(), "WeightDrop: the cell has no weights 'wh' or 'wc'; say which to drop");
  }

  std::vector<Substitute> substitutes() const {
    std::vector<Substitute> all = unroll::substitutes(this->cell);
    if (rate_ == 0 || !in_training() || Substitute::active(weights_.get())) return all;
    for (const Param& w : *weights_) all.emplace_back(w, dropout(w, rate_, *random_), weights_.get());
    return all;
  }

 private:
  double rate_;
  std::shared_ptr<const std::vector<Param>> weights_;  // shared by copies, whose masks are the same
  Random* random_;
};

}  // namespace unroll
