// Training or evaluation: what layers that are random in training go by.
#pragma once

#include <utility>

namespace unroll {

/// While it lives, dropout layers on this thread pass everything: for gradients of a finished model, and gradient
/// checks. With `false` they act again, as far as a tape records.
class Evaluation {
 public:
  explicit Evaluation(bool on = true) : before_(std::exchange(active_, on)) {}
  ~Evaluation() { active_ = before_; }
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;
  static bool active() { return active_; }

 private:
  bool before_;
  static constinit thread_local bool active_;
};

}  // namespace unroll
