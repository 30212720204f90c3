// n-gram models against sums to one, a case by hand, and a slow implementation that follows the definitions.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/report/ngram.h>

using namespace unroll;
using doctest::Approx;

namespace {

using Tokens = std::vector<Id>;

/// Text in which each token depends on the one before and some are rare, by a linear congruential generator.
Tokens made_up_text(Index length, Index vocab_size, std::uint64_t seed) {
  Tokens out;
  std::uint64_t state = seed;
  Index previous = 0;
  for (Index i = 0; i < length; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const double u = static_cast<double>(state >> 11) / 9007199254740992.0;
    const auto jump = static_cast<Index>(static_cast<double>(vocab_size) * u * u * u);
    previous = (3 * previous + jump) % vocab_size;
    out.push_back(static_cast<Id>(previous));
  }
  return out;
}

/// Kneser–Ney by its definitions: sets of what was seen in front, maps keyed by the tokens themselves.
class SlowKneserNey {
 public:
  SlowKneserNey(const Tokens& text, Index vocab_size, Index order) : vocab_size_(vocab_size), counts_(order + 1) {
    constexpr Id start = -1;  // what stands before the text
    for (Index n = 1; n <= order; ++n) {
      std::map<Tokens, std::set<Tokens>> in_front;
      for (Index end = n; end <= text.size(); ++end) {
        const auto last = text.begin() + static_cast<std::ptrdiff_t>(end);
        const Tokens ngram(last - static_cast<std::ptrdiff_t>(n), last);
        if (n == order) {
          ++counts_[n][ngram];
        } else {
          in_front[ngram].insert({end > n ? text[end - n - 1] : start});
        }
      }
      for (const auto& [ngram, tokens] : in_front) counts_[n][ngram] = tokens.size();
    }
    for (const auto& counts : counts_) {
      std::map<Index, double> n;
      for (const auto& entry : counts) ++n[entry.second];
      const double y = n[1] / (n[1] + 2 * n[2]);
      std::vector<double> d{1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]};
      const bool known = n[1] * n[2] * n[3] * n[4] > 0;
      estimated_.push_back(known && d[0] > 0 && d[0] < 1 && d[1] > 0 && d[1] < 2 && d[2] > 0 && d[2] < 3);
      discounts_.push_back(estimated_.back() ? d : std::vector<double>(3, 0.5));
    }
  }

  bool estimated(Index n) const { return estimated_[n]; }

  double probability(Tokens context, Id token) const {
    const Index order = counts_.size() - 1;
    while (context.size() >= order) context.erase(context.begin());
    double lower = 1.0 / static_cast<double>(vocab_size_);
    if (!context.empty()) lower = probability(Tokens(context.begin() + 1, context.end()), token);
    const Index n = context.size() + 1;
    double total = 0, freed = 0, kept = 0;
    for (const auto& [ngram, count] : counts_[n]) {
      if (!std::equal(context.begin(), context.end(), ngram.begin())) continue;
      const double discount = discounts_[n][std::min<Index>(count, 3) - 1];
      total += static_cast<double>(count);
      freed += discount;
      if (ngram.back() == token) kept = static_cast<double>(count) - discount;
    }
    return total == 0 ? lower : kept / total + freed / total * lower;
  }

 private:
  Index vocab_size_;
  std::vector<std::map<Tokens, Index>> counts_;  // [0] stays empty
  std::vector<std::vector<double>> discounts_;
  std::vector<bool> estimated_;
};

double sum_over_vocabulary(const NgramModel& model, const Tokens& context) {
  double sum = 0;
  for (Index id = 0; id < model.vocab_size(); ++id) sum += std::exp(-model.nats(context, static_cast<Id>(id)));
  return sum;
}

}  // namespace

TEST_CASE("a bigram model worked out by hand") {
  // Text a b a c. Too few counts of counts: all discounts are ½.
  // Unigrams by what is in front: a 2 (start, b), b 1 (a), c 1 (a), in all 4.
  //   p(a) = 1.5/4 + (3 · ½)/4 · 1/3 = ½      p(b) = p(c) = 0.5/4 + 0.375/3 = ¼
  // After a: b once, c once.  p(b|a) = 0.5/2 + (2 · ½)/2 · ¼ = 0.375      p(a|a) = ½ · ½ = ¼
  // After b: a once.          p(a|b) = 0.5 + ½ · ½ = ¾                    p(b|b) = ½ · ¼ = ⅛
  const Id a = 0, b = 1, c = 2;
  const NgramModel model = NgramModel::fit(Tokens{a, b, a, c}, 3, 2);
  CHECK(model.nats({}, a) == Approx(-std::log(0.5)));
  CHECK(model.nats({}, c) == Approx(-std::log(0.25)));
  CHECK(model.nats(Tokens{a}, b) == Approx(-std::log(0.375)));
  CHECK(model.nats(Tokens{a}, a) == Approx(-std::log(0.25)));
  CHECK(model.nats(Tokens{c, c, b}, a) == Approx(-std::log(0.75)));  // only the last token matters
  CHECK(model.nats(Tokens{b}, b) == Approx(-std::log(0.125)));
  CHECK(model.nats(Tokens{c}, b) == Approx(-std::log(0.25)));  // nothing ever followed c
  CHECK(model.nats_per_token(Tokens{a, b, b}) == Approx(-std::log(0.5 * 0.375 * 0.125) / 3));
}

TEST_CASE("every order agrees with the definitions") {
  const Index vocab_size = 20;
  const Tokens text = made_up_text(2500, vocab_size, 7);
  const Tokens held_out = made_up_text(40, vocab_size, 8);
  for (Index order = 1; order <= NgramModel::max_order; ++order) {
    CAPTURE(order);
    const NgramModel model = NgramModel::fit(text, vocab_size, order);
    const SlowKneserNey slow(text, vocab_size, order);
    if (2 <= order && order <= 5) CHECK(slow.estimated(order));  // so that the discounts are tested, too
    for (Index i = 0; i < held_out.size(); ++i) {
      const Tokens context(held_out.begin(), held_out.begin() + static_cast<std::ptrdiff_t>(i));
      CHECK(model.nats(context, held_out[i]) ==
            Approx(-std::log(slow.probability(context, held_out[i]))).epsilon(1e-12));
    }
  }
}

TEST_CASE("probabilities sum to one after any context") {
  const Index vocab_size = 25;
  const Tokens text = made_up_text(800, vocab_size - 1, 3);  // the last id never occurs
  const auto unseen = static_cast<Id>(vocab_size - 1);
  for (Index order = 1; order <= NgramModel::max_order; ++order) {
    CAPTURE(order);
    const NgramModel model = NgramModel::fit(text, vocab_size, order);
    CHECK(sum_over_vocabulary(model, {}) == Approx(1).epsilon(1e-12));
    CHECK(sum_over_vocabulary(model, {unseen, unseen, unseen}) == Approx(1).epsilon(1e-12));
    CHECK(sum_over_vocabulary(model, {text.back(), unseen}) == Approx(1).epsilon(1e-12));
    for (Index end = 1; end < text.size(); end += 37) {
      const Tokens context(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end));
      CHECK(sum_over_vocabulary(model, context) == Approx(1).epsilon(1e-12));
    }
    CHECK(std::isfinite(model.nats(text, unseen)));
  }
}

TEST_CASE("texts too small or too regular to estimate discounts are fitted all the same") {
  for (const Tokens& text : {Tokens{1}, Tokens{0, 0, 0, 0}, Tokens{0, 1, 0, 1, 0, 1, 0, 1}, Tokens{0, 1, 2}}) {
    for (Index order = 1; order <= NgramModel::max_order; ++order) {
      const NgramModel model = NgramModel::fit(text, 3, order);
      CHECK(sum_over_vocabulary(model, {}) == Approx(1));
      CHECK(sum_over_vocabulary(model, {0}) == Approx(1));
      CHECK(sum_over_vocabulary(model, text) == Approx(1));
      for (const Id id : {0, 1, 2}) CHECK(std::isfinite(model.nats(text, id)));
    }
  }
}

TEST_CASE("a stream's mean is that of its steps") {
  const Tokens text = made_up_text(2000, 30, 5), held_out = made_up_text(100, 30, 6);
  const NgramModel model = NgramModel::fit(text, 30, 4);
  double sum = 0;
  for (Index i = 0; i < held_out.size(); ++i) sum += model.nats(std::span(held_out).first(i), held_out[i]);
  CHECK(model.nats_per_token(held_out) == Approx(sum / 100));
}

TEST_CASE("a longer order helps where the past matters") {
  // 0 0 1 1 0 0 1 1 …: the last token alone says nothing, the last two say all.
  Tokens text;
  for (int i = 0; i < 1000; ++i) text.push_back(i / 2 % 2);
  CHECK(NgramModel::fit(text, 2, 1).nats_per_token(text) == Approx(std::log(2.0)).epsilon(0.01));
  CHECK(NgramModel::fit(text, 2, 2).nats_per_token(text) == Approx(std::log(2.0)).epsilon(0.01));
  CHECK(NgramModel::fit(text, 2, 3).nats_per_token(text) < 0.01);
}

TEST_CASE("wrong calls of an n-gram model") {
  const Tokens text{0, 1, 2, 1};
  CHECK_THROWS_WITH_AS(NgramModel::fit(text, 3, 0), "NgramModel: order 0 is not in 1 … 6", UsageError);
  CHECK_THROWS_WITH_AS(NgramModel::fit(text, 3, 7), "NgramModel: order 7 is not in 1 … 6", UsageError);
  CHECK_THROWS_WITH_AS(NgramModel::fit(text, 2, 3), "NgramModel: id 2 at position 2 is outside the vocabulary of 2",
                       UsageError);
  CHECK_THROWS_AS(NgramModel::fit({}, 3, 2), UsageError);
  const NgramModel model = NgramModel::fit(text, 3, 2);
  CHECK_THROWS_AS(model.nats({}, 3), UsageError);
  CHECK_THROWS_AS(model.nats({}, -1), UsageError);
  CHECK_THROWS_AS(model.nats(Tokens{5}, 0), UsageError);
  CHECK_THROWS_AS(model.nats_per_token({}), UsageError);
  CHECK_THROWS_WITH_AS(model.nats_per_token(Tokens{0, 1, 9}),
                       "NgramModel: id 9 at position 2 is outside the vocabulary of 3", UsageError);
}
