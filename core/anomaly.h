// Finding the first NaN or infinity.
#pragma once

#include <exception>
#include <optional>

#include <unroll/core/observer.h>

namespace unroll {

/// The first NaN or infinity under an Anomaly guard. The text names the op, whether it is a value or a gradient, the
/// first bad element, the shapes of the inputs, and the time step, parameter and name (with file and line), if any.
struct AnomalyError : Error {
  using Error::Error;
};

struct AnomalyOptions {
  bool infinities = true;  ///< false: only NaN is an anomaly, where a mask of −∞ belongs to the model, say
};

/// While it lives, the first NaN or infinity that an op of this thread computes, or backward passes on, is thrown as an
/// AnomalyError:
///
///     Anomaly guard;
///     Tape tape;
///     adam.step(params, tape.backward(loss(batch)));
///     // log: the value 'score' (model.cpp:31) of shape [32, 1] is -inf at [4, 0]; input [32, 1]; at time step t = 3 …
///
/// Checked are the results of ops, with and without a tape; parameters, when a tape first uses them; the gradient that
/// each op passes to each of its inputs; the gradients of parameters. Not checked is what ops only move (reshape,
/// split, concat, rows …): it was checked where it was computed, and what nobody computes with, such as padding, may be
/// anything. An op's bad result is thrown by the next op or `named` of the thread, by backward, by item(), or when the
/// guard ends, whichever comes first: so that the name it is given in `named("score", log(x))` is known.
class Anomaly final : detail::Observer {
 public:
  explicit Anomaly(const AnomalyOptions& options = {}) : options_(options) {}
  /// Errors: the anomaly that has not been thrown yet, unless another exception is on its way.
  ~Anomaly() noexcept(false);

 private:
  struct Found {
    Array value;
    std::string before_name, after_name;  // what is said around the name of the value
  };

  void computed(const detail::Computed& e) override;
  void named(const detail::NamedValue& e) override;
  void used(const Param& param) override;
  void gradient(const detail::GradientOf& of, Array& gradient) override;
  void passed(const detail::GradientOf& from, Index k, const detail::GradientOf& input, const Array& gradient) override;
  void settle() override;

  bool is_bad(double v) const;
  std::optional<Index> first_bad(const Array& x) const;
  [[noreturn]] void raise(const std::string& name);
  std::string already_bad(const detail::Computed& e, const Tensor& result) const;

  AnomalyOptions options_;
  std::optional<Found> found_;
  int exceptions_ = std::uncaught_exceptions();
};

}  // namespace unroll
