#include <limits>

#include <unroll/layers/classifier.h>

namespace unroll {
namespace {

/// [T, B, 1]: `valid` at steps within a sequence's length, `beyond` after it.
Array step_mask(Index steps, const std::vector<Index>& lengths, double valid, double beyond, Dtype dtype) {
  Array mask = Array::uninitialised({steps, lengths.size(), 1}, f64);
  double* out = mask.raw<double>();
  for (Index t = 0; t < steps; ++t) {
    for (const Index length : lengths) *out++ = t < length ? valid : beyond;
  }
  return mask.to(dtype);
}

}  // namespace

Classifier::Classifier(const Scope& p, Index vocabulary, Index embed, AnyLayer encoder, Index classes,
                       const ClassifierOptions& options)
    : embedding_(p / "embedding", vocabulary, embed),
      encoder_(std::move(encoder)),
      embedding_dropout_(p, options.embedding_dropout),
      output_dropout_(p, options.output_dropout),
      pool_(options.pool),
      head_(p / "head", (options.pool == Pool::mean_max ? 2 : 1) * encoder_.size(), classes) {}

Tensor Classifier::from_embedded(const Tensor& xs, const std::vector<Index>& lengths) const {
  return head_(output_dropout_(pooled(embedding_dropout_.same_for_all_steps(xs), lengths)));
}

Tensor Classifier::pooled(const Tensor& xs, const std::vector<Index>& lengths) const {
  const auto scanned = scan(encoder_, xs, {.lengths = lengths});
  if (pool_ == Pool::last) return encoder_.output(scanned.last);
  const Index steps = xs.dim(0), batch = xs.dim(1);
  const std::vector<Index> all = lengths.empty() ? std::vector<Index>(batch, steps) : lengths;
  const auto mean_pool = [&] {
    Array share = Array::uninitialised({batch, 1}, f64);
    for (Index b = 0; b < batch; ++b) share.raw<double>()[b] = 1 / static_cast<double>(all[b]);
    return sum(scanned.outputs, {0}) * Tensor(share.to(xs.dtype()));  // outputs beyond the length are zero
  };
  const auto max_pool = [&] {
    const double never = -std::numeric_limits<double>::infinity();
    return max(
        lengths.empty() ? scanned.outputs : scanned.outputs + Tensor(step_mask(steps, all, 0, never, xs.dtype())), {0});
  };
  if (pool_ == Pool::mean) return mean_pool();
  if (pool_ == Pool::max) return max_pool();
  return concat({mean_pool(), max_pool()});
}

}  // namespace unroll
