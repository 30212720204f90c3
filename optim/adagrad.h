#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct AdagradOptions {
  double rate = 1e-2;
  double rate_decay = 0;
  double initial_accumulator = 0;
  double epsilon = 1e-10;
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// Adagrad (Duchi, Hazan and Singer, 2011), as in PyTorch. In update k = 1, 2, … of a parameter:
///
///     g' = g + decay w      s = s + g'²      w = w − rate / (1 + (k − 1) rate_decay) · g' / (√s + ε)
///
/// s starts as `initial_accumulator`.
class Adagrad : public Optimizer {
 public:
  /// Errors: a negative or infinite option.
  explicit Adagrad(const AdagradOptions& options = {});

 private:
  void update(const Update& update) const override;

  double rate_decay_, epsilon_;
};

}  // namespace unroll
