#include <unroll/report/naive_bayes.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unroll {

std::vector<std::string> NaiveBayes::features_of(const Document& document) {
  std::vector<std::string> features = document;
  std::string previous = "<s>";
  for (const std::string& word : document) {
    features.push_back(previous + " " + word);
    previous = word;
  }
  features.push_back(previous + " </s>");
  std::sort(features.begin(), features.end());
  features.erase(std::unique(features.begin(), features.end()), features.end());
  return features;
}

NaiveBayes NaiveBayes::fit(const std::vector<Document>& documents, std::span<const Id> labels, Index classes,
                           double alpha) {
  require<UsageError>(!documents.empty(), "NaiveBayes: no documents");
  require(labels.size() == documents.size(), "NaiveBayes: {} labels for {} documents", labels.size(), documents.size());
  require<UsageError>(classes >= 2, "NaiveBayes: {} classes; at least two are needed", classes);

  Counts counts{{}, {}, std::vector<Index>(classes), alpha};
  std::unordered_map<std::string, Index> index;
  for (Index d = 0; d < documents.size(); ++d) {
    const auto label = static_cast<Index>(labels[d]);
    require<UsageError>(labels[d] >= 0 && label < classes, "NaiveBayes: label {} of document {} is none of {} classes",
                        labels[d], d, classes);
    ++counts.class_documents[label];
    for (std::string& feature : features_of(documents[d])) {
      const auto [entry, is_new] = index.try_emplace(feature, index.size());
      if (is_new) {
        counts.features.push_back(std::move(feature));
        counts.feature_counts.resize(counts.feature_counts.size() + classes);
      }
      ++counts.feature_counts[entry->second * classes + label];
    }
  }
  return NaiveBayes(std::move(counts));
}

NaiveBayes::NaiveBayes(Counts counts) : counts_(std::move(counts)) {
  const Index features = counts_.features.size();
  require(classes() >= 2 && counts_.feature_counts.size() == features * classes(),
          "NaiveBayes: {} counts do not fill [{} features, {} classes]", counts_.feature_counts.size(), features,
          classes());
  require<UsageError>(counts_.alpha > 0 && std::isfinite(counts_.alpha), "NaiveBayes: alpha is {}, not above 0",
                      counts_.alpha);
  for (Index f = 0; f < features; ++f) {
    const bool is_new = feature_index_.emplace(counts_.features[f], f).second;
    require<UsageError>(is_new, "NaiveBayes: the feature \"{}\" is there twice", counts_.features[f]);
  }
  const auto smoothed = [&](Index f, Index c) {
    return counts_.alpha + static_cast<double>(counts_.feature_counts[f * classes() + c]);
  };
  log_likelihoods_.resize(features * classes());
  for (Index c = 0; c < classes(); ++c) {
    double sum = 0;
    for (Index f = 0; f < features; ++f) sum += smoothed(f, c);
    for (Index f = 0; f < features; ++f) log_likelihoods_[f * classes() + c] = std::log(smoothed(f, c) / sum);
  }
}

std::vector<double> NaiveBayes::scores(const Document& document) const {
  const Index documents = std::accumulate(counts_.class_documents.begin(), counts_.class_documents.end(), Index{0});
  std::vector<double> scores;
  for (const Index n : counts_.class_documents) {
    scores.push_back(std::log(static_cast<double>(n) / static_cast<double>(documents)));
  }
  for (const std::string& feature : features_of(document)) {
    const auto entry = feature_index_.find(feature);
    if (entry == feature_index_.end()) continue;
    for (Index c = 0; c < classes(); ++c) scores[c] += log_likelihood(entry->second, c);
  }
  return scores;
}

Id NaiveBayes::predict(const Document& document) const {
  const std::vector<double> s = scores(document);
  return static_cast<Id>(std::max_element(s.begin(), s.end()) - s.begin());
}

double NaiveBayes::log_count_ratio(const std::string& feature) const {
  require<UsageError>(classes() == 2, "NaiveBayes: log-count ratios need two classes, not {}", classes());
  const auto entry = feature_index_.find(feature);
  return entry == feature_index_.end() ? 0.0 : log_likelihood(entry->second, 1) - log_likelihood(entry->second, 0);
}

double NaiveBayes::ratio_sum(const Document& document) const {
  double sum = 0;
  for (const std::string& feature : features_of(document)) sum += log_count_ratio(feature);
  return sum;
}

}  // namespace unroll
