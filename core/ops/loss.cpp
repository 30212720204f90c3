#include <cmath>

#include <unroll/core/ops/element_loss.h>

namespace unroll::detail {

Tokens::Tokens(const char* op, Index steps, Index batch, const std::vector<Index>& lengths)
    : steps(steps), batch(batch), lengths(lengths) {
  if (lengths.empty()) return;
  require(lengths.size() == batch, "{}: there are {} lengths for a batch of {}", op, lengths.size(), batch);
  for (const Index length : lengths) {
    require(length <= steps, "{}: a length of {} in a batch of {} steps", op, length, steps);
  }
}

Index Tokens::count() const {
  if (lengths.empty()) return size();
  Index n = 0;
  for (const Index length : lengths) n += length;
  return n;
}

double loss_scale(const char* op, Reduce reduce, double tokens, Index sequences) {
  if (reduce == Reduce::sum) return 1;
  const double n = reduce == Reduce::per_token ? tokens : static_cast<double>(sequences);
  require(n > 0, "{}: a mean over no {}", op, reduce == Reduce::per_token ? "token" : "sequence");
  return 1 / n;
}

std::string place_of(const Tokens& tokens, bool has_steps, Index i) {
  return fmt::format("{}sequence {}", has_steps ? fmt::format("step {}, ", i / tokens.batch) : "", i % tokens.batch);
}

void check_class_weights(const char* op, const std::vector<double>& weights, Index classes) {
  require(weights.empty() || weights.size() == classes, "{}: there are {} weights for {} classes", op, weights.size(),
          classes);
  for (const double weight : weights) {
    require<UsageError>(weight >= 0 && std::isfinite(weight),
                        "{}: a class weight of {}; a weight is finite and not negative", op, weight);
  }
}

void check_smoothing(const char* op, double smoothing) {
  require<UsageError>(smoothing >= 0 && smoothing <= 1, "{}: a smoothing of {}; it lies in 0 … 1", op, smoothing);
}

void ClassTargets::check(const char* op, Index classes, bool has_steps) const {
  check_class_weights(op, weights, classes);
  for (Index i = 0; i < ids.size(); ++i) {
    if (!counts(i) || (ids[i] >= 0 && static_cast<Index>(ids[i]) < classes)) continue;
    throw UsageError(fmt::format("{}: target {} of {} is outside 0 … {}", op, ids[i], place_of(tokens, has_steps, i),
                                 static_cast<std::ptrdiff_t>(classes) - 1));
  }
}

double ClassTargets::total() const {
  if (weights.empty() && !ignore) return static_cast<double>(tokens.count());
  double sum = 0;
  for (Index i = 0; i < ids.size(); ++i) {
    if (counts(i)) sum += weight(i);
  }
  return sum;
}

Layout Layout::of_elements(const char* op, const Shape& shape, const std::vector<Index>& lengths) {
  const bool sequences = shape.ndim() >= 2;
  require(sequences || lengths.empty(), "{}: lengths need a batch [T, B, ...], not {}", op, shape);
  const Tokens tokens(op, sequences ? shape[0] : 1, sequences ? shape[1] : shape.size(), lengths);
  const Index elements = shape.size() / std::max<Index>(1, tokens.size());
  return {tokens, elements, elements};
}

Layout Layout::of_rows(const char* op, const Shape& shape, const std::vector<Index>& lengths) {
  const bool sequences = shape.ndim() == 3;
  const Tokens tokens(op, sequences ? shape[0] : 1, shape[sequences ? 1 : 0], lengths);
  return {tokens, shape[shape.ndim() - 1], 1};
}

}  // namespace unroll::detail
