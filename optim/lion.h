#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct LionOptions {
  double rate = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// Lion (Chen et al., 2023), as in the paper and Keras: every element moves by the rate. The decay is decoupled.
///
///     w = (1 − rate · decay) w − rate sign(β₁ m + (1 − β₁) g)      m = β₂ m + (1 − β₂) g
///
/// sign(0) is 0, and NaN stays NaN.
class Lion : public Optimizer {
 public:
  /// Errors: a negative or infinite option; a β of 1 or more.
  explicit Lion(const LionOptions& options = {});

 private:
  void update(const Update& update) const override;

  double beta1_, beta2_;
};

}  // namespace unroll
