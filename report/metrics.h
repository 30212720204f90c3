// What tells how good a model is.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// The share of positions where both agree.  accuracy = #{i : predictedᵢ = actualᵢ} / N
/// Errors: two lengths, or nothing to compare.
double accuracy(std::span<const Id> predicted, std::span<const Id> actual);

/// The share of the rows of `scores` [N, C] in which the actual class is among the k of the highest scores:
///   Σᵢ [rankᵢ < k] / N      rankᵢ = #{c : scoreᵢ꜀ > s, or = s and c before the actual one}, s the actual one's score
/// so that of equal scores the smaller class comes first, and k = 1 is the accuracy of the first maximum. A NaN ranks
/// above every number.
/// Errors: ShapeError if N does not divide the number of scores, or there is nothing to compare; UsageError if k is not
/// 1 … C, or a class is not 0 … C − 1.
double top_k_accuracy(std::span<const double> scores, std::span<const Id> actual, Index k);

/// Σ |predictedᵢ − actualᵢ| / N. Errors: two lengths, or nothing to compare.
double mean_absolute_error(std::span<const double> predicted, std::span<const double> actual);
/// Σ (predictedᵢ − actualᵢ)² / N. Errors: two lengths, or nothing to compare.
double mean_squared_error(std::span<const double> predicted, std::span<const double> actual);

/// exp of the mean negative log-likelihood per token, in nats.
double perplexity(double nats_per_token);

/// nats / ln 2
double bits_per_token(double nats_per_token);

/// nats / (n ln 2) for a text of n characters with Σ −ln p = `nats` over its tokens, whatever they are: this compares
/// models of words, byte pairs and characters. `count_characters` gives n. Errors: UsageError if n is 0.
double bits_per_character(double total_nats, Index characters);

/// Several runs of one experiment (seeds, folds):
///   mean m = Σ xᵢ / n        spread = sample standard deviation = √(Σ (xᵢ − m)² / (n − 1)), NaN for one run
struct RunSummary {
  double mean, spread;
  Index runs;
  /// "0.722 ± 0.005", or "0.722" for one run.
  std::string to_string(int digits = 3) const;
};
/// Errors: no runs.
RunSummary summarize_runs(std::span<const double> results);

/// Precision, recall and F1 of one class, or their averages over all classes:
enum class Average {
  micro,    ///< of the sums of TP, FP and FN over the classes; with one class per item all three are the accuracy
  macro,    ///< the mean over the classes that occur or are predicted
  weighted  ///< the mean weighted by how often each class occurs
};
struct PrecisionRecall {
  double precision, recall, f1;
};

/// Counts of (actual, predicted) over any number of classes. With TP, FP, FN of a class c:
///   precision = TP / (TP + FP)     recall = TP / (TP + FN)     F1 = 2 TP / (2 TP + FP + FN)
/// 0/0 (a class that never occurs, or is never predicted) is NaN, and a dash in tables.
class ConfusionMatrix {
 public:
  /// One name per class, in the order of the ids. Errors: no class.
  explicit ConfusionMatrix(std::vector<std::string> class_names);

  /// Errors: a class outside the names.
  void add(Id actual, Id predicted);

  Index count(Id actual, Id predicted) const;
  Index total() const;
  double accuracy() const;
  double precision(Id c) const;
  double recall(Id c) const;
  double f1(Id c) const;

  /// In the means 0/0 of a class counts as 0: one that occurs and is never predicted has precision 0. This is what
  /// scikit-learn computes by default. Of no items all is NaN.
  PrecisionRecall average(Average kind) const;

  /// The Matthews correlation coefficient for any number of classes (Gorodkin 2004). With n items, h hits, and for each
  /// class c the counts a꜀ of it and p꜀ of its predictions:
  ///   (h n − Σ a꜀ p꜀) / √((n² − Σ a꜀²)(n² − Σ p꜀²))      0/0 (one class only occurs, or is predicted) is NaN
  double matthews_correlation() const;

  /// One row per actual class, one column per predicted one, and the recall of each row.
  std::string to_string() const;
  /// Precision, recall, F1 and number of occurrences of each class.
  std::string per_class_table() const;
  /// The three averages of precision, recall and F1.
  std::string average_table() const;

 private:
  Index at(Id actual, Id predicted) const;
  Index row_total(Id actual) const;
  Index column_total(Id predicted) const;

  std::vector<std::string> names_;
  std::vector<Index> counts_;  // [actual, predicted]
};

}  // namespace unroll
