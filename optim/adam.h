#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct AdamOptions {
  double rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool amsgrad = false;
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// Adam (Kingma and Ba, 2015), as in PyTorch. In update k = 1, 2, … of a parameter:
///
///     g' = g + decay w      m = β₁ m + (1 − β₁) g'      v = β₂ v + (1 − β₂) g'²
///     w = w − rate m̂ / (√v̂ + ε)      m̂ = m / (1 − β₁ᵏ)      v̂ = v / (1 − β₂ᵏ)
///
/// With AMSGrad (Reddi, Kale and Kumar, 2018) the largest v so far stands for v in v̂.
/// k counts the updates of that parameter: one without a gradient waits.
class Adam : public Optimizer {
 public:
  /// Errors: a negative or infinite option; a β of 1 or more.
  explicit Adam(const AdamOptions& options = {});

  /// Another β₁ from the next step on, from a schedule such as OneCycleRate's. Errors: it is not in [0, 1).
  void set_beta1(double beta1);

 protected:
  Adam(std::string name, const AdamOptions& options, bool decoupled_decay);

 private:
  void update(const Update& update) const override;

  double beta1_, beta2_, epsilon_;
  bool amsgrad_;
};

struct AdamWOptions {
  double rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool amsgrad = false;
  double weight_decay = 0.01;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// AdamW (Loshchilov and Hutter, 2019), as in PyTorch: first w = (1 − rate · decay) w, then Adam's step with the plain
/// g.
class AdamW : public Adam {
 public:
  /// Errors: as for Adam.
  explicit AdamW(const AdamWOptions& options = {});
};

}  // namespace unroll
