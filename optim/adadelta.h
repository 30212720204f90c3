#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct AdadeltaOptions {
  double rate = 1;
  double rho = 0.9;  // what both running means keep at each step
  double epsilon = 1e-6;
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// Adadelta (Zeiler, 2012), as in PyTorch and Keras.
///
///     g' = g + decay w      s = ρ s + (1 − ρ) g'²      δ = g' √(d + ε) / √(s + ε)
///     d = ρ d + (1 − ρ) δ²      w = w − rate δ
class Adadelta : public Optimizer {
 public:
  /// Errors: a negative or infinite option; ρ of 1 or more.
  explicit Adadelta(const AdadeltaOptions& options = {});

 private:
  void update(const Update& update) const override;

  double rho_, epsilon_;
};

}  // namespace unroll
