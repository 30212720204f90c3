#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct AdamaxOptions {
  double rate = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// Adamax (Kingma and Ba, 2015): Adam with the infinity norm. As in PyTorch, ε stands beside |g|; Keras adds it to u.
/// In update k = 1, 2, … of a parameter:
///
///     g' = g + decay w      m = β₁ m + (1 − β₁) g'      u = max(β₂ u, |g'| + ε)      w = w − rate m / ((1 − β₁ᵏ) u)
class Adamax : public Optimizer {
 public:
  /// Errors: a negative or infinite option; a β of 1 or more.
  explicit Adamax(const AdamaxOptions& options = {});

 private:
  void update(const Update& update) const override;

  double beta1_, beta2_, epsilon_;
};

}  // namespace unroll
