#pragma once

#include <unroll/core/evaluation.h>
#include <unroll/core/ops.h>

namespace unroll {

/// Whether what is random in training acts now: a tape records, and no Evaluation lives.
inline bool in_training() { return Tape::current() != nullptr && !Evaluation::active(); }

/// Dropout (Srivastava et al. 2014), scaled so that nothing changes in evaluation. It acts while a tape records, that
/// is in training, and is the identity otherwise; see also Evaluation.
class Dropout {
 public:
  /// Draws from the parameters' random numbers. Errors: a rate outside [0, 1).
  Dropout(const Scope& p, double rate);

  Tensor operator()(const Tensor& x) const;
  /// One mask for all time steps (Gal and Ghahramani 2016).  x [T, B, F]
  Tensor same_for_all_steps(const Tensor& x) const;
  double rate() const { return rate_; }

 private:
  bool idle() const { return rate_ == 0 || !in_training(); }
  double rate_;
  Random* random_;
};

}  // namespace unroll
