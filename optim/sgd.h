#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct SgdOptions {
  double rate = 1e-3;
  double momentum = 0;
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// Stochastic gradient descent, with Polyak's heavy-ball momentum as PyTorch writes it (the rate outside the sum).
///
///     g' = g + decay w      v = momentum v + g'      w = w − rate v
///
/// v starts as the first gradient. Without momentum there is no v, and w = w − rate g'.
class Sgd : public Optimizer {
 public:
  /// Errors: a negative or infinite option.
  explicit Sgd(const SgdOptions& options = {});

 private:
  void update(const Update& update) const override;

  double momentum_;
};

}  // namespace unroll
