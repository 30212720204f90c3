#pragma once

#include <unroll/layers/wrappers/wraps.h>

namespace unroll {

/// Units that now and then keep their old value instead of taking the new one (Krueger et al. 2016).
///   s' = m∘s + (1−m)∘cell(x, s),   m is 1 with the tensor's rate, anew at each step
/// In evaluation m is its mean, the rate.
template <Cell C>
class Zoneout : public detail::Wraps<C> {
  static_assert(!detail::takes_resets<C>, "kept values would survive a reset: write ResetWhere<Zoneout<...>>");

 public:
  using typename detail::Wraps<C>::State;

  /// One rate for each tensor of the cell's state, in order; for those at the end that have none it is 0. Of an Lstm
  /// {0.05, 0.15} are those of h and c. Draws from the parameters' random numbers. Errors: a rate outside [0, 1], more
  /// rates than tensors.
  Zoneout(const Scope& p, C cell, std::vector<double> rates)
      : detail::Wraps<C>{std::move(cell)}, rates_(std::move(rates)), random_(&p.random()) {
    for (const double rate : rates_) {
      require<UsageError>(rate >= 0 && rate <= 1, "Zoneout: a rate of {}; it must be at least 0 and at most 1", rate);
    }
    Index tensors = 0;
    each_field(this->cell.zero_state(1), [&](const Tensor&) { ++tensors; });
    require<UsageError>(rates_.size() <= tensors, "Zoneout: {} rates for a state of {} tensors", rates_.size(),
                        tensors);
  }

  template <std::same_as<Tensor>... Seen>
    requires detail::StepsWith<C, Seen...>
  State step(Tensor z, const State& s, const Seen&... seen) const {
    Index field = 0;
    return map_fields(
        this->cell.step(std::move(z), s, seen...),
        [&](const Tensor& next, const Tensor& before) {
          const double rate = field < rates_.size() ? rates_[field] : 0;
          ++field;
          return rate == 0       ? next
                 : rate == 1     ? before
                 : in_training() ? some(before, next, rate)
                                 : mean(before, next, rate);
        },
        s);
  }

 private:
  Tensor some(const Tensor& before, const Tensor& next, double rate) const {
    return pointwise(
        "Zoneout", [](auto keeps, auto before, auto next) { return where(keeps != 0, before, next); },
        Tensor(random_->mask(next.shape(), next.dtype(), rate)), before, next);
  }
  static Tensor mean(const Tensor& before, const Tensor& next, double rate) {
    return pointwise(
        "Zoneout", [rate](auto before, auto next) { return rate * before + (1 - rate) * next; }, before, next);
  }

  std::vector<double> rates_;
  Random* random_;
};

}  // namespace unroll
