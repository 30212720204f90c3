#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct RmsPropOptions {
  double rate = 1e-2;
  double alpha = 0.99;  // what the running mean of squares keeps at each step
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// RMSprop (Tieleman and Hinton, 2012), as in PyTorch: ε stands outside the square root.
///
///     g' = g + decay w      s = α s + (1 − α) g'²      w = w − rate g' / (√s + ε)
class RmsProp : public Optimizer {
 public:
  /// Errors: a negative or infinite option; α of 1 or more.
  explicit RmsProp(const RmsPropOptions& options = {});

 private:
  void update(const Update& update) const override;

  double alpha_, epsilon_;
};

}  // namespace unroll
