#include <cmath>

#include <unroll/core/ops/loss.h>
#include <unroll/core/ops/softmax.h>

namespace unroll {
namespace {

constexpr const char* op = "cross_entropy";

}  // namespace

/// u_c = w_c ((1 − s) q_c + s / V),   L = k Σ_tokens (U ln Σ exp z − Σ_c u_c z_c) with U = Σ_c u_c,
/// dz = k (U softmax z − u),   dq_c = k w_c (1 − s) (ln Σ exp z − z_c).
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, Reduce reduce, const CrossEntropyOptions& options) {
  require_value(op, logits);
  require((logits.ndim() == 2 || logits.ndim() == 3) && logits.shape() == targets.shape(),
          "cross_entropy: logits are {} and targets {}; probabilities have the logits' shape, [N, V] or [T, B, V]",
          logits.shape(), targets.shape());
  const Dtype dtype = same_dtype(op, logits.dtype(), targets.dtype());
  require<UsageError>(!options.ignore, "cross_entropy: ignore names an id, and the targets are probabilities");
  detail::check_smoothing(op, options.smoothing);
  const Index classes = logits.dim(-1);
  detail::check_class_weights(op, options.weights, classes);
  const bool sequences = logits.ndim() == 3;
  const detail::Tokens tokens(op, sequences ? logits.dim(0) : 1, logits.dim(-2), options.lengths);
  const double scale = detail::loss_scale(op, reduce, static_cast<double>(tokens.count()), tokens.batch);
  const double share = options.smoothing / static_cast<double>(classes), rest = 1 - options.smoothing;
  const Array z = logits.value(), q = targets.value();
  const auto gradient = [&](const Tensor& x) {
    return detail::wanted(op, x) ? Array::uninitialised(x.shape(), dtype) : Array();
  };
  const Array dz = gradient(logits), dq = gradient(targets);
  double loss = 0;
  dispatch(dtype, [&]<class T>(T) {
    loss = detail::sum_of_tiles(tokens.size(), classes, 64, [&](Index begin, Index end) {
      double sum = 0;
      const PooledList<T> shifts((classes + detail::softmax_block - 1) / detail::softmax_block);
      const PooledList<T> scratch(detail::softmax_block);
      for (Index i = begin; i < end; ++i) {
        T* out = dz.defined() ? dz.raw<T>() + i * classes : scratch.begin();
        T* out_q = dq.defined() ? dq.raw<T>() + i * classes : nullptr;
        if (!tokens.within(i)) {
          if (dz.defined()) std::fill_n(out, classes, T{0});
          if (dq.defined()) std::fill_n(out_q, classes, T{0});
          continue;
        }
        const T *row = z.raw<T>() + i * z.stride(), *target = q.raw<T>() + i * q.stride();
        const auto weight = [&](Index c) { return options.weights.empty() ? 1 : options.weights[c]; };
        const auto mass = [&](Index c) { return weight(c) * (rest * static_cast<double>(target[c]) + share); };
        const auto [shift, total] = detail::softmax_pass(row, classes, out, dz.defined(), shifts.begin());
        const double logsum = static_cast<double>(std::log(total));
        double all = 0, chosen = 0;
        for (Index c = 0; c < classes; ++c) {
          const double u = mass(c);
          all += u;
          if (u != 0) chosen += u * static_cast<double>(row[c] - shift);  // 0 · ∞ is no part of it
        }
        sum += all * logsum - chosen;
        for (Index c = 0; dz.defined() && c < classes; ++c) {
          const T shifted = shifts[c / detail::softmax_block] - shift;
          out[c] *= static_cast<T>(scale * all) / total * std::exp(shifted);
          out[c] -= static_cast<T>(scale * mass(c));
        }
        for (Index c = 0; dq.defined() && c < classes; ++c) {
          const double k = scale * rest * weight(c);
          out_q[c] = k == 0 ? T{0} : static_cast<T>(k * (logsum - static_cast<double>(row[c] - shift)));
        }
      }
      return sum;
    });
  });
  return record(op, Array::full({}, dtype, loss * scale),
                wrt(logits, [dz](const Array& dy) { return detail::scaled(op, dz, dy); }),
                wrt(targets, [dq](const Array& dy) { return detail::scaled(op, dq, dy); }));
}

}  // namespace unroll
