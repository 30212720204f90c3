#include <unordered_map>

#include <unroll/core/error.h>
#include <unroll/report/word_translation.h>

namespace unroll {
namespace {

/// Numbers for words, in the order of their first use.
class Numbered {
 public:
  Index of(const std::string& word) {
    const auto [at, added] = numbers_.try_emplace(word, words_.size());
    if (added) words_.push_back(word);
    return at->second;
  }
  const std::vector<std::string>& words() const { return words_; }

 private:
  std::unordered_map<std::string, Index> numbers_;
  std::vector<std::string> words_;
};

}  // namespace

WordTranslation WordTranslation::fit(const std::vector<Words>& sources, const std::vector<Words>& targets,
                                     Index iterations) {
  require<UsageError>(sources.size() == targets.size() && !sources.empty(),
                      "WordTranslation: {} sources and {} targets; they must be pairs", sources.size(), targets.size());
  require<UsageError>(iterations > 0, "WordTranslation: no iteration");
  Numbered source_words, target_words;
  std::vector<std::vector<Index>> e(sources.size()), f(sources.size());
  for (Index i = 0; i < sources.size(); ++i) {
    e[i].push_back(source_words.of(""));  // no word at all, which targets may come from
    for (const std::string& word : sources[i]) e[i].push_back(source_words.of(word));
    for (const std::string& word : targets[i]) f[i].push_back(target_words.of(word));
  }
  std::vector<std::unordered_map<Index, double>> t(source_words.words().size());  // t[e][f]; equal at the start
  for (Index i = 0; i < e.size(); ++i) {
    for (const Index from : e[i]) {
      for (const Index to : f[i]) t[from].try_emplace(to, 1.0);
    }
  }
  std::vector<double> used(t.size());  // how often each source word occurs
  for (const auto& words : e) {
    for (const Index from : words) used[from] += 1;
  }
  std::vector<double> totals(t.size());
  for (Index round = 0; round < iterations; ++round) {
    std::vector<std::unordered_map<Index, double>> counts(t.size());
    std::fill(totals.begin(), totals.end(), 0.0);
    for (Index i = 0; i < e.size(); ++i) {
      for (const Index to : f[i]) {
        double all = 0;
        for (const Index from : e[i]) all += t[from][to];
        for (const Index from : e[i]) {
          const double share = t[from][to] / all;
          counts[from][to] += share;
          totals[from] += share;
        }
      }
    }
    for (Index from = 0; from < t.size(); ++from) {
      for (auto& [to, p] : counts[from]) p /= totals[from];
      t[from] = std::move(counts[from]);
    }
  }
  WordTranslation table;
  for (Index from = 1; from < t.size(); ++from) {
    const std::string* best = nullptr;
    double highest = 0;
    for (const auto& [to, p] : t[from]) {
      const std::string& word = target_words.words()[to];
      if (p > highest || (p == highest && best != nullptr && word < *best)) best = &word, highest = p;
    }
    const bool nothing = best == nullptr || totals[from] < 0.5 * used[from];
    table.best_[source_words.words()[from]] = nothing ? "" : *best;
  }
  return table;
}

WordTranslation::Words WordTranslation::translate(const Words& source) const {
  Words out;
  for (const std::string& word : source) {
    const auto found = best_.find(word);
    if (found == best_.end()) {
      out.push_back(word);
    } else if (!found->second.empty()) {
      out.push_back(found->second);
    }
  }
  return out;
}

}  // namespace unroll
