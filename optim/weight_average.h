// Averages of the weights over the steps, which often generalise better than the last weights (Polyak and Juditsky,
// 1992; Izmailov et al., 2018).
#pragma once

#include <string>
#include <vector>

#include <unroll/core/params.h>
#include <unroll/optim/state.h>

namespace unroll {

/// While it lives, the parameters have other values; at its end they get back those they had. What is trained in
/// between is lost, and nothing that a tape recorded before may be used.
class [[nodiscard]] AppliedAverage {
 public:
  /// `values` in the order of the parameters, of their shapes.
  AppliedAverage(const Params& params, const std::vector<Array>& values);
  ~AppliedAverage();
  AppliedAverage(const AppliedAverage&) = delete;
  AppliedAverage& operator=(const AppliedAverage&) = delete;

 private:
  std::vector<std::pair<Param, Array>> before_;
};

struct WeightAverageOptions {
  double decay = 0.999;
  bool bias_corrected = false;
};

/// A running average of all parameters w. At call k = 1, 2, … of `update`
///
///     a = decay a + (1 − decay) w      a starts as w at construction
///     bias-corrected:      a = Σᵢ decay^(k−i) wᵢ / Σᵢ decay^(k−i)      over the calls i = 1 … k alone, as Adam's m̂
///     decay 1:      a = (w₁ + … + wₖ) / k      the plain mean: stochastic weight averaging
///
///     WeightAverage ema(params, {.decay = 0.999});
///     for (…) { …; adam.step(params, grads); ema.update(params); }
///     { auto averaged = ema.applied(params); …evaluate or save… }
class WeightAverage {
 public:
  /// Errors: a decay outside [0, 1].
  explicit WeightAverage(const Params& params, const WeightAverageOptions& options = {});

  /// Takes in the weights as they are now. Averages follow `params.to(dtype)`.
  /// Errors: these are not the parameters that it was made for.
  void update(const Params& params);
  /// Puts the averages in the parameters' place for as long as the result lives. Errors: as for `update`.
  AppliedAverage applied(const Params& params) const;
  /// The average of one. Errors: it is not among the parameters.
  const Array& operator[](const Param& param) const;

  /// What to save: `<parameter>/average`, and the number of `updates` (f64, of shape []).
  OptimizerState state() const;
  /// Takes over what `state` gave for parameters of these names and shapes; f32 and f64 are converted into each other.
  /// Errors: an entry is missing, unknown or ill-shaped; then nothing has changed.
  void restore(OptimizerState state);

 private:
  struct Slot {
    Param param;
    Array average;
  };
  void require_same(const Params& params) const;

  WeightAverageOptions options_;
  Index updates_ = 0;
  std::vector<Slot> slots_;  // in the order of the parameters
};

}  // namespace unroll
