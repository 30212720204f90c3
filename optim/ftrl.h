#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct FtrlOptions {
  double rate = 1e-3;  // the paper's α
  double beta = 0;
  double l1 = 0;
  double l2 = 0;  // twice Keras' l2_regularization_strength
  double initial_accumulator = 0.1;
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// FTRL-Proximal (McMahan et al., 2013), as in the paper and Keras, for sparse linear models: with λ₁ weights are 0.
///
///     g' = g + decay w      σ = (√(n + g'²) − √n) / rate      z = z + g' − σ w      n = n + g'²
///     w = 0 where |z| ≤ λ₁, else (sign(z) λ₁ − z) / ((β + √n) / rate + λ₂)
///
/// n starts as `initial_accumulator` and z as 0: the first update forgets most of w, and of a table's unused rows all.
/// A step at rate 0 does nothing.
class Ftrl : public Optimizer {
 public:
  /// Errors: a negative or infinite option; an initial accumulator of 0.
  explicit Ftrl(const FtrlOptions& options = {});

 private:
  void update(const Update& update) const override;

  double beta_, l1_, l2_;
};

}  // namespace unroll
