#include <unroll/report/bleu.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>

namespace unroll {
namespace {

constexpr Index orders = 4;

using Ngram = std::array<Id, orders>;
struct HashOfNgram {
  std::size_t operator()(const Ngram& ngram) const {
    std::uint64_t hash = 0;
    for (const Id id : ngram) {
      hash = (hash ^ static_cast<std::uint32_t>(id)) * 0x9E3779B97F4A7C15U;
      hash ^= hash >> 29U;
    }
    return hash;
  }
};
using Counts = std::unordered_map<Ngram, Index, HashOfNgram>;

Counts count_ngrams(std::span<const Id> ids, Index order) {
  Counts counts;
  for (Index i = 0; i + order <= ids.size(); ++i) {
    Ngram ngram{};
    std::ranges::copy(ids.subspan(i, order), ngram.begin());
    ++counts[ngram];
  }
  return counts;
}

/// Matches and counts of n-grams, and lengths: sums over a corpus.
class Sums {
 public:
  void add(const std::vector<Id>& hypothesis, const std::vector<std::vector<Id>>& references) {
    require<UsageError>(!references.empty(), "BLEU: a hypothesis without references");
    const auto distance = [&](Index length) {
      return std::pair(length < hypothesis.size() ? hypothesis.size() - length : length - hypothesis.size(), length);
    };
    Index closest = references.front().size();
    for (const auto& reference : references)
      closest = std::min(closest, reference.size(), [&](Index a, Index b) { return distance(a) < distance(b); });
    length_ += hypothesis.size();
    reference_length_ += closest;
    for (Index n = 1; n <= orders; ++n) add_matches(hypothesis, references, n);
  }

  Bleu bleu(Index smoothing) const {
    Bleu result;
    result.length = length_;
    result.reference_length = reference_length_;
    if (length_ == 0) return result;
    const double ratio = static_cast<double>(reference_length_) / static_cast<double>(length_);
    result.brevity_penalty = std::min(1.0, std::exp(1 - ratio));
    double logs = 0;
    for (Index n = 0; n < orders; ++n) {
      const Index added = n > 0 ? smoothing : 0;
      const Index total = totals_[n] + added;
      result.precisions[n] = total == 0 ? 0 : static_cast<double>(matches_[n] + added) / static_cast<double>(total);
      logs += std::log(result.precisions[n]);
    }
    result.score = result.brevity_penalty * std::exp(logs / static_cast<double>(orders));
    return result;
  }

 private:
  void add_matches(const std::vector<Id>& hypothesis, const std::vector<std::vector<Id>>& references, Index n) {
    Counts allowed;
    for (const auto& reference : references) {
      for (const auto& [ngram, count] : count_ngrams(reference, n)) {
        Index& most = allowed[ngram];
        most = std::max(most, count);
      }
    }
    for (const auto& [ngram, count] : count_ngrams(hypothesis, n)) {
      totals_[n - 1] += count;
      const auto found = allowed.find(ngram);
      if (found != allowed.end()) matches_[n - 1] += std::min(count, found->second);
    }
  }

  std::array<Index, orders> matches_{}, totals_{};
  Index length_ = 0, reference_length_ = 0;
};

/// Numbers words in the order in which they come.
class Numbering {
 public:
  std::vector<Id> operator()(const std::vector<std::string>& words) {
    std::vector<Id> ids;
    for (const std::string& word : words)
      ids.push_back(ids_.try_emplace(word, static_cast<Id>(ids_.size())).first->second);
    return ids;
  }
  std::vector<std::vector<Id>> operator()(const std::vector<std::vector<std::string>>& texts) {
    std::vector<std::vector<Id>> all;
    for (const auto& words : texts) all.push_back((*this)(words));
    return all;
  }

 private:
  std::unordered_map<std::string_view, Id> ids_;
};

template <class Sequence>
void require_pairs(const std::vector<Sequence>& hypotheses, const std::vector<std::vector<Sequence>>& references) {
  require(hypotheses.size() == references.size(), "corpus_bleu: {} hypotheses for {} lists of references",
          hypotheses.size(), references.size());
}

}  // namespace

std::string Bleu::to_string() const {
  return fmt::format("BLEU {:.2f} (precisions {:.1f} {:.1f} {:.1f} {:.1f}, brevity penalty {:.3f}, length {} for {})",
                     100 * score, 100 * precisions[0], 100 * precisions[1], 100 * precisions[2], 100 * precisions[3],
                     brevity_penalty, length, reference_length);
}

Bleu corpus_bleu(const std::vector<std::vector<Id>>& hypotheses,
                 const std::vector<std::vector<std::vector<Id>>>& references) {
  require_pairs(hypotheses, references);
  Sums sums;
  for (Index i = 0; i < hypotheses.size(); ++i) sums.add(hypotheses[i], references[i]);
  return sums.bleu(/*smoothing=*/0);
}

Bleu corpus_bleu(const std::vector<std::vector<std::string>>& hypotheses,
                 const std::vector<std::vector<std::vector<std::string>>>& references) {
  require_pairs(hypotheses, references);
  Numbering number;
  Sums sums;
  for (Index i = 0; i < hypotheses.size(); ++i) sums.add(number(hypotheses[i]), number(references[i]));
  return sums.bleu(/*smoothing=*/0);
}

Bleu sentence_bleu(const std::vector<Id>& hypothesis, const std::vector<std::vector<Id>>& references) {
  Sums sums;
  sums.add(hypothesis, references);
  return sums.bleu(/*smoothing=*/1);
}

Bleu sentence_bleu(const std::vector<std::string>& hypothesis,
                   const std::vector<std::vector<std::string>>& references) {
  Numbering number;
  return sentence_bleu(number(hypothesis), number(references));
}

}  // namespace unroll
