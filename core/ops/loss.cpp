#include <cmath>

#include <unroll/core/ops.h>
#include <unroll/core/ops/softmax.h>

namespace unroll {
namespace {

void check_lengths(const char* op, const std::vector<Index>& lengths, Index steps, Index batch) {
  if (lengths.empty()) return;
  require(lengths.size() == batch, "{}: there are {} lengths for a batch of {}", op, lengths.size(), batch);
  for (const Index length : lengths) {
    require(length <= steps, "{}: a length of {} in a batch of {} steps", op, length, steps);
  }
}

Index tokens(const std::vector<Index>& lengths, Index steps, Index batch) {
  if (lengths.empty()) return steps * batch;
  Index n = 0;
  for (const Index length : lengths) n += length;
  return n;
}

Shape shape_of(const Ids& ids) {
  Shape shape;
  for (Index axis = 0; axis < ids.ndim(); ++axis) shape.append(ids.dim(axis));
  return shape;
}

double weight(const char* op, Reduce reduce, Index tokens, Index sequences) {
  if (reduce == Reduce::sum) return 1;
  const Index n = reduce == Reduce::per_token ? tokens : sequences;
  require(n > 0, "{}: a mean over no {}", op, reduce == Reduce::per_token ? "token" : "sequence");
  return 1 / static_cast<double>(n);
}

}  // namespace

/// L = w Σ (ln Σ exp z − z_target),   dz = w (softmax z − onehot target). Keeps exp z in place of the probabilities, so
/// that one pass computes loss and gradient.
Tensor cross_entropy(const Tensor& logits, const Ids& targets, Reduce reduce, const std::vector<Index>& lengths) {
  const bool sequences = logits.ndim() == 3;
  require((logits.ndim() == 2 && targets.ndim() == 1 && logits.dim(0) == targets.dim(0)) ||
              (sequences && targets.ndim() == 2 && logits.dim(0) == targets.dim(0) && logits.dim(1) == targets.dim(1)),
          "cross_entropy: logits are {} and targets {}; one target for each row of [N, V], or of [T, B, V]",
          logits.shape(), shape_of(targets));
  const Index steps = sequences ? logits.dim(0) : 1, batch = sequences ? logits.dim(1) : logits.dim(0);
  check_lengths("cross_entropy", lengths, steps, batch);
  const Index classes = logits.dim(-1);
  const double scale = weight("cross_entropy", reduce, tokens(lengths, steps, batch), batch);
  const bool want_gradient = Tape::current() != nullptr && Tape::current()->find("cross_entropy", logits) != no_node;
  const Array z = logits.value();
  const Array dz = want_gradient ? Array::uninitialised(logits.shape(), logits.dtype()) : Array();
  const PooledList<double> losses((steps * batch + 63) / 64);  // one sum per tile: the same total for any thread count
  for (Index i = 0; i < targets.size(); ++i) {
    if (!lengths.empty() && i / batch >= lengths[i % batch]) continue;
    if (targets[i] >= 0 && static_cast<Index>(targets[i]) < classes) continue;
    throw UsageError(fmt::format("cross_entropy: target {} of {}sequence {} is outside 0 … {}", targets[i],
                                 sequences ? fmt::format("step {}, ", i / batch) : "", i % batch,
                                 static_cast<std::ptrdiff_t>(classes) - 1));
  }
  dispatch(z.dtype(), [&]<class T>(T) {
    parallel_for(
        losses.size(),
        [&](Index tile) {
          losses[tile] = 0;
          const PooledList<T> shifts((classes + detail::softmax_block - 1) / detail::softmax_block);
          const PooledList<T> scratch(detail::softmax_block);
          for (Index i = tile * 64; i < std::min(steps * batch, tile * 64 + 64); ++i) {
            T* out = want_gradient ? dz.raw<T>() + i * classes : scratch.begin();
            if (!lengths.empty() && i / batch >= lengths[i % batch]) {
              if (want_gradient) std::fill_n(out, classes, T{0});
              continue;
            }
            const T* row = z.raw<T>() + i * z.stride();
            const auto target = static_cast<Index>(targets[i]);
            const auto [shift, total] = detail::softmax_pass(row, classes, out, want_gradient, shifts.begin());
            losses[tile] += static_cast<double>(std::log(total)) - static_cast<double>(row[target] - shift);
            if (!want_gradient) continue;
            for (Index c = 0; c < classes; c += detail::softmax_block) {
              const T factor = static_cast<T>(scale) / total * std::exp(shifts[c / detail::softmax_block] - shift);
              for (Index k = c, end = std::min(classes, c + detail::softmax_block); k < end; ++k) out[k] *= factor;
            }
            out[target] -= static_cast<T>(scale);
          }
        },
        z.size() >= Index{1} << 16);
  });
  double loss = 0;
  for (const double part : losses) loss += part;
  return record("cross_entropy", Array::full({}, z.dtype(), loss * scale), wrt(logits, [dz](const Array& dy) {
                  const double g = dy.item();
                  return g == 1 ? dz
                                : map(
                                      "cross_entropy", [g](auto v) { return v * g; }, dz);
                }));
}

/// L = w Σ (max(z, 0) − y z + ln(1 + exp −|z|)),   dz = w (σ(z) − y).
Tensor bce_with_logits(const Tensor& logits, const Array& targets, Reduce reduce, const std::vector<Index>& lengths) {
  require_value("bce_with_logits", logits);
  require(logits.shape() == targets.shape(), "bce_with_logits: logits are {} and targets {}; they must have one shape",
          logits.shape(), targets.shape());
  const Dtype dtype = same_dtype("bce_with_logits", logits.dtype(), targets.dtype());
  const bool sequences = logits.ndim() >= 2;
  require(sequences || lengths.empty(), "bce_with_logits: lengths need logits [T, B, ...], not {}", logits.shape());
  const Index steps = sequences ? logits.dim(0) : 1, batch = sequences ? logits.dim(1) : logits.size();
  check_lengths("bce_with_logits", lengths, steps, batch);
  const Index inner = logits.size() / std::max<Index>(1, steps * batch);
  const double scale = weight("bce_with_logits", reduce, tokens(lengths, steps, batch) * inner, batch);
  const auto flat = [](const Array& a) { return a.contiguous() ? a : a.copy(); };
  const Array z = flat(logits.value()), y = flat(targets);
  double loss = 0;
  Array dz = Array::zeros(logits.shape(), dtype);
  dispatch(dtype, [&]<class T>(T) {
    for (Index i = 0; i < steps * batch; ++i) {
      if (!lengths.empty() && i / batch >= lengths[i % batch]) continue;
      for (Index c = i * inner; c < (i + 1) * inner; ++c) {
        const double v = static_cast<double>(z.raw<T>()[c]), t = static_cast<double>(y.raw<T>()[c]);
        const double e = std::exp(-std::abs(v));
        loss += std::max(v, 0.0) - t * v + std::log1p(e);
        dz.raw<T>()[c] = static_cast<T>(scale * ((v >= 0 ? 1 / (1 + e) : e / (1 + e)) - t));
      }
    }
  });
  return record("bce_with_logits", Array::full({}, dtype, loss * scale), wrt(logits, [dz](const Array& dy) {
                  return map(
                      "bce_with_logits", [](auto v, auto g) { return v * g; }, dz, dy);
                }));
}

}  // namespace unroll
