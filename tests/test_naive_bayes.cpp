// Naive Bayes on cases small enough to count by hand.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/report/naive_bayes.h>

using namespace unroll;
using doctest::Approx;

namespace {

const std::vector<NaiveBayes::Document> reviews{{"good", "film"}, {"good", "good", "plot"}, {"bad", "film"}};

// Features and the numbers of documents that have them:
//   positive  good 2, film 1, plot 1, <s> good 2, good film 1, film </s> 1, good good 1, good plot 1, plot </s> 1 = 11
//   negative  bad 1, film 1, <s> bad 1, bad film 1, film </s> 1 = 5
// In all 12 different ones, so that with α = 1 the sums are 23 and 17.
NaiveBayes fitted() { return NaiveBayes::fit(reviews, Ids{1, 1, 0}, 2); }

}  // namespace

TEST_CASE("log-count ratios of words and bigrams") {
  const NaiveBayes model = fitted();
  CHECK(model.counts().features.size() == 12);
  CHECK(model.log_count_ratio("good") == Approx(std::log((3.0 / 23) / (1.0 / 17))));
  CHECK(model.log_count_ratio("film") == Approx(std::log((2.0 / 23) / (2.0 / 17))));
  CHECK(model.log_count_ratio("bad") == Approx(std::log((1.0 / 23) / (2.0 / 17))));
  CHECK(model.log_count_ratio("<s> good") == Approx(std::log((3.0 / 23) / (1.0 / 17))));
  CHECK(model.log_count_ratio("plot </s>") == Approx(std::log((2.0 / 23) / (1.0 / 17))));
  CHECK(model.log_count_ratio("unseen") == 0);
  CHECK(model.log_count_ratio("<s>") == 0);  // the marks are no words
}

TEST_CASE("the ratios of a document are summed over its distinct features") {
  const NaiveBayes model = fitted();
  // good, <s> good; "unseen" and its two bigrams count nothing.
  CHECK(model.ratio_sum({"good", "unseen"}) == Approx(2 * std::log(51.0 / 23)));
  // good once, <s> good, good good once although twice there; "good </s>" is unseen.
  CHECK(model.ratio_sum({"good", "good", "good"}) == Approx(2 * std::log(51.0 / 23) + std::log(34.0 / 23)));
  CHECK(model.ratio_sum({}) == 0);
}

TEST_CASE("scores are joint log-probabilities") {
  const NaiveBayes model = fitted();
  // bad, film, <s> bad, bad film, film </s>
  const std::vector<double> scores = model.scores({"bad", "film"});
  CHECK(scores[0] == Approx(std::log(1.0 / 3) + 5 * std::log(2.0 / 17)));
  CHECK(scores[1] == Approx(std::log(2.0 / 3) + 3 * std::log(1.0 / 23) + 2 * std::log(2.0 / 23)));
  CHECK(model.predict({"bad", "film"}) == 0);
  CHECK(model.predict({"good"}) == 1);
  CHECK(model.predict({}) == 1);  // the more frequent class
  CHECK(model.predict({"new", "words"}) == 1);
}

TEST_CASE("the difference of the scores is the ratio sum and the ratio of the classes") {
  const NaiveBayes model = fitted();
  for (const NaiveBayes::Document& document : {NaiveBayes::Document{"good", "bad", "plot"}, {"film"}, {}}) {
    const std::vector<double> scores = model.scores(document);
    CHECK(scores[1] - scores[0] == Approx(model.ratio_sum(document) + std::log(2.0)));
  }
}

TEST_CASE("the smoothing is alpha") {
  const NaiveBayes model = NaiveBayes::fit(reviews, Ids{1, 1, 0}, 2, 0.5);
  CHECK(model.log_count_ratio("good") == Approx(std::log((2.5 / 17) / (0.5 / 11))));
}

TEST_CASE("naive Bayes of three classes, one of them without documents") {
  const NaiveBayes model = NaiveBayes::fit({{"a"}, {"b"}, {"a", "b"}}, Ids{0, 2, 2}, 3);
  CHECK(model.classes() == 3);
  CHECK(model.predict({"a"}) == 0);
  CHECK(model.predict({"b"}) == 2);
  CHECK(model.scores({"b"})[1] == -std::numeric_limits<double>::infinity());
  CHECK_THROWS_WITH_AS(model.log_count_ratio("a"), "NaiveBayes: log-count ratios need two classes, not 3", UsageError);
  CHECK_THROWS_AS(model.ratio_sum({"a"}), UsageError);
}

TEST_CASE("equal scores go to the first class") {
  CHECK(NaiveBayes::fit({{"a"}, {"b"}}, Ids{0, 1}, 2).predict({"c"}) == 0);
  CHECK(NaiveBayes::fit({{"a"}, {"b"}}, Ids{1, 0}, 2).predict({"c"}) == 0);
}

TEST_CASE("a model made anew from its counts is the same") {
  const NaiveBayes model = fitted();
  const NaiveBayes again(model.counts());
  const NaiveBayes::Document document{"good", "bad", "film"};
  CHECK(again.scores(document) == model.scores(document));
  CHECK(again.ratio_sum(document) == model.ratio_sum(document));
}

TEST_CASE("wrong calls of naive Bayes") {
  CHECK_THROWS_AS(NaiveBayes::fit({}, Ids{}, 2), UsageError);
  CHECK_THROWS_WITH_AS(NaiveBayes::fit(reviews, Ids{1, 0}, 2), "NaiveBayes: 2 labels for 3 documents", ShapeError);
  CHECK_THROWS_WITH_AS(NaiveBayes::fit(reviews, Ids{1, 2, 0}, 2),
                       "NaiveBayes: label 2 of document 1 is none of 2 classes", UsageError);
  CHECK_THROWS_AS(NaiveBayes::fit(reviews, Ids{1, -1, 0}, 2), UsageError);
  CHECK_THROWS_AS(NaiveBayes::fit(reviews, Ids{0, 0, 0}, 1), UsageError);
  CHECK_THROWS_WITH_AS(NaiveBayes::fit(reviews, Ids{1, 1, 0}, 2, 0), "NaiveBayes: alpha is 0, not above 0", UsageError);
  CHECK_THROWS_AS(NaiveBayes::fit(reviews, Ids{1, 1, 0}, 2, std::nan("")), UsageError);

  NaiveBayes::Counts counts = fitted().counts();
  counts.feature_counts.pop_back();
  CHECK_THROWS_AS(NaiveBayes{counts}, ShapeError);
  counts = fitted().counts();
  counts.features[1] = counts.features[0];
  CHECK_THROWS_AS(NaiveBayes{counts}, UsageError);
}
