#pragma once

#include <limits>

#include <unroll/optim/state.h>

namespace unroll {

struct PlateauOptions {
  double rate = 0;
  double factor = 0.1;
  Index patience = 10;
  enum class Better { smaller, larger } better = Better::smaller;
  double threshold = 1e-4;
  enum class Threshold { relative, absolute } threshold_kind = Threshold::relative;
  Index cooldown = 0;
  double floor = 0;
  double least_change = 1e-8;
};

/// A rate that falls when a metric stops getting better, as in PyTorch's ReduceLROnPlateau:
///
///     Plateau plateau({.rate = 1e-3, .patience = 2});
///     for (each epoch) { …; adam.step(params, grads, plateau.rate()); …; plateau.observe(validation_loss); }
///
/// A value is better than the best so far by more than the threshold t: below best (1 − t) or best − t, or above
/// best (1 + t) or best + t. After more than `patience` values in a row that are not, the rate is multiplied by
/// `factor`, though not below `floor` and only if that changes it by more than `least_change`. The next `cooldown`
/// values are then not counted. A NaN is not better.
class Plateau {
 public:
  /// Errors: a negative or infinite rate, threshold, floor or least change; a factor not below 1.
  explicit Plateau(const PlateauOptions& options);

  double rate() const { return rate_; }
  /// Takes in the next value of the metric, and returns the rate from now on.
  double observe(double metric);

  /// What to save: `rate`, `best`, `bad` and `cooldown` (f64, of shape []).
  OptimizerState state() const;
  /// Errors: an entry is missing, unknown or ill-shaped; then nothing has changed.
  void restore(OptimizerState state);

 private:
  bool better(double metric) const;

  PlateauOptions options_;
  double rate_, best_;
  Index bad_ = 0, cooldown_ = 0;  // values in a row that were not better; values still to be left out
};

}  // namespace unroll
