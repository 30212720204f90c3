// Metrics and the tables they are printed in. All expected figures are worked out by hand in the comments.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/report/metrics.h>
#include <unroll/report/table.h>
#include <unroll/report/terminal.h>

using namespace unroll;
using doctest::Approx;

TEST_CASE("accuracy is the share of agreements") {
  CHECK(accuracy(std::vector<Id>{0, 1, 2, 1}, std::vector<Id>{0, 1, 1, 1}) == 0.75);
  CHECK(accuracy(Ids{3}, Ids{4}) == 0);
  CHECK_THROWS_WITH_AS(accuracy(Ids{0, 1}, Ids{0}), "accuracy: 2 predictions for 1 actual classes", ShapeError);
  CHECK_THROWS_AS(accuracy(Ids{}, Ids{}), ShapeError);
}

TEST_CASE("perplexity and bits of a loss in nats") {
  CHECK(perplexity(0) == 1);
  CHECK(perplexity(std::log(10'000.0)) == Approx(10'000));
  CHECK(bits_per_token(std::log(8.0)) == Approx(3));
}

TEST_CASE("bits per character compare tokens of any kind") {
  CHECK(bits_per_character(6 * std::log(2.0), 4) == Approx(1.5));
  CHECK(bits_per_character(0, 1) == 0);
  CHECK_THROWS_WITH_AS(bits_per_character(1, 0), "bits_per_character: a text without characters", UsageError);
}

TEST_CASE("top-k accuracy") {
  // The ranks of the actual classes: 0, 1 (a tie that class 0 wins), 0 (one that it wins itself), 2.
  const std::vector<double> scores{3, 2, 1, 5, 5, 1, 5, 5, 1, 3, 2, 1};
  const Ids actual{0, 1, 0, 2};
  CHECK(top_k_accuracy(scores, actual.values(), 1) == 0.5);
  CHECK(top_k_accuracy(scores, actual.values(), 2) == 0.75);
  CHECK(top_k_accuracy(scores, actual.values(), 3) == 1);
  // A NaN stands before every number, and is never right itself.
  const double nan = std::nan("");
  CHECK(top_k_accuracy(std::vector<double>{1, nan, 0}, std::vector<Id>{0}, 1) == 0);
  CHECK(top_k_accuracy(std::vector<double>{1, nan, 0}, std::vector<Id>{0}, 2) == 1);
  CHECK(top_k_accuracy(std::vector<double>{nan, nan}, std::vector<Id>{0}, 2) == 0);
  CHECK_THROWS_WITH_AS(top_k_accuracy(scores, actual.values(), 4),
                       "top_k_accuracy: k is 4, expected 1 to 3, the classes", UsageError);
  CHECK_THROWS_AS(top_k_accuracy(scores, actual.values(), 0), UsageError);
  CHECK_THROWS_WITH_AS(top_k_accuracy(scores, std::vector<Id>{0, 1, 2, 3}, 1), "top_k_accuracy: class 3 of 3 classes",
                       UsageError);
  CHECK_THROWS_WITH_AS(top_k_accuracy(scores, std::vector<Id>(5), 1),
                       "top_k_accuracy: 12 scores for 5 actual classes, expected as many for each", ShapeError);
  CHECK_THROWS_WITH_AS(top_k_accuracy(scores, {}, 1), "top_k_accuracy: nothing to compare", ShapeError);
}

TEST_CASE("mean errors") {
  const std::vector<double> predicted{1, 2, 4}, actual{1, 4, 1};  // errors 0, −2, 3
  CHECK(mean_absolute_error(predicted, actual) == Approx(5.0 / 3));
  CHECK(mean_squared_error(predicted, actual) == Approx(13.0 / 3));
  CHECK_THROWS_WITH_AS(mean_absolute_error(predicted, {}), "mean_absolute_error: 3 predictions for 0 actual values",
                       ShapeError);
  CHECK_THROWS_WITH_AS(mean_squared_error({}, {}), "mean_squared_error: nothing to compare", ShapeError);
}

TEST_CASE("mean and sample standard deviation of runs") {
  // mean 5, squared deviations 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, and 32 / 7 = 4.5714…
  const RunSummary summary = summarize_runs(std::vector<double>{2, 4, 4, 4, 5, 5, 7, 9});
  CHECK(summary.mean == 5);
  CHECK(summary.spread == Approx(std::sqrt(32.0 / 7)));
  CHECK(summary.runs == 8);
  CHECK(summary.to_string() == "5.000 ± 2.138");
  CHECK(summary.to_string(1) == "5.0 ± 2.1");

  const RunSummary single = summarize_runs(std::vector<double>{0.7221});
  CHECK(single.mean == 0.7221);
  CHECK(std::isnan(single.spread));
  CHECK(single.to_string() == "0.722");
  CHECK_THROWS_AS(summarize_runs({}), UsageError);
}

namespace {

//                 predicted  cat  dog  fish  (cow is never seen nor predicted)
//          actual cat         5    2    1
//                 dog         1    6    0
//                 fish        0    0    0
ConfusionMatrix animals() {
  ConfusionMatrix matrix({"cat", "dog", "fish", "cow"});
  const auto add = [&](Id actual, Id predicted, int times) {
    for (int i = 0; i < times; ++i) matrix.add(actual, predicted);
  };
  add(0, 0, 5);
  add(0, 1, 2);
  add(0, 2, 1);
  add(1, 0, 1);
  add(1, 1, 6);
  return matrix;
}

}  // namespace

TEST_CASE("figures of a confusion matrix") {
  const ConfusionMatrix matrix = animals();
  CHECK(matrix.total() == 15);
  CHECK(matrix.count(0, 1) == 2);
  CHECK(matrix.count(1, 0) == 1);
  CHECK(matrix.accuracy() == Approx(11.0 / 15));
  CHECK(matrix.precision(0) == Approx(5.0 / 6));
  CHECK(matrix.recall(0) == Approx(5.0 / 8));
  CHECK(matrix.f1(0) == Approx(10.0 / 14));  // 2 · 5 / (2 · 5 + 1 + 3)
  CHECK(matrix.precision(1) == Approx(6.0 / 8));
  CHECK(matrix.recall(1) == Approx(6.0 / 7));
  CHECK(matrix.f1(1) == Approx(12.0 / 15));

  CHECK(matrix.precision(2) == 0);  // predicted once, and wrongly
  CHECK(std::isnan(matrix.recall(2)));
  CHECK(matrix.f1(2) == 0);
  CHECK(std::isnan(matrix.precision(3)));
  CHECK(std::isnan(matrix.f1(3)));
  CHECK(std::isnan(ConfusionMatrix({"one"}).accuracy()));
}

TEST_CASE("averages over the classes of a confusion matrix") {
  const ConfusionMatrix matrix = animals();
  const PrecisionRecall micro = matrix.average(Average::micro);
  CHECK(micro.precision == matrix.accuracy());
  CHECK(micro.recall == matrix.accuracy());
  CHECK(micro.f1 == matrix.accuracy());
  // The fish is predicted and so counts, with recall 0/0 as 0; the cow does not.
  const PrecisionRecall macro = matrix.average(Average::macro);
  CHECK(macro.precision == Approx((5.0 / 6 + 6.0 / 8 + 0) / 3));
  CHECK(macro.recall == Approx((5.0 / 8 + 6.0 / 7 + 0) / 3));
  CHECK(macro.f1 == Approx((10.0 / 14 + 12.0 / 15 + 0) / 3));
  const PrecisionRecall weighted = matrix.average(Average::weighted);
  CHECK(weighted.precision == Approx((8 * 5.0 / 6 + 7 * 6.0 / 8) / 15));
  CHECK(weighted.recall == Approx(matrix.accuracy()));
  CHECK(weighted.f1 == Approx((8 * 10.0 / 14 + 7 * 12.0 / 15) / 15));
  for (const Average kind : {Average::micro, Average::macro, Average::weighted})
    CHECK(std::isnan(ConfusionMatrix({"one"}).average(kind).f1));

  CHECK(matrix.average_table() ==
        "average   precision  recall     F1\n"
        "────────  ─────────  ──────  ─────\n"
        "micro         0.733   0.733  0.733\n"
        "macro         0.528   0.494  0.505\n"
        "weighted      0.794   0.733  0.754\n");
}

TEST_CASE("the Matthews correlation coefficient") {
  // Two classes: TP 6, TN 3, FP 1, FN 2 give (6 · 3 − 1 · 2) / √(7 · 8 · 4 · 5).
  ConfusionMatrix matrix({"no", "yes"});
  const auto add = [&](Id actual, Id predicted, int times) {
    for (int i = 0; i < times; ++i) matrix.add(actual, predicted);
  };
  add(1, 1, 6);
  add(0, 0, 3);
  add(0, 1, 1);
  add(1, 0, 2);
  CHECK(matrix.matthews_correlation() == Approx(16 / std::sqrt(7.0 * 8 * 4 * 5)));
  ConfusionMatrix constant({"no", "yes"});
  constant.add(0, 1);
  constant.add(1, 1);
  CHECK(std::isnan(constant.matthews_correlation()));
  CHECK(std::isnan(ConfusionMatrix({"one"}).matthews_correlation()));
}

TEST_CASE("tables of a confusion matrix") {
  CHECK(animals().to_string() ==
        "actual \\ predicted  cat  dog  fish  cow  recall\n"
        "──────────────────  ───  ───  ────  ───  ──────\n"
        "cat                   5    2     1    0   0.625\n"
        "dog                   1    6     0    0   0.857\n"
        "fish                  0    0     0    0       –\n"
        "cow                   0    0     0    0       –\n");
  CHECK(animals().per_class_table() ==
        "class  precision  recall     F1  count\n"
        "─────  ─────────  ──────  ─────  ─────\n"
        "cat        0.833   0.625  0.714      8\n"
        "dog        0.750   0.857  0.800      7\n"
        "fish       0.000       –  0.000      0\n"
        "cow            –       –      –      0\n");
}

TEST_CASE("a class outside the matrix is an error") {
  ConfusionMatrix matrix({"no", "yes"});
  CHECK_THROWS_WITH_AS(matrix.add(2, 0), "ConfusionMatrix: class 2 of 2 classes", UsageError);
  CHECK_THROWS_AS(matrix.add(0, -1), UsageError);
  CHECK_THROWS_AS(matrix.recall(5), UsageError);
  CHECK_THROWS_AS(ConfusionMatrix({}), UsageError);
  CHECK(matrix.total() == 0);
}

TEST_CASE("tables align words to the left and numbers to the right") {
  Table table({"model", "accuracy", "time", "note"});
  table.row({"naïve Bayes", "0.785", "80ms", "counts"});
  table.row({"BiLSTM", "0.778 ± 0.004", "2m 05s", ""});
  table.row({"序列", "–", "", "5-gram"});
  CHECK(table.to_string() ==
        "model             accuracy    time  note\n"
        "───────────  ─────────────  ──────  ──────\n"
        "naïve Bayes          0.785    80ms  counts\n"
        "BiLSTM       0.778 ± 0.004  2m 05s\n"
        "序列                     –          5-gram\n");
}

TEST_CASE("what reads as a number in a table") {
  const auto right_aligned = [](const std::string& cell) {
    return Table({"a long header", "x"}).row({cell, "x"}).to_string().find("\n ") != std::string::npos;
  };
  for (const char* number : {"7", "-7", "−7", "+0.5", ".5", "12,345", "4.1M", "35ms", "12 %", "12%", "1e-05", "1.5×",
                             "nan", "-", "3.5k/s", "±2"}) {
    CAPTURE(number);
    CHECK(right_aligned(number));
  }
  for (const char* word : {"word", "5-gram", "2nd-order", "4layers", "+", "...", "×2"}) {
    CAPTURE(word);
    CHECK_FALSE(right_aligned(word));
  }
  CHECK(right_aligned(green("0.9", true)));
  // One word is enough to make it a column of words.
  CHECK(Table({"hidden"}).row({"64"}).row({"as given"}).to_string() == "hidden\n────────\n64\nas given\n");
}

TEST_CASE("a table may be empty but not ragged") {
  CHECK(Table({"a", "bc"}).to_string() == "a  bc\n─  ──\n");
  Table table({"a", "b"});
  CHECK_THROWS_WITH_AS(table.row({"1"}), "Table: a row of 1 cells under a header of 2", UsageError);
}
