#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct NAdamOptions {
  double rate = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double momentum_decay = 4e-3;  // ψ; Keras has 1
  double weight_decay = 0;
  bool decoupled_decay = false;      // as in AdamW
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// NAdam (Dozat, 2016): Adam with Nesterov's momentum, as in PyTorch. In update k = 1, 2, … of a parameter:
///
///     g' = g + decay w      m = β₁ m + (1 − β₁) g'      v = β₂ v + (1 − β₂) g'²      v̂ = v / (1 − β₂ᵏ)
///     μₖ = β₁ (1 − ½ · 0.96^(k ψ))      Πₖ = μ₁ μ₂ … μₖ
///     w = w − rate (μₖ₊₁ m / (1 − Πₖ₊₁) + (1 − μₖ) g' / (1 − Πₖ)) / (√v̂ + ε)
class NAdam : public Optimizer {
 public:
  /// Errors: a negative or infinite option; a β of 1 or more.
  explicit NAdam(const NAdamOptions& options = {});

 private:
  void update(const Update& update) const override;

  double beta1_, beta2_, epsilon_, momentum_decay_;
};

}  // namespace unroll
