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

/// exp of the mean negative log-likelihood per token, in nats.
double perplexity(double nats_per_token);

/// nats / ln 2
double bits_per_token(double nats_per_token);

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

  /// One row per actual class, one column per predicted one, and the recall of each row.
  std::string to_string() const;
  /// Precision, recall, F1 and number of occurrences of each class.
  std::string per_class_table() const;

 private:
  Index at(Id actual, Id predicted) const;
  Index row_total(Id actual) const;
  Index column_total(Id predicted) const;

  std::vector<std::string> names_;
  std::vector<Index> counts_;  // [actual, predicted]
};

}  // namespace unroll
