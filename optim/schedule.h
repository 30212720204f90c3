// Learning rates as functions of the step, which counts from 0: `adam.step(params, grads, schedule(step))`.
// Rates that go from one value to another over some steps have arrived there at step `steps`, and stay.
#pragma once

#include <functional>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// Any of the rates below, or any other function of the step.
using Schedule = std::function<double(Index step)>;

struct ConstantRate {
  double rate = 0;
  double operator()(Index) const { return rate; }
};

/// `rate` until step `hold`, and multiplied by `factor` after each `every` steps from there on.
/// Zaremba's "halved each epoch after the fourth" is {.rate = 1, .every = epoch, .factor = 0.5, .hold = 3 * epoch}.
struct StepRate {
  double rate = 0;
  Index every = 0;
  double factor = 0.1;
  Index hold = 0;
  /// Errors: `every` is 0.
  double operator()(Index step) const;
};

/// `rate`, multiplied by `factor` at each of the milestones, which are steps; one that is named twice counts twice.
struct MilestoneRate {
  double rate = 0;
  std::vector<Index> milestones = {};
  double factor = 0.1;
  double operator()(Index step) const;
};

/// rate · factor^(step / every)
struct ExponentialRate {
  double rate = 0;
  double factor = 0;
  Index every = 1;
  /// Errors: `every` is 0.
  double operator()(Index step) const;
};

/// Up to `rate` in `warm_up` equal parts, the first of them at step 0; then along half a cosine down to `floor`, which
/// is reached at step `steps` and kept (Loshchilov and Hutter, 2017, without restarts).
struct CosineRate {
  double rate = 0;
  double floor = 0;
  Index steps = 0;
  Index warm_up = 0;
  /// Errors: `steps` is not more than `warm_up`.
  double operator()(Index step) const;
};

/// The same along a straight line.
struct LinearRate {
  double rate = 0;
  double floor = 0;
  Index steps = 0;
  Index warm_up = 0;
  /// Errors: `steps` is not more than `warm_up`.
  double operator()(Index step) const;
};

/// floor + (rate − floor) (1 − step / steps)^power
struct PolynomialRate {
  double rate = 0;
  double floor = 0;
  Index steps = 0;
  double power = 1;
  /// Errors: `steps` is 0; the power is not above 0.
  double operator()(Index step) const;
};

/// Along half a cosine from `rate` to `floor`, again and again: over `period` steps at first, and over `stretch` times
/// as many after each restart (Loshchilov and Hutter, 2017).
struct RestartingCosineRate {
  double rate = 0;
  double floor = 0;
  Index period = 0;
  Index stretch = 1;
  /// Errors: `period` or `stretch` is 0.
  double operator()(Index step) const;
};

/// Up to `rate` in `warm_up` equal parts, and then down: rate √(warm_up / (step + 1)) (Vaswani et al., 2017).
struct InverseRootRate {
  double rate = 0;
  Index warm_up = 1;
  /// Errors: `warm_up` is 0.
  double operator()(Index step) const;
};

/// Up to the first rate of any other schedule in `steps` equal parts, the first of them at step 0, and then that one:
/// `WarmUp{100, ExponentialRate{.rate = 1e-2, .factor = 0.999}}`.
struct WarmUp {
  Index steps = 0;
  Schedule then = {};
  /// Errors: there is no schedule.
  double operator()(Index step) const;
};

/// One schedule after the other, each from a step 0 of its own, which is the milestone before it:
/// `InTurn{{first, second, third}, {1000, 5000}}`.
struct InTurn {
  std::vector<Schedule> schedules;
  std::vector<Index> milestones;
  /// Errors: the milestones are not one fewer than the schedules, or do not ascend.
  double operator()(Index step) const;
};

enum class Anneal { cosine, linear };

/// One cycle (Smith and Topin, 2018), as in PyTorch: over the part `rise` of the steps from peak / start_divisor up to
/// `peak`, then down to peak / (start_divisor · end_divisor), which the last of the steps has. In three phases it goes
/// down to the start first, as steeply as up, and to the end in the remaining steps.
struct OneCycleRate {
  double peak = 0;
  Index steps = 0;
  double rise = 0.3;
  Anneal anneal = Anneal::cosine;
  bool three_phases = false;
  double start_divisor = 25;
  double end_divisor = 1e4;
  double low_momentum = 0.85;
  double high_momentum = 0.95;
  /// Errors: a rise or fall of no step; divisors that are not above 0.
  double operator()(Index step) const;
  /// The momentum that goes down from `high_momentum` while the rate goes up, and up again, for `sgd.set_momentum` or
  /// `adam.set_beta1`. Errors: the same.
  double momentum(Index step) const;
};

/// From `low` up to `high` in `up` steps and back in `down` (as many as `up` if 0), again and again (Smith, 2017). The
/// height is multiplied by `cycle_factor` after each cycle and by `step_factor` after each step: PyTorch's "triangular"
/// has neither, "triangular2" a cycle factor of ½, and "exp_range" a step factor.
struct CyclicRate {
  double low = 0;
  double high = 0;
  Index up = 0;
  Index down = 0;
  double cycle_factor = 1;
  double step_factor = 1;
  double low_momentum = 0.8;
  double high_momentum = 0.9;
  /// Errors: `up` is 0.
  double operator()(Index step) const;
  /// The momentum that goes down from `high_momentum` while the rate goes up, and up again. Errors: the same.
  double momentum(Index step) const;

 private:
  double height(Index step) const;
};

}  // namespace unroll
