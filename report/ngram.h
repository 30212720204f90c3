// n-gram language models: the count-based baselines of every language model.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <unroll/core/ids.h>
#include <unroll/report/hash_table.h>

namespace unroll {

/// Interpolated modified Kneser–Ney (S. Chen and J. Goodman, "An empirical study of smoothing techniques for language
/// modeling", Computer Speech and Language 13, 1999). Order 1 is the unigram, order 2 the bigram model, all smoothed in
/// the same way:
///
///   p(w | h) = (c(hw) − D(c(hw))) / c(h·) + γ(h) p(w | h'),     h' = h without its first token, p = 1/V at the bottom
///   γ(h)     = (D₁ N₁(h) + D₂ N₂(h) + D₃ N₃₊(h)) / c(h·)       Nᵢ(h) = tokens that followed h i times
///
/// At the highest order c counts occurrences, below it the distinct tokens seen in front. The discounts of each order
/// come from nᵢ, its number of n-grams with count i: Y = n₁ / (n₁ + 2 n₂), Dᵢ = i − (i + 1) Y nᵢ₊₁ / nᵢ. Where a count
/// of counts is zero or a discount falls outside (0, i), as happens for few types or little text, all three are ½.
///
/// Text is one continuous stream, ends of sentences being tokens like others. What stands before its first token
/// counts as one more token in front. Contexts are known by 64-bit hashes: two of ten million collide with a
/// probability below 10⁻⁵.
class NgramModel {
 public:
  static constexpr Index max_order = 6;

  /// Errors: no ids, an id outside [0, vocab_size), an order outside 1 … max_order.
  static NgramModel fit(std::span<const Id> ids, Index vocab_size, Index order);

  Index order() const { return order_; }
  Index vocab_size() const { return vocab_size_; }

  /// −ln p(token | context), of which the last order − 1 tokens are looked at. Errors: an id out of range.
  double nats(std::span<const Id> context, Id token) const;

  /// The mean of −ln p over a stream, each token after all those before it. Errors: no ids, an id out of range.
  double nats_per_token(std::span<const Id> held_out) const;

 private:
  struct ContextCounts {
    std::uint32_t total = 0;                // c(h·)
    std::array<std::uint32_t, 3> tokens{};  // N₁(h), N₂(h), N₃₊(h)
  };
  using Hashes = std::array<std::uint64_t, max_order>;  // of the last 0, 1, 2 … tokens
  using CountsOfCounts = std::array<Index, 5>;          // n₀ (unused), n₁ … n₄
  using Discounts = std::array<double, 3>;              // D₁, D₂, D₃₊

  NgramModel(Index vocab_size, Index order) : vocab_size_(vocab_size), order_(order) {}

  static Discounts estimate(const CountsOfCounts& n);
  bool known(Id id) const { return id >= 0 && static_cast<Index>(id) < vocab_size_; }
  void check(std::span<const Id> ids) const;
  /// How many tokens of the context matter: order − 1, or all there are.
  Index length(std::span<const Id> context) const;
  Hashes hash(std::span<const Id> context) const;

  Index vocab_size_, order_;
  HashTable<std::uint32_t> ngrams_;
  HashTable<ContextCounts> contexts_;
  std::vector<Discounts> discounts_;  // [order]
};

}  // namespace unroll
