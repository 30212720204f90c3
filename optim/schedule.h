// Learning rates as functions of the step, which counts from 0: `adam.step(params, grads, schedule(step))`.
#pragma once

#include <functional>

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

}  // namespace unroll
