#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <unroll/optim/schedule.h>

using namespace unroll;

namespace {

std::vector<double> first(const Schedule& schedule, Index steps) {
  std::vector<double> rates;
  for (Index step = 0; step < steps; ++step) rates.push_back(schedule(step));
  return rates;
}

void check_close(const std::vector<double>& got, const std::vector<double>& want) {
  REQUIRE(got.size() == want.size());
  for (Index i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(got[i] == doctest::Approx(want[i]).epsilon(1e-14));
  }
}

}  // namespace

TEST_CASE("ConstantRate, and any function") {
  check_close(first(ConstantRate{0.5}, 3), {0.5, 0.5, 0.5});
  check_close(first([](Index step) { return 1 / std::sqrt(static_cast<double>(step + 1)); }, 4),
              {1, std::sqrt(0.5), std::sqrt(1 / 3.), 0.5});
}

TEST_CASE("StepRate") {
  check_close(first(StepRate{.rate = 3, .every = 2, .factor = 0.5}, 7), {3, 3, 1.5, 1.5, 0.75, 0.75, 0.375});
  check_close(first(StepRate{.rate = 1, .every = 1}, 3), {1, 0.1, 0.01});
  // Epochs of two steps: four at the full rate, halved in each epoch after the fourth.
  check_close(first(StepRate{.rate = 1, .every = 2, .factor = 0.5, .hold = 6}, 12),
              {1, 1, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25});
  CHECK_THROWS_WITH_AS(StepRate{.rate = 1}(0), "StepRate: every is 0; it must be at least 1", UsageError);
}

TEST_CASE("CosineRate") {
  // cos of 0, 45, 90, 135, 180 degrees.
  const double r = std::sqrt(2) / 2;
  check_close(first(CosineRate{.rate = 2, .steps = 4}, 7), {2, 1 + r, 1, 1 - r, 0, 0, 0});
  check_close(first(CosineRate{.rate = 2.5, .floor = 0.5, .steps = 4}, 6), {2.5, 1.5 + r, 1.5, 1.5 - r, 0.5, 0.5});
  // Warmed up over two of the six steps; the floor is no part of the warm-up.
  check_close(first(CosineRate{.rate = 2.5, .floor = 0.5, .steps = 6, .warm_up = 2}, 8),
              {1.25, 2.5, 2.5, 1.5 + r, 1.5, 1.5 - r, 0.5, 0.5});
  CHECK_THROWS_WITH_AS((CosineRate{.rate = 1, .steps = 5, .warm_up = 5}(0)),
                       "CosineRate: steps is 5 and warm_up 5; there must be more steps than that", UsageError);
  CHECK_THROWS_AS(CosineRate{.rate = 1}(0), UsageError);
}

TEST_CASE("LinearRate") {
  check_close(first(LinearRate{.rate = 2, .steps = 4}, 6), {2, 1.5, 1, 0.5, 0, 0});
  check_close(first(LinearRate{.rate = 2.5, .floor = 0.5, .steps = 7, .warm_up = 3}, 9),
              {2.5 / 3, 5. / 3, 2.5, 2.5, 2, 1.5, 1, 0.5, 0.5});
  CHECK(LinearRate{.rate = 1, .steps = 3}(1'000'000'000'000) == 0);
  CHECK_THROWS_WITH_AS(LinearRate{.rate = 1}(0),
                       "LinearRate: steps is 0 and warm_up 0; there must be more steps than that", UsageError);
}

TEST_CASE("MilestoneRate and ExponentialRate") {
  check_close(first(MilestoneRate{.rate = 8, .milestones = {3, 1, 3}, .factor = 0.5}, 5), {8, 4, 4, 1, 1});
  check_close(first(MilestoneRate{.rate = 8, .milestones = {}}, 2), {8, 8});
  check_close(first(ExponentialRate{.rate = 3, .factor = 0.5}, 4), {3, 1.5, 0.75, 0.375});
  check_close(first(ExponentialRate{.rate = 3, .factor = 0.25, .every = 2}, 4), {3, 1.5, 0.75, 0.375});
  CHECK_THROWS_WITH_AS((ExponentialRate{.rate = 1, .factor = 1, .every = 0}(0)),
                       "ExponentialRate: every is 0; it must be at least 1", UsageError);
}

TEST_CASE("PolynomialRate and InverseRootRate") {
  check_close(first(PolynomialRate{.rate = 5, .floor = 1, .steps = 4, .power = 2}, 6), {5, 3.25, 2, 1.25, 1, 1});
  check_close(first(PolynomialRate{.rate = 2, .steps = 4}, 6), first(LinearRate{.rate = 2, .steps = 4}, 6));
  CHECK_THROWS_WITH_AS(PolynomialRate{.rate = 1}(0), "PolynomialRate: steps is 0; it must be at least 1", UsageError);
  CHECK_THROWS_WITH_AS((PolynomialRate{.rate = 1, .steps = 2, .power = 0}(0)),
                       "PolynomialRate: power is 0; it must be above 0", UsageError);

  check_close(first(InverseRootRate{.rate = 2, .warm_up = 4}, 6),
              {0.5, 1, 1.5, 2, 2 * std::sqrt(0.8), 2 * std::sqrt(2 / 3.)});
  CHECK(InverseRootRate{.rate = 2, .warm_up = 4}(399) == doctest::Approx(0.2));
  CHECK_THROWS_WITH_AS((InverseRootRate{.rate = 1, .warm_up = 0}(0)),
                       "InverseRootRate: warm_up is 0; it must be at least 1", UsageError);
}

TEST_CASE("RestartingCosineRate") {
  const double r = std::sqrt(2) / 2;
  // Periods of 2, 4 and 8 steps.
  check_close(first(RestartingCosineRate{.rate = 2, .period = 2, .stretch = 2}, 8),
              {2, 1, 2, 1 + r, 1, 1 - r, 2, 1 + std::cos(std::acos(-1.) / 8)});
  check_close(first(RestartingCosineRate{.rate = 3, .floor = 1, .period = 2}, 5), {3, 2, 3, 2, 3});
  CHECK(RestartingCosineRate{.rate = 2, .period = 10}(1'000'000'000'000) == 2);
  CHECK_THROWS_WITH_AS(RestartingCosineRate{.rate = 1}(0), "RestartingCosineRate: period is 0; it must be at least 1",
                       UsageError);
  CHECK_THROWS_WITH_AS((RestartingCosineRate{.rate = 1, .period = 1, .stretch = 0}(0)),
                       "RestartingCosineRate: stretch is 0; it must be at least 1", UsageError);
}

TEST_CASE("WarmUp and InTurn") {
  const Schedule down = LinearRate{.rate = 2, .steps = 4};
  check_close(first(WarmUp{2, down}, 7), {1, 2, 2, 1.5, 1, 0.5, 0});
  check_close(first(WarmUp{2, down}, 7), first(LinearRate{.rate = 2, .steps = 6, .warm_up = 2}, 7));
  check_close(first(WarmUp{0, down}, 3), {2, 1.5, 1});
  CHECK_THROWS_WITH_AS(WarmUp{2}(0), "WarmUp: there is no schedule after it", UsageError);

  const Schedule one = ConstantRate{1};
  check_close(first(InTurn{{one, down, one}, {1, 3}}, 5), {1, 2, 1.5, 1, 1});
  check_close(first(InTurn{{one, down, one}, {2, 2}}, 4), {1, 1, 1, 1});
  CHECK_THROWS_WITH_AS((InTurn{{one, down}, {}}(0)),
                       "InTurn: there are 2 schedules and 0 milestones; there is one milestone between two schedules",
                       UsageError);
  CHECK_THROWS_WITH_AS((InTurn{{}, {}}(0)),
                       "InTurn: there are 0 schedules and 0 milestones; there is one milestone between two schedules",
                       UsageError);
  CHECK_THROWS_WITH_AS((InTurn{{one, down, one}, {3, 1}}(0)), "InTurn: the milestones [3, 1] do not ascend",
                       UsageError);
}

TEST_CASE("OneCycleRate") {
  // Eleven steps: up over 0 … 4 (rise · steps − 1), down over 4 … 10.
  const OneCycleRate linear{.peak = 1,
                            .steps = 11,
                            .rise = 5. / 11,
                            .anneal = Anneal::linear,
                            .start_divisor = 5,
                            .end_divisor = 2,
                            .low_momentum = 0.5,
                            .high_momentum = 0.9};
  check_close(first(linear, 13), {0.2, 0.4, 0.6, 0.8, 1, 0.85, 0.7, 0.55, 0.4, 0.25, 0.1, 0.1, 0.1});
  check_close(first([&](Index k) { return linear.momentum(k); }, 12),
              {0.9, 0.8, 0.7, 0.6, 0.5, 0.5 + 0.4 / 6, 0.5 + 0.8 / 6, 0.7, 0.5 + 1.6 / 6, 0.5 + 2 / 6., 0.9, 0.9});
  // In three phases: up over 0 … 2, down to the start over 2 … 4, and to the end over 4 … 9.
  OneCycleRate three = linear;
  three.steps = 10, three.rise = 0.3, three.three_phases = true;
  check_close(first(three, 11), {0.2, 0.6, 1, 0.6, 0.2, 0.18, 0.16, 0.14, 0.12, 0.1, 0.1});
  check_close(first([&](Index k) { return three.momentum(k); }, 7), {0.9, 0.7, 0.5, 0.7, 0.9, 0.9, 0.9});
  // Half cosines have the same ends and middles.
  OneCycleRate cosine = linear;
  cosine.anneal = Anneal::cosine;
  for (const Index k : std::initializer_list<Index>{0, 2, 4, 7, 10})
    CHECK(cosine(k) == doctest::Approx(linear(k)).epsilon(1e-14));
  CHECK(cosine(1) == doctest::Approx(1 - 0.8 * (1 + std::sqrt(0.5)) / 2).epsilon(1e-14));

  const auto refused = [](const char* text, const OneCycleRate& rate) {
    CHECK_THROWS_WITH_AS(rate(0), text, UsageError);
    CHECK_THROWS_WITH_AS(rate.momentum(0), text, UsageError);
  };
  refused("OneCycleRate: rise is 0.3 of 0 steps; each phase must take more than a step", {.peak = 1});
  refused("OneCycleRate: rise is 0.3 of 3 steps; each phase must take more than a step", {.peak = 1, .steps = 3});
  refused("OneCycleRate: rise is 1 of 30 steps; each phase must take more than a step",
          {.peak = 1, .steps = 30, .rise = 1});
  refused("OneCycleRate: rise is 0.6 of 30 steps; each phase must take more than a step",
          {.peak = 1, .steps = 30, .rise = 0.6, .three_phases = true});
  refused("OneCycleRate: start_divisor is 0 and end_divisor 10000; both must be above 0",
          {.peak = 1, .steps = 30, .start_divisor = 0});
}

TEST_CASE("CyclicRate") {
  check_close(first(CyclicRate{.low = 1, .high = 5, .up = 2}, 9), {1, 3, 5, 3, 1, 3, 5, 3, 1});
  check_close(first(CyclicRate{.low = 1, .high = 5, .up = 1, .down = 4}, 6), {1, 5, 4, 3, 2, 1});
  check_close(first(CyclicRate{.low = 1, .high = 5, .up = 2, .cycle_factor = 0.5}, 9), {1, 3, 5, 3, 1, 2, 3, 2, 1});
  check_close(first(CyclicRate{.low = 1, .high = 5, .up = 1, .step_factor = 0.5}, 4), {1, 3, 1, 1.5});
  const CyclicRate rate{.low = 1, .high = 5, .up = 2, .low_momentum = 0.5, .high_momentum = 0.9};
  check_close(first([&](Index k) { return rate.momentum(k); }, 5), {0.9, 0.7, 0.5, 0.7, 0.9});
  CHECK_THROWS_WITH_AS(CyclicRate{.high = 1}(0), "CyclicRate: up is 0; it must be at least 1", UsageError);
}
