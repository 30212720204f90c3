#include <cmath>

#include <unroll/optim/plateau.h>

namespace unroll {

Plateau::Plateau(const PlateauOptions& options) : options_(options), rate_(options.rate) {
  const auto check = [](const char* option, double value) {
    require<UsageError>(value >= 0 && std::isfinite(value), "Plateau: {} is {}; it must be at least 0 and below inf",
                        option, value);
  };
  check("rate", options.rate);
  check("threshold", options.threshold);
  check("floor", options.floor);
  check("least_change", options.least_change);
  require<UsageError>(options.factor >= 0 && options.factor < 1,
                      "Plateau: factor is {}; it must be at least 0 and below 1", options.factor);
  const double infinity = std::numeric_limits<double>::infinity();
  best_ = options.better == PlateauOptions::Better::smaller ? infinity : -infinity;
}

bool Plateau::better(double metric) const {
  const bool relative = options_.threshold_kind == PlateauOptions::Threshold::relative;
  if (options_.better == PlateauOptions::Better::smaller) {
    return metric < (relative ? best_ * (1 - options_.threshold) : best_ - options_.threshold);
  }
  return metric > (relative ? best_ * (1 + options_.threshold) : best_ + options_.threshold);
}

double Plateau::observe(double metric) {
  if (better(metric)) {
    best_ = metric;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (cooldown_ > 0) {
    --cooldown_;
    bad_ = 0;
  }
  if (bad_ > options_.patience) {
    bad_ = 0;
    cooldown_ = options_.cooldown;
    const double next = std::max(rate_ * options_.factor, options_.floor);
    if (rate_ - next > options_.least_change) rate_ = next;
  }
  return rate_;
}

OptimizerState Plateau::state() const {
  const auto number = [](double value) { return Array::full({}, f64, value); };
  return {{"rate", number(rate_)},
          {"best", number(best_)},
          {"bad", number(static_cast<double>(bad_))},
          {"cooldown", number(static_cast<double>(cooldown_))}};
}

void Plateau::restore(OptimizerState state) {
  const std::string owner = "Plateau";
  const double rate = detail::take(state, owner, "rate", {}).item(),
               best = detail::take(state, owner, "best", {}).item();
  const Index bad = detail::take_count(state, owner, "bad"), cooldown = detail::take_count(state, owner, "cooldown");
  require<UsageError>(state.empty(), "{}: the saved state holds '{}', which is nothing of a plateau", owner,
                      state.empty() ? "" : state.begin()->first);
  rate_ = rate, best_ = best, bad_ = bad, cooldown_ = cooldown;
}

}  // namespace unroll
