#include <algorithm>
#include <cmath>
#include <numbers>

#include <unroll/optim/schedule.h>

namespace unroll {
namespace {

/// Warms up, then goes from `rate` to `floor` as `shape` goes from 1 at 0 to 0 at 1.
template <class F>
double falling(const char* name, double rate, double floor, Index steps, Index warm_up, Index step, F shape) {
  require<UsageError>(steps > warm_up, "{}: steps is {} and warm_up {}; there must be more steps than that", name,
                      steps, warm_up);
  if (step < warm_up) return rate * static_cast<double>(step + 1) / static_cast<double>(warm_up);
  if (step >= steps) return floor;
  return floor + (rate - floor) * shape(static_cast<double>(step - warm_up) / static_cast<double>(steps - warm_up));
}

}  // namespace

double StepRate::operator()(Index step) const {
  require<UsageError>(every > 0, "StepRate: every is 0; it must be at least 1");
  return rate * std::pow(factor, static_cast<double>((std::max(step, hold) - hold) / every));
}

double CosineRate::operator()(Index step) const {
  return falling("CosineRate", rate, floor, steps, warm_up, step,
                 [](double t) { return (1 + std::cos(std::numbers::pi * t)) / 2; });
}

double LinearRate::operator()(Index step) const {
  return falling("LinearRate", rate, floor, steps, warm_up, step, [](double t) { return 1 - t; });
}

}  // namespace unroll
