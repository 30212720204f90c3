#include <unroll/core/ops/element_loss.h>

namespace unroll {

/// With l the model's log-probabilities and q the target's probabilities: q (ln q − l),   dl = −q,
/// dq = ln q − l + 1, and 0 where q is 0. With t = ln q given: dt = q (t − l + 1).
Tensor kl_divergence(const Tensor& log_probabilities, const Tensor& targets, Reduce reduce, const KlOptions& options) {
  constexpr const char* op = "kl_divergence";
  require_value(op, log_probabilities);
  require_value(op, targets);
  const Shape& shape = log_probabilities.shape();
  require((shape.ndim() == 2 || shape.ndim() == 3) && shape == targets.shape(),
          "kl_divergence: log_probabilities are {} and targets {}; they must have one shape, [N, V] or [T, B, V]",
          shape, targets.shape());
  const detail::Layout layout = detail::Layout::of_rows(op, shape, options.lengths);
  const std::array inputs{log_probabilities, targets};
  if (options.log_target) {
    const auto of_logs = [](auto l, auto t) {
      const auto q = exp(t);
      const decltype(q) zero(0);
      return std::array{where(q == 0, zero, q * (t - l)), -q, where(q == 0, zero, q * (t - l + 1))};
    };
    return detail::element_loss<2>(op, of_logs, inputs, reduce, layout);
  }
  const auto of_probabilities = [](auto l, auto q) {
    const decltype(q) zero(0), difference = log(q) - l;
    return std::array{where(q == 0, zero, q * difference), -q, where(q == 0, zero, difference + 1)};
  };
  return detail::element_loss<2>(op, of_probabilities, inputs, reduce, layout);
}

}  // namespace unroll
