// Naive Bayes over the words and bigrams of a text: the baseline to beat, and a source of counts for a network.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// Binarised multinomial naive Bayes (S. Wang and C. Manning, "Baselines and Bigrams", ACL 2012).
///
/// A document is its list of words; its features are the distinct words and the distinct bigrams, the latter with
/// boundary marks: "good film" has `good`, `film`, `<s> good`, `good film`, `film </s>`. A feature counts once per
/// document, and features that were not seen in fitting count nothing.
///
///   P(f | c) = (α + count_c(f)) / Σ_g (α + count_c(g))       count_c(f) = documents of class c that have f
///   score(c) = ln P(c) + Σ_f ln P(f | c)                     P(c) = share of class c among the documents
///
/// and for two classes the log-count ratio of a feature, r(f) = ln P(f | 1) − ln P(f | 0).
class NaiveBayes {
 public:
  using Document = std::vector<std::string>;

  /// All that fitting finds: saved and given back to the constructor, it makes the same model.
  struct Counts {
    std::vector<std::string> features;   // in the order of their first occurrence
    std::vector<Index> feature_counts;   // [features, classes]: documents of the class that have the feature
    std::vector<Index> class_documents;  // [classes]
    double alpha;
  };

  /// `labels` are classes from 0 on, one for each document; α > 0 is the smoothing.
  /// Errors: no documents, another number of labels, a label out of range, fewer than two classes, α not above 0.
  static NaiveBayes fit(const std::vector<Document>& documents, std::span<const Id> labels, Index classes,
                        double alpha = 1.0);
  /// Errors: sizes that do not fit together, a feature twice.
  explicit NaiveBayes(Counts counts);

  Index classes() const { return counts_.class_documents.size(); }
  const Counts& counts() const { return counts_; }

  /// The class of the highest score; the first of equals.
  Id predict(const Document& document) const;
  /// ln P(c) + Σ ln P(f | c) for each class, not normalised. A class without documents has −∞.
  std::vector<double> scores(const Document& document) const;

  /// r of a word, or of a bigram written with one blank; 0 for an unseen one. Errors: not two classes.
  double log_count_ratio(const std::string& feature) const;
  /// Σ r over the features of the document. Errors: not two classes.
  double ratio_sum(const Document& document) const;

 private:
  static std::vector<std::string> features_of(const Document& document);
  double log_likelihood(Index feature, Index c) const { return log_likelihoods_[feature * classes() + c]; }

  Counts counts_;
  std::unordered_map<std::string, Index> feature_index_;
  std::vector<double> log_likelihoods_;  // [features, classes]
};

}  // namespace unroll
