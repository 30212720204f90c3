// BLEU by hand; tests/test_metric_values.cpp compares it with sacrebleu.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/report/bleu.h>

using namespace unroll;
using doctest::Approx;

namespace {

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("BLEU: counts are clipped by the reference that has the most") {
  // Papineni et al., example 2: p₁ = 2/7.
  const Words hypothesis(7, "the");
  const std::vector<Words> references{{"the", "cat", "is", "on", "the", "mat"},
                                      {"there", "is", "a", "cat", "on", "the", "mat"}};
  const Bleu bleu = corpus_bleu(std::vector<Words>{hypothesis}, std::vector<std::vector<Words>>{references});
  CHECK(bleu.precisions[0] == Approx(2.0 / 7));
  CHECK(bleu.precisions[1] == 0);
  CHECK(bleu.score == 0);
  CHECK(bleu.brevity_penalty == 1);
  CHECK(bleu.length == 7);
  CHECK(bleu.reference_length == 7);
}

TEST_CASE("BLEU: brevity penalty and smoothing") {
  // 5 of 5 words, 4 of 4 pairs, 3 of 3, 2 of 2; too short by 1.
  const Words hypothesis{"a", "b", "c", "d", "e"};
  const std::vector<Words> references{{"a", "b", "c", "d", "e", "f"}};
  const Bleu short_one = corpus_bleu(std::vector<Words>{hypothesis}, std::vector<std::vector<Words>>{references});
  CHECK(short_one.score == Approx(std::exp(1 - 6.0 / 5)));
  CHECK(short_one.to_string() ==
        "BLEU 81.87 (precisions 100.0 100.0 100.0 100.0, brevity penalty 0.819, length 5 for 6)");

  // 3 of 4 words, 1 of 3 pairs, none of 2, none of 1: with one added from pairs on 2/4, 1/3, 1/2.
  const Bleu smoothed = sentence_bleu(Words{"a", "b", "x", "d"}, {{"a", "b", "c", "d"}});
  CHECK(smoothed.precisions == std::array{3.0 / 4, 2.0 / 4, 1.0 / 3, 1.0 / 2});
  CHECK(smoothed.score == Approx(std::pow(3.0 / 4 * 2 / 4 * 1 / 3 * 1 / 2, 0.25)));
}

TEST_CASE("BLEU: nothing to count is 0") {
  using Ids2 = std::vector<std::vector<Id>>;
  CHECK(corpus_bleu(Ids2{}, std::vector<Ids2>{}).score == 0);
  CHECK(corpus_bleu(Ids2{{}}, std::vector<Ids2>{{{1, 2}}}).score == 0);
  CHECK(corpus_bleu(Ids2{{1, 2, 3}}, std::vector<Ids2>{{{1, 2, 3}}}).score == 0);  // no 4-gram is there
  CHECK(sentence_bleu(std::vector<Id>{}, Ids2{{1}}).score == 0);
  CHECK(sentence_bleu(std::vector<Id>{1}, Ids2{{}}).score == 0);
  CHECK_THROWS_WITH_AS(corpus_bleu(Ids2{{1}}, std::vector<Ids2>{}),
                       "corpus_bleu: 1 hypotheses for 0 lists of references", ShapeError);
  CHECK_THROWS_WITH_AS(sentence_bleu(std::vector<Id>{1}, Ids2{}), "BLEU: a hypothesis without references", UsageError);
}
