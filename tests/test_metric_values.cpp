// Metrics against scikit-learn, RapidFuzz and sacrebleu, whose values tests/golden/make_metrics.py has written down.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <unroll/report/bleu.h>
#include <unroll/report/edit_distance.h>
#include <unroll/report/metrics.h>
#include <unroll/tests/golden/metric_values.h>

using namespace unroll;
using doctest::Approx;

namespace {

std::vector<Id> ids_of(const std::vector<int>& values) { return {values.begin(), values.end()}; }

void check(const PrecisionRecall& ours, const std::vector<double>& expected) {
  CHECK(ours.precision == Approx(expected[0]).epsilon(1e-12));
  CHECK(ours.recall == Approx(expected[1]).epsilon(1e-12));
  CHECK(ours.f1 == Approx(expected[2]).epsilon(1e-12));
}

void check(const Bleu& ours, const golden::BleuValue& expected) {
  CHECK(ours.score == Approx(expected.score).epsilon(1e-12));
  CHECK(ours.brevity_penalty == Approx(expected.brevity_penalty).epsilon(1e-12));
  CHECK(ours.length == expected.length);
  CHECK(ours.reference_length == expected.reference_length);
  if (expected.precisions[0] == 0) return;  // sacrebleu looks no further
  for (Index n = 0; n < 4; ++n) CHECK(ours.precisions[n] == Approx(expected.precisions[n]).epsilon(1e-12));
}

/// Words as numbers, for the forms over ids.
std::vector<Id> ids_of(const std::vector<std::string>& words) {
  std::vector<Id> ids;
  for (const std::string& word : words) {
    Id id = 0;
    for (const char c : word) id = (128 * id + c) % 1'000'003;
    ids.push_back(id);
  }
  return ids;
}
std::vector<std::vector<Id>> ids_of(const std::vector<std::vector<std::string>>& texts) {
  std::vector<std::vector<Id>> ids;
  for (const auto& words : texts) ids.push_back(ids_of(words));
  return ids;
}

}  // namespace

TEST_CASE("averages, Matthews' coefficient and top-k accuracy as scikit-learn") {
  for (const auto& expected : golden::classifications) {
    CAPTURE(expected.classes);
    ConfusionMatrix matrix(std::vector<std::string>(static_cast<Index>(expected.classes), "class"));
    for (Index i = 0; i < expected.actual.size(); ++i) matrix.add(expected.actual[i], expected.predicted[i]);
    check(matrix.average(Average::micro), expected.micro);
    check(matrix.average(Average::macro), expected.macro);
    check(matrix.average(Average::weighted), expected.weighted);
    CHECK(matrix.matthews_correlation() == Approx(expected.matthews).epsilon(1e-12));
    for (Index k = 1; k <= expected.top.size(); ++k)
      CHECK(top_k_accuracy(expected.scores, ids_of(expected.actual), k) == Approx(expected.top[k - 1]).epsilon(1e-12));
  }
}

TEST_CASE("mean errors as scikit-learn") {
  CHECK(mean_absolute_error(golden::error_predicted, golden::error_actual) ==
        Approx(golden::mean_absolute_error).epsilon(1e-12));
  CHECK(mean_squared_error(golden::error_predicted, golden::error_actual) ==
        Approx(golden::mean_squared_error).epsilon(1e-12));
}

TEST_CASE("edit distances as RapidFuzz") {
  for (const auto& [a, b, distance] : golden::edits) {
    CAPTURE(a);
    CAPTURE(b);
    CHECK(edit_distance(a, b) == distance);
    CHECK(edit_distance(b, a) == distance);
  }
}

TEST_CASE("BLEU as sacrebleu") {
  for (const auto& corpus : golden::bleu_corpora) {
    std::vector<std::vector<std::string>> hypotheses;
    std::vector<std::vector<std::vector<std::string>>> references;
    std::vector<std::vector<std::vector<Id>>> reference_ids;
    for (const auto& sentence : corpus.sentences) {
      hypotheses.push_back(sentence.hypothesis);
      references.push_back(sentence.references);
      reference_ids.push_back(ids_of(sentence.references));
      check(sentence_bleu(sentence.hypothesis, sentence.references), sentence.smoothed);
      check(sentence_bleu(ids_of(sentence.hypothesis), ids_of(sentence.references)), sentence.smoothed);
    }
    check(corpus_bleu(hypotheses, references), corpus.value);
    check(corpus_bleu(ids_of(hypotheses), reference_ids), corpus.value);
  }
}
