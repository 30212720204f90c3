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
