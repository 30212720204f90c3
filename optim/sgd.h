#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

struct SgdOptions {
  double rate = 1e-3;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// Stochastic gradient descent, with Polyak's heavy-ball momentum as PyTorch writes it (the rate outside the sum), or
/// Nesterov's (Sutskever et al., 2013).
///
///     g' = g + decay w      v = momentum v + (1 − dampening) g'      w = w − rate v
///     Nesterov's:                                                    w = w − rate (g' + momentum v)
///
/// v starts as the first gradient, undamped. Without momentum there is no v, and w = w − rate g'.
class Sgd : public Optimizer {
 public:
  /// Errors: a negative or infinite option; dampening above 1 or without momentum; Nesterov's without momentum or with
  /// dampening.
  explicit Sgd(const SgdOptions& options = {});

  /// Another momentum from the next step on, from a schedule such as OneCycleRate's.
  /// Errors: it is negative or infinite, or the option was 0: then there is no v.
  void set_momentum(double momentum);

 private:
  void update(const Update& update) const override;

  double momentum_, dampening_;
  bool nesterov_, heavy_;
};

}  // namespace unroll
