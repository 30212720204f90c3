#include <unroll/report/ngram.h>

#include <algorithm>
#include <cmath>

namespace unroll {
namespace {

/// The hash of a sequence with one more token (the finaliser of splitmix64); never 0.
std::uint64_t extend(std::uint64_t hash, Id token) {
  std::uint64_t z = hash + 0x9E3779B97F4A7C15u * (static_cast<std::uint64_t>(token) + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return z == 0 ? 1 : z;
}

}  // namespace

Index NgramModel::length(std::span<const Id> context) const { return std::min(context.size(), order_ - 1); }

NgramModel::Hashes NgramModel::hash(std::span<const Id> context) const {
  Hashes hashes{1};
  for (Index n = 1; n <= length(context); ++n) hashes[n] = extend(hashes[n - 1], context[context.size() - n]);
  return hashes;
}

void NgramModel::check(std::span<const Id> ids) const {
  for (Index i = 0; i < ids.size(); ++i) {
    require<UsageError>(known(ids[i]), "NgramModel: id {} at position {} is outside the vocabulary of {}", ids[i], i,
                        vocab_size_);
  }
}

NgramModel NgramModel::fit(std::span<const Id> ids, Index vocab_size, Index order) {
  require<UsageError>(1 <= order && order <= max_order, "NgramModel: order {} is not in 1 … {}", order, max_order);
  require<UsageError>(!ids.empty(), "NgramModel: no ids to count");
  NgramModel model(vocab_size, order);
  model.check(ids);

  std::vector<CountsOfCounts> counts_of_counts(order);
  for (Index i = 0; i < ids.size(); ++i) {
    const auto before = ids.first(i);
    const Hashes contexts = model.hash(before);
    // An n-gram that is new is one more distinct token in front of its shorter self, which is therefore counted too.
    bool is_new = true;
    for (Index n = model.length(before) + 1; is_new && n-- > 0;) {
      std::uint32_t& count = model.ngrams_[extend(contexts[n], ids[i])];
      is_new = count == 0;
      ++count;
      ContextCounts& context = model.contexts_[contexts[n]];
      ++context.total;
      if (count <= 3) ++context.tokens[count - 1];
      if (1 < count && count <= 3) --context.tokens[count - 2];
      if (count <= 4) ++counts_of_counts[n][count];
      if (1 < count && count <= 5) --counts_of_counts[n][count - 1];
    }
  }
  for (const CountsOfCounts& n : counts_of_counts) model.discounts_.push_back(estimate(n));
  return model;
}

NgramModel::Discounts NgramModel::estimate(const CountsOfCounts& n) {
  const auto as_double = [&](Index i) { return static_cast<double>(n[i]); };
  const double y = as_double(1) / (as_double(1) + 2 * as_double(2));
  Discounts discounts{};
  for (Index i = 1; i <= 3; ++i) {
    const auto count = static_cast<double>(i);
    const double d = count - (count + 1) * y * as_double(i + 1) / as_double(i);
    const bool usable = n[i] > 0 && n[i + 1] > 0 && 0 < d && d < count;
    if (!usable) return {0.5, 0.5, 0.5};
    discounts[i - 1] = d;
  }
  return discounts;
}

double NgramModel::nats(std::span<const Id> context, Id token) const {
  require<UsageError>(known(token), "NgramModel: token {} is outside the vocabulary of {}", token, vocab_size_);
  const auto last = context.last(length(context));
  check(last);
  const Hashes contexts = hash(last);
  double p = 1 / static_cast<double>(vocab_size_);
  for (Index n = 0; n <= last.size(); ++n) {
    const ContextCounts* seen = contexts_.find(contexts[n]);
    if (seen == nullptr) break;  // then no longer context was seen either
    const Discounts& d = discounts_[n];
    const std::uint32_t* count = ngrams_.find(extend(contexts[n], token));
    const double kept = count == nullptr ? 0 : *count - d[std::min(*count, 3u) - 1];
    double freed = 0;
    for (Index i = 0; i < 3; ++i) freed += d[i] * seen->tokens[i];
    p = (kept + freed * p) / seen->total;
  }
  return -std::log(p);
}

double NgramModel::nats_per_token(std::span<const Id> held_out) const {
  require<UsageError>(!held_out.empty(), "NgramModel: no ids to score");
  check(held_out);
  double sum = 0;
  for (Index i = 0; i < held_out.size(); ++i) sum += nats(held_out.first(i), held_out[i]);
  return sum / static_cast<double>(held_out.size());
}

}  // namespace unroll
