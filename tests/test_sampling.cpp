// The distribution tokens are drawn from, against hand calculation; and the draws, against the distribution.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include <unroll/layers/sampling.h>

using namespace unroll;

namespace {

// Probabilities 0.1, 0.4, 0.05, 0.25, 0.2 plus a constant that softmax does not see.
const std::vector<double> p{0.1, 0.4, 0.05, 0.25, 0.2};

std::vector<double> logits_of(const std::vector<double>& probabilities) {
  std::vector<double> logits;
  for (const double x : probabilities) logits.push_back(std::log(x) + 7);
  return logits;
}

void check_near(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  for (Index i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-12));
}

/// Σ (observed − expected)² / expected over the tokens that can be drawn; none of the others may occur.
double chi_squared(const SamplingOptions& options, Index draws) {
  const auto expected = sampling_distribution(logits_of(p), options);
  std::vector<double> observed(p.size(), 0.0);
  Random random(11);
  for (Index i = 0; i < draws; ++i) ++observed[static_cast<Index>(sample(logits_of(p), options, random))];
  double sum = 0;
  for (Index i = 0; i < p.size(); ++i) {
    const double n = expected[i] * static_cast<double>(draws);
    if (n == 0) {
      CHECK(observed[i] == 0);
    } else {
      sum += (observed[i] - n) * (observed[i] - n) / n;
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("sampling_distribution is softmax at temperature 1") {
  check_near(sampling_distribution(logits_of(p), {}), p);
}

TEST_CASE("temperature sharpens and flattens: p^(1/t), normalised") {
  for (const double t : {0.5, 2.0, 10.0}) {
    std::vector<double> expected;
    for (const double x : p) expected.push_back(std::pow(x, 1 / t));
    const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
    for (double& x : expected) x /= total;
    check_near(sampling_distribution(logits_of(p), {.temperature = t}), expected);
  }
}

TEST_CASE("temperature 0 is the most probable token, and small temperatures come close without overflow") {
  check_near(sampling_distribution(logits_of(p), {.temperature = 0}), {0, 1, 0, 0, 0});
  check_near(sampling_distribution(std::vector<double>{-3e4, 5e4, 4.9e4}, {.temperature = 1e-3}), {0, 1, 0});
  Random random(1);
  for (int i = 0; i < 20; ++i) CHECK(sample(logits_of(p), {.temperature = 0}, random) == 1);
  CHECK(sample(logits_of(p), {.temperature = 0, .banned = {1}}, random) == 3);
  CHECK(sample(std::vector<double>{2, 5, 5}, {.temperature = 0}, random) == 1);  // the first of equals
}

TEST_CASE("top_k, top_p and banned cut, and what is left is normalised") {
  check_near(sampling_distribution(logits_of(p), {.top_k = 2}), {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0});
  check_near(sampling_distribution(logits_of(p), {.top_k = 99}), p);
  check_near(sampling_distribution(logits_of(p), {.top_p = 0.6}),
             {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0});  // 0.4 < 0.6 ≤ 0.65
  check_near(sampling_distribution(logits_of(p), {.top_p = 0.7}), {0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85});
  check_near(sampling_distribution(logits_of(p), {.top_p = 1e-9}), {0, 1, 0, 0, 0});  // never nothing
  const std::vector<double> halves{1, 1, -1e3};  // at the bound itself nothing more is taken
  check_near(sampling_distribution(halves, {.top_p = 0.5}), {1, 0, 0});
  // top_p is a share of what top_k has left: of 0.4, 0.25, 0.2 the first two are 0.65 / 0.85 = 0.76
  check_near(sampling_distribution(logits_of(p), {.top_k = 3, .top_p = 0.7}), {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0});
  check_near(sampling_distribution(logits_of(p), {.banned = {1, 4}}), {0.25, 0, 0.125, 0.625, 0});
}

TEST_CASE("100,000 draws follow the distribution") {
  // 99.9 % quantiles of χ² with 4, 4 and 2 degrees of freedom
  CHECK(chi_squared({}, 100'000) < 18.47);
  CHECK(chi_squared({.temperature = 1.7}, 100'000) < 18.47);
  CHECK(chi_squared({.temperature = 0.8, .top_k = 4, .top_p = 0.95, .banned = {1}}, 100'000) < 13.82);
}

TEST_CASE("the same draws for a seed, on every machine") {
  Random random(5);
  std::vector<Id> drawn;
  for (int i = 0; i < 12; ++i) drawn.push_back(sample(logits_of(p), {}, random));
  // by hand: the uniform numbers of Random(5) against the cumulative probabilities 0.1, 0.5, 0.55, 0.8, 1
  Random uniforms(5);
  for (const Id id : drawn) {
    const double u = uniforms.uniform();
    CHECK(id == (u < 0.1 ? 0 : u < 0.5 ? 1 : u < 0.55 ? 2 : u < 0.8 ? 3 : 4));
  }
}

TEST_CASE("options out of range are named") {
  const std::vector<double> two{0, 0};
  CHECK_THROWS_WITH_AS(sampling_distribution(two, {.temperature = -1}),
                       "sampling: a temperature of -1; it must be finite and not negative", UsageError);
  CHECK_THROWS_WITH_AS(sampling_distribution(two, {.top_p = 0}),
                       "sampling: top_p of 0; it must be above 0 and at most 1", UsageError);
  CHECK_THROWS_WITH_AS(sampling_distribution(two, {.top_p = 1.5}),
                       "sampling: top_p of 1.5; it must be above 0 and at most 1", UsageError);
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH_AS(sampling_distribution(std::vector<double>{0, NAN}, {}),
                       "sampling: the logit of token 1 is nan; no distribution has it", UsageError);
  CHECK_THROWS_WITH_AS(sampling_distribution(std::vector<double>{infinity, 0}, {.temperature = 0}),
                       "sampling: the logit of token 0 is inf; no distribution has it", UsageError);
  CHECK_THROWS_WITH_AS(sampling_distribution(std::vector<double>{0, -infinity}, {.banned = {0}}),
                       "sampling: every token that is not banned has a logit of −∞", UsageError);
  check_near(sampling_distribution(std::vector<double>{0, -infinity, 0}, {}), {0.5, 0, 0.5});
  CHECK_THROWS_WITH_AS(sampling_distribution(two, {.temperature = infinity}),
                       "sampling: a temperature of inf; it must be finite and not negative", UsageError);
  const std::vector<Id> written{0};
  CHECK_THROWS_WITH_AS(sampling_distribution(two, {.repetition_penalty = infinity}, written),
                       "sampling: a repetition penalty of inf; it must be finite and above 0", UsageError);
  CHECK_THROWS_WITH_AS(sampling_distribution(std::vector<double>{1, 0}, {.repetition_penalty = 1e-310}, written),
                       "sampling: the logit of token 0 is inf; no distribution has it", UsageError);
  CHECK_THROWS_WITH_AS(sampling_distribution(two, {.banned = {0, 1}}), "sampling: every one of 2 tokens is banned",
                       UsageError);
}

TEST_CASE("min_p keeps what is at least that share of the most probable token") {
  check_near(sampling_distribution(logits_of(p), {.min_p = 0.49}), {0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85});
  check_near(sampling_distribution(logits_of(p), {.min_p = 0.51}), {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0});
  check_near(sampling_distribution(logits_of(p), {.min_p = 1}), {0, 1, 0, 0, 0});
  CHECK_THROWS_WITH(sampling_distribution(logits_of(p), {.min_p = 2}), "sampling: min_p of 2; it must be 0 … 1");
}

TEST_CASE("the repetition penalty divides positive logits and multiplies negative ones, of the last tokens written") {
  const std::vector<double> logits{2, -1, 0.5};
  const auto expected = [](const std::vector<double>& z) {
    double total = 0;
    for (const double v : z) total += std::exp(v);
    std::vector<double> out;
    for (const double v : z) out.push_back(std::exp(v) / total);
    return out;
  };
  const std::vector<Id> written{2, 0, 1, 0};
  check_near(sampling_distribution(logits, {.repetition_penalty = 2}, written), expected({1, -2, 0.25}));
  check_near(sampling_distribution(logits, {.repetition_penalty = 2, .repetition_window = 2}, written),
             expected({1, -2, 0.5}));
  check_near(sampling_distribution(logits, {.repetition_penalty = 2}), expected(logits));
  CHECK_THROWS_WITH(sampling_distribution(logits, {.repetition_penalty = 0}),
                    "sampling: a repetition penalty of 0; it must be finite and above 0");
}
