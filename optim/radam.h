#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct RAdamOptions {
  double rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool decoupled_decay = false;      // as in AdamW
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// RAdam (Liu et al., 2020): Adam, which begins as momentum until the variance of v is tractable; as in PyTorch, ε
/// stands beside the uncorrected √v. In update k = 1, 2, … of a parameter:
///
///     g' = g + decay w      m = β₁ m + (1 − β₁) g'      v = β₂ v + (1 − β₂) g'²      m̂ = m / (1 − β₁ᵏ)
///     ρ∞ = 2 / (1 − β₂) − 1      ρ = ρ∞ − 2 k β₂ᵏ / (1 − β₂ᵏ)
///     ρ > 5:      r = √((ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ))      w = w − rate r m̂ √(1 − β₂ᵏ) / (√v + ε)
///     else:       w = w − rate m̂
class RAdam : public Optimizer {
 public:
  /// Errors: a negative or infinite option; a β of 1 or more.
  explicit RAdam(const RAdamOptions& options = {});

 private:
  void update(const Update& update) const override;

  double beta1_, beta2_, epsilon_;
};

}  // namespace unroll
