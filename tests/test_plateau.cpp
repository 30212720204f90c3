#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <unroll/optim/plateau.h>

using namespace unroll;

namespace {

using Better = PlateauOptions::Better;
using Threshold = PlateauOptions::Threshold;

std::vector<double> rates(Plateau&& plateau, std::initializer_list<double> metrics) {
  std::vector<double> all;
  for (const double metric : metrics) all.push_back(plateau.observe(metric));
  return all;
}

}  // namespace

TEST_CASE("Plateau: the rate falls after more values than its patience that are not better") {
  using Rates = std::vector<double>;
  const double nan = std::nan("");
  CHECK(rates(Plateau({.rate = 1, .factor = 0.5, .patience = 1}), {5, 4, 4, 4, 4, 4, 3, 3, 3}) ==
        Rates{1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125});
  CHECK(rates(Plateau({.rate = 1, .factor = 0.5, .patience = 0}), {5, nan, 4, 4}) == Rates{1, 0.5, 0.5, 0.25});
  CHECK(rates(Plateau({.rate = 1, .factor = 0.5, .patience = 0, .better = Better::larger}), {4, 5, 5, 4, 6}) ==
        Rates{1, 1, 0.5, 0.25, 0.25});
  // Better by more than the threshold: 10 % of the best, or 1.
  CHECK(rates(Plateau({.rate = 1, .factor = 0.5, .patience = 0, .threshold = 0.1}), {10, 9.5, 8.5, 7.7, 7.6}) ==
        Rates{1, 0.5, 0.5, 0.25, 0.25});
  CHECK(rates(Plateau({.rate = 1,
                       .factor = 0.5,
                       .patience = 0,
                       .better = Better::larger,
                       .threshold = 1,
                       .threshold_kind = Threshold::absolute}),
              {4, 5, 5.5, 7}) == Rates{1, 0.5, 0.5, 0.5});
  // Values during the cooldown do not count.
  CHECK(rates(Plateau({.rate = 1, .factor = 0.5, .patience = 0, .cooldown = 2}), {4, 4, 4, 4, 4, 4}) ==
        Rates{1, 0.5, 0.5, 0.5, 0.25, 0.25});
  CHECK(rates(Plateau({.rate = 1, .factor = 0.1, .patience = 0, .floor = 0.3}), {4, 4, 4}) == Rates{1, 0.3, 0.3});
  CHECK(rates(Plateau({.rate = 1, .factor = 0.5, .patience = 0, .least_change = 0.3}), {4, 4, 4}) ==
        Rates{1, 0.5, 0.5});
}

TEST_CASE("Plateau: saved at any value and restored, it goes on the same") {
  const PlateauOptions options{.rate = 1, .factor = 0.5, .patience = 1, .cooldown = 1};
  const std::vector<double> metrics{5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 2};
  for (Index cut = 0; cut <= metrics.size(); ++cut) {
    Plateau whole(options), first(options), second(options);
    for (Index i = 0; i < metrics.size(); ++i) {
      if (i == cut) second.restore(first.state());
      const double rate = (i < cut ? first : second).observe(metrics[i]);
      CHECK(rate == whole.observe(metrics[i]));
    }
  }
}

TEST_CASE("Plateau: wrong calls") {
  const auto refused = [](const char* text, const PlateauOptions& options) {
    CHECK_THROWS_WITH_AS(Plateau{options}, text, UsageError);
  };
  refused("Plateau: rate is -1; it must be at least 0 and below inf", {.rate = -1});
  refused("Plateau: factor is 1; it must be at least 0 and below 1", {.rate = 1, .factor = 1});
  refused("Plateau: factor is nan; it must be at least 0 and below 1", {.rate = 1, .factor = std::nan("")});
  refused("Plateau: threshold is -1; it must be at least 0 and below inf", {.rate = 1, .threshold = -1});
  refused("Plateau: floor is inf; it must be at least 0 and below inf",
          {.rate = 1, .floor = std::numeric_limits<double>::infinity()});
  refused("Plateau: least_change is -1; it must be at least 0 and below inf", {.rate = 1, .least_change = -1});

  Plateau plateau({.rate = 1});
  OptimizerState state = plateau.state();
  state["more"] = Array::zeros({}, f64);
  CHECK_THROWS_WITH_AS(plateau.restore(state), "Plateau: the saved state holds 'more', which is nothing of a plateau",
                       UsageError);
  CHECK_THROWS_WITH_AS(plateau.restore({}), "Plateau: 'rate' is missing in the saved state", UsageError);
}
