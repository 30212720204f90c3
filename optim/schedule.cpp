#include <algorithm>
#include <cmath>
#include <numbers>

#include <unroll/core/error.h>
#include <unroll/optim/schedule.h>

namespace unroll {
namespace {

/// Half a cosine, from 1 at 0 to 0 at 1.
double half_cosine(double t) { return (1 + std::cos(std::numbers::pi * t)) / 2; }

double ratio(Index a, Index b) { return static_cast<double>(a) / static_cast<double>(b); }

/// Warms up, then goes from `rate` to `floor` as `shape` goes from 1 at 0 to 0 at 1.
template <class F>
double falling(const char* name, double rate, double floor, Index steps, Index warm_up, Index step, F shape) {
  require<UsageError>(steps > warm_up, "{}: steps is {} and warm_up {}; there must be more steps than that", name,
                      steps, warm_up);
  if (step < warm_up) return rate * ratio(step + 1, warm_up);
  if (step >= steps) return floor;
  return floor + (rate - floor) * shape(ratio(step - warm_up, steps - warm_up));
}

void require_positive(const char* name, const char* option, Index value) {
  require<UsageError>(value > 0, "{}: {} is 0; it must be at least 1", name, option);
}

/// From `start` over `peak` back to `back`, and on to `end` if there are three phases.
double one_cycle(const OneCycleRate& c, Index step, double start, double peak, double back, double end) {
  require<UsageError>(c.start_divisor > 0 && c.end_divisor > 0,
                      "OneCycleRate: start_divisor is {} and end_divisor {}; both must be above 0", c.start_divisor,
                      c.end_divisor);
  const auto steps = static_cast<double>(c.steps);
  const double last = steps - 1, top = c.rise * steps - 1, foot = c.three_phases ? 2 * c.rise * steps - 2 : last;
  require<UsageError>(top > 0 && foot > top && foot <= last && (!c.three_phases || foot < last),
                      "OneCycleRate: rise is {} of {} steps; each phase must take more than a step", c.rise, c.steps);
  const auto between = [&](double from, double to, double t) {
    return c.anneal == Anneal::linear ? from + (to - from) * t : to + (from - to) * half_cosine(t);
  };
  const double now = std::min(static_cast<double>(step), last);
  if (now <= top) return between(start, peak, now / top);
  if (now <= foot) return between(peak, back, (now - top) / (foot - top));
  return between(back, end, (now - foot) / (last - foot));
}

}  // namespace

double StepRate::operator()(Index step) const {
  require_positive("StepRate", "every", every);
  return rate * std::pow(factor, static_cast<double>((std::max(step, hold) - hold) / every));
}

double MilestoneRate::operator()(Index step) const {
  const auto passed = std::count_if(milestones.begin(), milestones.end(), [&](Index m) { return m <= step; });
  return rate * std::pow(factor, static_cast<double>(passed));
}

double ExponentialRate::operator()(Index step) const {
  require_positive("ExponentialRate", "every", every);
  return rate * std::pow(factor, ratio(step, every));
}

double CosineRate::operator()(Index step) const {
  return falling("CosineRate", rate, floor, steps, warm_up, step, half_cosine);
}

double LinearRate::operator()(Index step) const {
  return falling("LinearRate", rate, floor, steps, warm_up, step, [](double t) { return 1 - t; });
}

double PolynomialRate::operator()(Index step) const {
  require_positive("PolynomialRate", "steps", steps);
  require<UsageError>(power > 0, "PolynomialRate: power is {}; it must be above 0", power);
  return falling("PolynomialRate", rate, floor, steps, 0, step, [&](double t) { return std::pow(1 - t, power); });
}

double RestartingCosineRate::operator()(Index step) const {
  require_positive("RestartingCosineRate", "period", period);
  require_positive("RestartingCosineRate", "stretch", stretch);
  Index length = period;
  if (stretch == 1) step %= period;
  while (step >= length) {
    step -= length;
    length *= stretch;
  }
  return floor + (rate - floor) * half_cosine(ratio(step, length));
}

double InverseRootRate::operator()(Index step) const {
  require_positive("InverseRootRate", "warm_up", warm_up);
  return rate * std::min(ratio(step + 1, warm_up), std::sqrt(ratio(warm_up, step + 1)));
}

double WarmUp::operator()(Index step) const {
  require<UsageError>(then != nullptr, "WarmUp: there is no schedule after it");
  return step < steps ? then(0) * ratio(step + 1, steps) : then(step - steps);
}

double InTurn::operator()(Index step) const {
  require<UsageError>(schedules.size() == milestones.size() + 1,
                      "InTurn: there are {} schedules and {} milestones; there is one milestone between two schedules",
                      schedules.size(), milestones.size());
  require<UsageError>(std::is_sorted(milestones.begin(), milestones.end()), "InTurn: the milestones {} do not ascend",
                      milestones);
  const auto next = std::upper_bound(milestones.begin(), milestones.end(), step);
  const auto number = static_cast<Index>(next - milestones.begin());
  return schedules[number](number == 0 ? step : step - milestones[number - 1]);
}

double OneCycleRate::operator()(Index step) const {
  const double start = peak / start_divisor, end = start / end_divisor;
  return one_cycle(*this, step, start, peak, three_phases ? start : end, end);
}

double OneCycleRate::momentum(Index step) const {
  return one_cycle(*this, step, high_momentum, low_momentum, high_momentum, high_momentum);
}

double CyclicRate::height(Index step) const {
  require_positive("CyclicRate", "up", up);
  const Index fall = down == 0 ? up : down, cycle = step / (up + fall), at = step % (up + fall);
  const double triangle = at <= up ? ratio(at, up) : 1 - ratio(at - up, fall);
  return triangle * std::pow(cycle_factor, static_cast<double>(cycle)) *
         std::pow(step_factor, static_cast<double>(step));
}

double CyclicRate::operator()(Index step) const { return low + (high - low) * height(step); }

double CyclicRate::momentum(Index step) const { return high_momentum - (high_momentum - low_momentum) * height(step); }

}  // namespace unroll
