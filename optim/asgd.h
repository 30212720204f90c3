#pragma once

#include <unroll/optim/optimizer.h>
#include <unroll/optim/weight_average.h>

namespace unroll {

struct AsgdOptions {
  double rate = 1e-2;
  double lambda = 1e-4;
  double alpha = 0.75;
  double t0 = 1e6;  // the number of updates before those whose weights are averaged
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
};

/// Averaged stochastic gradient descent (Polyak and Juditsky, 1992; the rates of Bottou, 2010), as in PyTorch's ASGD.
/// In update k = 1, 2, … of a parameter:
///
///     g' = g + decay w      η = rate / (1 + λ rate (k − 1))^α      w = (1 − λ η) w − η g'
///     average = average + (w − average) / max(1, k − 1 − t₀)
///
/// So the average is w itself up to update t₀ + 2, and from then on the mean since then.
/// There are no lazy rows: the average of a row that was not used must go on.
class Asgd : public Optimizer {
 public:
  /// Errors: a negative or infinite option.
  explicit Asgd(const AsgdOptions& options = {});

  /// Puts the averages in the parameters' place for as long as the result lives: `auto averaged =
  /// asgd.applied(params);` A parameter without an update keeps its value. Errors: as for `state`.
  AppliedAverage applied(const Params& params) const;

 private:
  void update(const Update& update) const override;

  double lambda_, alpha_, t0_;
};

}  // namespace unroll
