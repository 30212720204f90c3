#include <cmath>
#include <limits>

#include <unroll/layers/attention.h>

namespace unroll {

Attention::Attention(const Scope& p, Score score, Index query, Index memory, Index size)
    : score_(score), query_(query), width_(memory) {
  switch (score) {
    case Score::dot:
      require<UsageError>(query == memory,
                          "Attention: a dot product of queries of {} with a memory of {}; they must be equally wide "
                          "(Score::general is not bound to that)",
                          query, memory);
      break;
    case Score::general:
      wk_ = p("wk", {memory, query}, glorot);
      break;
    case Score::additive:
      const Index inner = size > 0 ? size : query;
      wq_ = p("wq", {query, inner}, glorot);
      wk_ = p("wk", {memory, inner}, glorot);
      v_ = p("v", {inner, 1}, glorot);
  }
}

Memory Attention::memory(const Tensor& outputs, const std::vector<Index>& lengths) const {
  require(outputs.ndim() == 3 && outputs.dim(-1) == width_,
          "Attention: the memory is {}; it must be [T, B, {}]: time, batch, features", outputs.shape(), width_);
  const Index steps = outputs.dim(0), batch = outputs.dim(1);
  require(lengths.empty() || lengths.size() == batch, "Attention: there are {} lengths for a memory of {} sequences",
          lengths.size(), batch);
  Array mask = Array::zeros({batch, steps}, outputs.dtype()), within = Array::full({steps, batch, 1}, mask.dtype(), 1);
  for (Index b = 0; b < lengths.size(); ++b) {
    require(lengths[b] >= 1 && lengths[b] <= steps, "Attention: sequence {} has length {}; it must be 1 … {}", b,
            lengths[b], steps);
    for (Index t = lengths[b]; t < steps; ++t) {
      mask.set_flat(b * steps + t, -std::numeric_limits<double>::infinity());
      within.set_flat(t * batch + b, 0);
    }
  }
  // A weight of 0 does not silence a NaN, and neither does −∞ a score.
  const Tensor values = transpose(lengths.empty() ? outputs : where(within, outputs, 0), {1, 0, 2});
  return {score_ == Score::dot ? values : matmul(values, wk_), values, mask};
}

/// [B, T]
Tensor Attention::scores(const Tensor& query, const Memory& memory) const {
  const Index batch = query.dim(0), steps = memory.keys.dim(1);
  if (score_ != Score::additive) {
    const Tensor products = matmul_nt(reshape(query, {batch, 1, query_}), memory.keys);
    const double scale = score_ == Score::dot ? 1 / std::sqrt(static_cast<double>(query_)) : 1;
    return reshape(scale == 1 ? products : products * scale, {batch, steps});
  }
  const Tensor inner = tanh(memory.keys + unsqueeze(matmul(query, wq_), 1));
  return reshape(matmul(inner, v_), {batch, steps});
}

Attended Attention::operator()(const Tensor& query, const Memory& memory) const {
  require(query.ndim() == 2 && query.dim(1) == query_ && query.dim(0) == memory.values.dim(0),
          "Attention: the query is {} and the memory {}; the query must be [{}, {}]", query.shape(),
          memory.values.shape(), memory.values.dim(0), query_);
  const Tensor weights = softmax(scores(query, memory) + memory.mask);
  return {squeeze(matmul(unsqueeze(weights, 1), memory.values), {1}), weights};
}

}  // namespace unroll
