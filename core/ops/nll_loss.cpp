#include <unroll/core/ops/loss.h>

namespace unroll {

/// L = −k Σ_tokens w_target p_target with log-probabilities p,   dp_target = −k w_target and 0 elsewhere.
Tensor nll_loss(const Tensor& log_probabilities, const Ids& targets, Reduce reduce, const NllOptions& options) {
  constexpr const char* op = "nll_loss";
  const Array p = log_probabilities.value();
  const bool sequences = p.ndim() == 3;
  require((p.ndim() == 2 && targets.ndim() == 1 && p.dim(0) == targets.dim(0)) ||
              (sequences && targets.ndim() == 2 && p.dim(0) == targets.dim(0) && p.dim(1) == targets.dim(1)),
          "nll_loss: log_probabilities are {} and targets {}; one target for each row of [N, V], or of [T, B, V]",
          p.shape(), detail::shape_of(targets));
  const detail::Tokens tokens(op, sequences ? p.dim(0) : 1, p.dim(-2), options.lengths);
  const detail::ClassTargets classes_of{targets, tokens, options.ignore, options.weights};
  classes_of.check(op, p.dim(-1), sequences);
  const double scale = detail::loss_scale(op, reduce, classes_of.total(), tokens.batch);
  const bool want_gradient = detail::wanted(op, log_probabilities);
  const Array dp = want_gradient ? Array::zeros(p.shape(), p.dtype()) : Array();
  double loss = 0;
  dispatch(p.dtype(), [&]<class T>(T) {
    for (Index i = 0; i < tokens.size(); ++i) {
      if (!classes_of.counts(i) || classes_of.weight(i) == 0) continue;
      const auto target = static_cast<Index>(targets[i]);
      loss -= classes_of.weight(i) * static_cast<double>(p.raw<T>()[i * p.stride() + target]);
      if (want_gradient) dp.raw<T>()[i * p.dim(-1) + target] = static_cast<T>(-scale * classes_of.weight(i));
    }
  });
  return record(op, Array::full({}, p.dtype(), loss * scale),
                wrt(log_probabilities, [dp](const Array& dy) { return detail::scaled(op, dp, dy); }));
}

}  // namespace unroll
