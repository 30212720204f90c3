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
