#include <unroll/report/metrics.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include <unroll/report/table.h>

namespace unroll {
namespace {

double ratio(Index part, Index whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(part) / static_cast<double>(whole);
}

std::string share(double value) { return std::isnan(value) ? "–" : fmt::format("{:.3f}", value); }

template <class F>
double mean_of(const char* caller, std::span<const double> predicted, std::span<const double> actual, F f) {
  require(predicted.size() == actual.size(), "{}: {} predictions for {} actual values", caller, predicted.size(),
          actual.size());
  require(!actual.empty(), "{}: nothing to compare", caller);
  double sum = 0;
  for (Index i = 0; i < actual.size(); ++i) sum += f(predicted[i] - actual[i]);
  return sum / static_cast<double>(actual.size());
}

double zero_if_nan(double value) { return std::isnan(value) ? 0 : value; }

}  // namespace

double accuracy(std::span<const Id> predicted, std::span<const Id> actual) {
  require(predicted.size() == actual.size(), "accuracy: {} predictions for {} actual classes", predicted.size(),
          actual.size());
  require(!actual.empty(), "accuracy: nothing to compare");
  const Index agree = std::transform_reduce(predicted.begin(), predicted.end(), actual.begin(), Index{0}, std::plus<>(),
                                            [](Id a, Id b) -> Index { return a == b ? 1 : 0; });
  return ratio(agree, actual.size());
}

double top_k_accuracy(std::span<const double> scores, std::span<const Id> actual, Index k) {
  require(!actual.empty(), "top_k_accuracy: nothing to compare");
  require(!scores.empty() && scores.size() % actual.size() == 0,
          "top_k_accuracy: {} scores for {} actual classes, expected as many for each", scores.size(), actual.size());
  const Index classes = scores.size() / actual.size();
  require<UsageError>(1 <= k && k <= classes, "top_k_accuracy: k is {}, expected 1 to {}, the classes", k, classes);
  Index hits = 0;
  for (Index i = 0; i < actual.size(); ++i) {
    const auto row = scores.subspan(i * classes, classes);
    const auto c = static_cast<Index>(actual[i]);
    require<UsageError>(actual[i] >= 0 && c < classes, "top_k_accuracy: class {} of {} classes", actual[i], classes);
    Index rank = 0;
    for (Index other = 0; other < classes; ++other) {
      const bool above = !(row[other] <= row[c]);  // true for NaN as well
      if (other != c && (above || (row[other] == row[c] && other < c))) ++rank;
    }
    if (rank < k && !std::isnan(row[c])) ++hits;
  }
  return ratio(hits, actual.size());
}

double mean_absolute_error(std::span<const double> predicted, std::span<const double> actual) {
  return mean_of("mean_absolute_error", predicted, actual, [](double error) { return std::abs(error); });
}

double mean_squared_error(std::span<const double> predicted, std::span<const double> actual) {
  return mean_of("mean_squared_error", predicted, actual, [](double error) { return error * error; });
}

double perplexity(double nats_per_token) { return std::exp(nats_per_token); }

double bits_per_token(double nats_per_token) { return nats_per_token / std::numbers::ln2; }

double bits_per_character(double total_nats, Index characters) {
  require<UsageError>(characters > 0, "bits_per_character: a text without characters");
  return total_nats / (static_cast<double>(characters) * std::numbers::ln2);
}

std::string RunSummary::to_string(int digits) const {
  return runs == 1 ? fmt::format("{:.{}f}", mean, digits)
                   : fmt::format("{:.{}f} ± {:.{}f}", mean, digits, spread, digits);
}

RunSummary summarize_runs(std::span<const double> results) {
  require<UsageError>(!results.empty(), "summarize_runs: no runs");
  const auto n = static_cast<double>(results.size());
  const double mean = std::accumulate(results.begin(), results.end(), 0.0) / n;
  double squares = 0;
  for (const double x : results) squares += (x - mean) * (x - mean);
  return {mean, std::sqrt(squares / (n - 1)), results.size()};
}

ConfusionMatrix::ConfusionMatrix(std::vector<std::string> class_names)
    : names_(std::move(class_names)), counts_(names_.size() * names_.size()) {
  require<UsageError>(!names_.empty(), "ConfusionMatrix: no classes");
}

Index ConfusionMatrix::at(Id actual, Id predicted) const {
  for (const Id c : {actual, predicted}) {
    require<UsageError>(c >= 0 && static_cast<Index>(c) < names_.size(), "ConfusionMatrix: class {} of {} classes", c,
                        names_.size());
  }
  return static_cast<Index>(actual) * names_.size() + static_cast<Index>(predicted);
}

void ConfusionMatrix::add(Id actual, Id predicted) { ++counts_[at(actual, predicted)]; }

Index ConfusionMatrix::count(Id actual, Id predicted) const { return counts_[at(actual, predicted)]; }

Index ConfusionMatrix::total() const { return std::accumulate(counts_.begin(), counts_.end(), Index{0}); }

Index ConfusionMatrix::row_total(Id actual) const {
  Index sum = 0;
  for (Index c = 0; c < names_.size(); ++c) sum += count(actual, static_cast<Id>(c));
  return sum;
}

Index ConfusionMatrix::column_total(Id predicted) const {
  Index sum = 0;
  for (Index c = 0; c < names_.size(); ++c) sum += count(static_cast<Id>(c), predicted);
  return sum;
}

double ConfusionMatrix::accuracy() const {
  Index hits = 0;
  for (Index c = 0; c < names_.size(); ++c) hits += count(static_cast<Id>(c), static_cast<Id>(c));
  return ratio(hits, total());
}

double ConfusionMatrix::precision(Id c) const { return ratio(count(c, c), column_total(c)); }

double ConfusionMatrix::recall(Id c) const { return ratio(count(c, c), row_total(c)); }

double ConfusionMatrix::f1(Id c) const { return ratio(2 * count(c, c), row_total(c) + column_total(c)); }

PrecisionRecall ConfusionMatrix::average(Average kind) const {
  if (kind == Average::micro || total() == 0) return {accuracy(), accuracy(), accuracy()};
  PrecisionRecall sum{0, 0, 0};
  double weights = 0;
  for (Index i = 0; i < names_.size(); ++i) {
    const auto c = static_cast<Id>(i);
    const Index occurs = row_total(c);
    const bool present = occurs + column_total(c) > 0;
    const double weight = kind == Average::weighted ? static_cast<double>(occurs) : present ? 1 : 0;
    weights += weight;
    sum.precision += weight * zero_if_nan(precision(c));
    sum.recall += weight * zero_if_nan(recall(c));
    sum.f1 += weight * zero_if_nan(f1(c));
  }
  return {sum.precision / weights, sum.recall / weights, sum.f1 / weights};
}

double ConfusionMatrix::matthews_correlation() const {
  const auto n = static_cast<double>(total());
  double hits = 0, both = 0, actual = 0, predicted = 0;
  for (Index i = 0; i < names_.size(); ++i) {
    const auto c = static_cast<Id>(i);
    const auto a = static_cast<double>(row_total(c));
    const auto p = static_cast<double>(column_total(c));
    hits += static_cast<double>(count(c, c));
    both += a * p;
    actual += a * a;
    predicted += p * p;
  }
  return (hits * n - both) / std::sqrt((n * n - actual) * (n * n - predicted));
}

std::string ConfusionMatrix::to_string() const {
  std::vector<std::string> header{"actual \\ predicted"};
  header.insert(header.end(), names_.begin(), names_.end());
  header.emplace_back("recall");
  Table table(header);
  for (Index actual = 0; actual < names_.size(); ++actual) {
    std::vector<std::string> cells{names_[actual]};
    for (Index predicted = 0; predicted < names_.size(); ++predicted) {
      cells.push_back(fmt::format("{}", count(static_cast<Id>(actual), static_cast<Id>(predicted))));
    }
    cells.push_back(share(recall(static_cast<Id>(actual))));
    table.row(cells);
  }
  return table.to_string();
}

std::string ConfusionMatrix::per_class_table() const {
  Table table({"class", "precision", "recall", "F1", "count"});
  for (Index i = 0; i < names_.size(); ++i) {
    const auto c = static_cast<Id>(i);
    table.row({names_[i], share(precision(c)), share(recall(c)), share(f1(c)), fmt::format("{}", row_total(c))});
  }
  return table.to_string();
}

std::string ConfusionMatrix::average_table() const {
  Table table({"average", "precision", "recall", "F1"});
  for (const auto& [name, kind] :
       {std::pair{"micro", Average::micro}, {"macro", Average::macro}, {"weighted", Average::weighted}}) {
    const PrecisionRecall mean = average(kind);
    table.row({name, share(mean.precision), share(mean.recall), share(mean.f1)});
  }
  return table.to_string();
}

}  // namespace unroll
