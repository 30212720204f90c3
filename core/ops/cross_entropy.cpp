#include <cmath>
#include <numeric>

#include <unroll/core/ops/loss.h>
#include <unroll/core/ops/softmax.h>

namespace unroll {
namespace {

constexpr const char* op = "cross_entropy";

/// Σ_c w_c (z_c − shift)
template <class T>
double weighted_sum(const T* z, T shift, Index classes, const std::vector<double>& weights) {
  double sum = 0;
  for (Index c = 0; c < classes; ++c) {
    const double w = weights.empty() ? 1 : weights[c];
    if (w != 0) sum += w * static_cast<double>(z[c] - shift);  // 0 · ∞ is no part of it
  }
  return sum;
}
/// dz_c −= share w_c
template <class T>
void subtract_shares(T* dz, double share, Index classes, const std::vector<double>& weights) {
  for (Index c = 0; c < classes; ++c) dz[c] -= static_cast<T>(share * (weights.empty() ? 1 : weights[c]));
}

}  // namespace

/// u_c = w_c ((1 − s) [c = target] + s / V),   L = k Σ_tokens (U ln Σ exp z − Σ_c u_c z_c) with U = Σ_c u_c,
/// dz = k (U softmax z − u). Keeps exp z in place of the probabilities, so that one pass computes loss and gradient.
Tensor cross_entropy(const Tensor& logits, const Ids& targets, Reduce reduce, const CrossEntropyOptions& options) {
  const bool sequences = logits.ndim() == 3;
  require((logits.ndim() == 2 && targets.ndim() == 1 && logits.dim(0) == targets.dim(0)) ||
              (sequences && targets.ndim() == 2 && logits.dim(0) == targets.dim(0) && logits.dim(1) == targets.dim(1)),
          "cross_entropy: logits are {} and targets {}; one target for each row of [N, V], or of [T, B, V]",
          logits.shape(), detail::shape_of(targets));
  const detail::Tokens tokens(op, sequences ? logits.dim(0) : 1, sequences ? logits.dim(1) : logits.dim(0),
                              options.lengths);
  const Index classes = logits.dim(-1);
  const detail::ClassTargets classes_of{targets, tokens, options.ignore, options.weights};
  detail::check_smoothing(op, options.smoothing);
  classes_of.check(op, classes, sequences);
  const double scale = detail::loss_scale(op, reduce, classes_of.total(), tokens.batch);
  const double share = options.smoothing / static_cast<double>(classes), rest = 1 - options.smoothing;
  double weights = static_cast<double>(classes);
  if (!options.weights.empty()) weights = std::accumulate(options.weights.begin(), options.weights.end(), 0.0);
  const bool want_gradient = detail::wanted(op, logits);
  const Array z = logits.value();
  const Array dz = want_gradient ? Array::uninitialised(logits.shape(), logits.dtype()) : Array();
  double loss = 0;
  dispatch(z.dtype(), [&]<class T>(T) {
    loss = detail::sum_of_tiles(tokens.size(), classes, 64, [&](Index begin, Index end) {
      double sum = 0;
      const PooledList<T> shifts((classes + detail::softmax_block - 1) / detail::softmax_block);
      const PooledList<T> scratch(detail::softmax_block);
      for (Index i = begin; i < end; ++i) {
        T* out = want_gradient ? dz.raw<T>() + i * classes : scratch.begin();
        if (!classes_of.counts(i)) {
          if (want_gradient) std::fill_n(out, classes, T{0});
          continue;
        }
        const T* row = z.raw<T>() + i * z.stride();
        const auto target = static_cast<Index>(targets[i]);
        const double own = rest * classes_of.weight(i), all = own + share * weights;
        const auto [shift, total] = detail::softmax_pass(row, classes, out, want_gradient, shifts.begin());
        const double chosen = own != 0 ? own * static_cast<double>(row[target] - shift) : 0;
        sum += all * static_cast<double>(std::log(total)) - chosen;
        if (share != 0) sum -= share * weighted_sum(row, shift, classes, options.weights);
        if (!want_gradient) continue;
        for (Index c = 0; c < classes; c += detail::softmax_block) {
          const T factor = static_cast<T>(scale * all) / total * std::exp(shifts[c / detail::softmax_block] - shift);
          for (Index k = c, last = std::min(classes, c + detail::softmax_block); k < last; ++k) out[k] *= factor;
        }
        out[target] -= static_cast<T>(scale * own);
        if (share != 0) subtract_shares(out, scale * share, classes, options.weights);
      }
      return sum;
    });
  });
  return record(op, Array::full({}, z.dtype(), loss * scale),
                wrt(logits, [dz](const Array& dy) { return detail::scaled(op, dz, dy); }));
}

}  // namespace unroll
