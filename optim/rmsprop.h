#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll {

/// Where ε stands beside a mean square s: √s + ε, or √(s + ε).
enum class Epsilon { outside_root, inside_root };

struct RmsPropOptions {
  double rate = 1e-2;
  double alpha = 0.99;  // what the running means keep at each step
  double epsilon = 1e-8;
  Epsilon epsilon_place = Epsilon::outside_root;
  double momentum = 0;
  bool centred = false;
  double weight_decay = 0;
  bool decay_matrices_only = false;  // spare parameters with fewer than two axes: biases
  bool lazy_rows = false;            // leave rows of a table that the step did not use (see Optimizer)
};

/// RMSprop (Tieleman and Hinton, 2012; centred: Graves, 2013). ε stands outside the square root as in PyTorch, or
/// inside as in Keras, whose `rho` is α.
///
///     g' = g + decay w      s = α s + (1 − α) g'²      δ = g' / (√s + ε)
///     centred:      c = α c + (1 − α) g'      and s − c² for s in δ
///     w = w − rate δ      with momentum:      v = momentum v + δ      w = w − rate v
class RmsProp : public Optimizer {
 public:
  /// Errors: a negative or infinite option; α of 1 or more.
  explicit RmsProp(const RmsPropOptions& options = {});

 private:
  void update(const Update& update) const override;
  template <bool centred, bool heavy>
  void update_as(const Update& update) const;

  double alpha_, epsilon_outside_, epsilon_inside_, momentum_;
  bool centred_;
};

}  // namespace unroll
