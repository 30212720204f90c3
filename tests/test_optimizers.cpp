// The optimizers one by one: paths by hand, what their options do, and what they refuse.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <unroll/tests/golden/hand_values.h>
#include <unroll/tests/optim_testing.h>

using namespace unroll;
using namespace unroll::optim_testing;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// w after steps with these gradients, from 2.
double after(Optimizer&& optimizer, std::initializer_list<double> gradients) {
  Params params(0, f64);
  const Param w = Scope(params)("w", {1}, constant(2));
  for (const double g : gradients) optimizer.step(params, only(w, Array::full({1}, f64, g)));
  return w.value().item();
}

}  // namespace

TEST_CASE("the optimizers' paths by hand") {
  const auto check = [](auto optimizer, const auto& want) { check_path(optimizer, want); };
  check(Sgd({.rate = 0.1, .momentum = 0.9, .dampening = 0.25}), golden::sgd_dampened);
  check(Sgd({.rate = 0.1, .momentum = 0.9, .nesterov = true}), golden::sgd_nesterov);
  check(Asgd({.rate = 0.1, .lambda = 0.5, .t0 = 1, .weight_decay = 0.01}), golden::asgd);
  check(Adagrad({.rate = 0.1}), golden::adagrad);
  check(Adagrad({.rate = 0.1, .rate_decay = 0.5, .initial_accumulator = 0.25, .weight_decay = 0.01}),
        golden::adagrad_decays);
  check(Adadelta(), golden::adadelta);
  check(Adadelta({.rho = 0.5, .epsilon = 0.125, .weight_decay = 0.01}), golden::adadelta_decay);
  check(RmsProp({.rate = 0.1, .alpha = 0.5, .centred = true}), golden::rmsprop_centred);
  check(RmsProp({.rate = 0.1, .alpha = 0.5, .epsilon = 0.25, .momentum = 0.5, .centred = true}), golden::rmsprop_all);
  check(RmsProp({.rate = 0.1,
                 .alpha = 0.5,
                 .epsilon = 0.25,
                 .epsilon_place = Epsilon::inside_root,
                 .momentum = 0.5,
                 .centred = true}),
        golden::rmsprop_inside);
  check(Adam({.rate = 0.75, .beta2 = 0.5, .amsgrad = true}), golden::amsgrad);
  check(AdamW({.rate = 0.75, .beta2 = 0.5, .amsgrad = true, .weight_decay = 0}), golden::amsgrad);
  check(Adamax({.rate = 0.1}), golden::adamax);
  check(Adamax({.rate = 0.1, .beta1 = 0.5, .beta2 = 0.25, .epsilon = 0.5, .weight_decay = 0.01}), golden::adamax_decay);
  check(NAdam({.rate = 0.1}), golden::nadam);
  check(NAdam({.rate = 0.1, .beta1 = 0.5, .beta2 = 0.75, .momentum_decay = 1, .weight_decay = 0.01}),
        golden::nadam_decay);
  check(NAdam({.rate = 0.1, .weight_decay = 0.01, .decoupled_decay = true}), golden::nadam_decoupled);
  check(RAdam({.rate = 0.1, .beta2 = 0.875}), golden::radam);
  check(RAdam({.rate = 0.1, .beta2 = 0.875, .weight_decay = 0.01}), golden::radam_decay);
  check(RAdam({.rate = 0.1, .beta2 = 0.875, .weight_decay = 0.01, .decoupled_decay = true}), golden::radam_decoupled);
  check(Lion({.rate = 0.1, .weight_decay = 0.01}), golden::lion);
  check(Ftrl({.rate = 0.1}), golden::ftrl);
  check(Ftrl({.rate = 0.1, .beta = 0.5, .l1 = 0.25, .l2 = 1}), golden::ftrl_all);
}

TEST_CASE("Asgd: the average, in the parameters' place for a while") {
  Params params(0, f64);
  const Param w = Scope(params)("w", {1}, constant(2)), idle = Scope(params)("idle", {1}, constant(7));
  Asgd asgd({.rate = 0.1, .lambda = 0.5, .t0 = 1, .weight_decay = 0.01});
  for (Index k = 0; k < golden::asgd.size(); ++k) {
    asgd.step(params, only(w, Array::full({1}, f64, 3 * (w.value().item() - 0.25))));
    {
      const auto averaged = asgd.applied(params);
      CHECK(w.value().item() == doctest::Approx(golden::asgd_average[k]).epsilon(1e-14));
      CHECK(idle.value().item() == 7);
    }
    CHECK(w.value().item() == doctest::Approx(golden::asgd[k]).epsilon(1e-14));
  }
}

TEST_CASE("equalities between optimizers") {
  const std::initializer_list<double> g{3, -1, 0.5, 2};
  const auto same = [&](Optimizer&& a, Optimizer&& b) {
    CHECK(after(std::move(a), g) == doctest::Approx(after(std::move(b), g)).epsilon(1e-13));
  };
  // Without averaging and shrinking, and at a constant rate, averaged descent is descent.
  same(Asgd({.rate = 0.1, .lambda = 0, .weight_decay = 0.1}), Sgd({.rate = 0.1, .weight_decay = 0.1}));
  // With β₁ = 0 and no momentum Adam's uncorrected v is RMSprop's; the rate makes up for 1 − β₂ᵏ in one step.
  CHECK(after(Adam({.rate = 0.1, .beta1 = 0, .beta2 = 0.75, .epsilon = 0}), {3}) ==
        doctest::Approx(after(RmsProp({.rate = 0.05, .alpha = 0.75, .epsilon = 0}), {3})));
  // ε of 0 has no place.
  same(RmsProp({.epsilon = 0}), RmsProp({.epsilon = 0, .epsilon_place = Epsilon::inside_root}));
  // While squares only grow, the largest v is v.
  const std::initializer_list<double> growing{1, 2, 4, 8};
  CHECK(after(Adam({.rate = 0.1, .amsgrad = true}), growing) == after(Adam({.rate = 0.1}), growing));
  CHECK(after(Adam({.rate = 0.1, .beta2 = 0.5, .amsgrad = true}), g) != after(Adam({.rate = 0.1, .beta2 = 0.5}), g));
  // Before its variance is tractable RAdam is momentum with Adam's correction: rate m̂.
  CHECK(after(RAdam({.rate = 0.1}), {3, 3, 3}) == doctest::Approx(2 - 3 * 0.1 * 3));
  // The decoupled decay alone.
  CHECK(after(NAdam({.rate = 0.1, .weight_decay = 0.5, .decoupled_decay = true}), {0}) == doctest::Approx(2 * 0.95));
  CHECK(after(RAdam({.rate = 0.1, .weight_decay = 0.5, .decoupled_decay = true}), {0}) == doctest::Approx(2 * 0.95));
  CHECK(after(Lion({.rate = 0.1, .weight_decay = 0.5}), {0}) == doctest::Approx(2 * 0.95));
}

TEST_CASE("corners of the equations") {
  // A constant gradient has no variance; rounding must not make that negative.
  for (int n = 0; n < 50; ++n) {
    const double g = 0.1 + n * 0.37;
    CHECK(std::isfinite(after(RmsProp({.rate = 0.1, .alpha = 0, .epsilon = 1e-3, .centred = true}), {g, g})));
  }
  CHECK(after(Lion({.rate = 0.1}), {0, -0.0}) == 2);
  CHECK(after(Lion({.rate = 0.1}), {1e-300}) == 1.9);
  CHECK(after(Ftrl({.rate = 0.1, .l1 = 100}), {3}) == 0);
  CHECK(after(Ftrl({.rate = 0.1}), {0}) == 0);  // it starts anew
  // A NaN is seen in every optimizer.
  for (const auto& optimizer : all_optimizers()) CHECK(std::isnan(after(std::move(*optimizer), {3, std::nan("")})));
}

TEST_CASE("momentum and beta1 from a schedule") {
  Params params(0, f64);
  const Param w = Scope(params)("w", {1}, constant(2));
  const Grads g = only(w, Array::full({1}, f64, 1));
  Sgd sgd({.rate = 1, .momentum = 0.5});
  sgd.step(params, g);  // v = 1
  sgd.set_momentum(0.25);
  sgd.step(params, g);  // v = 1.25
  CHECK(w.value().item() == -0.25);
  sgd.set_momentum(0);
  sgd.step(params, g);
  CHECK(w.value().item() == -1.25);

  CHECK_THROWS_WITH_AS(sgd.set_momentum(-1), "Sgd: momentum is -1; it must be at least 0 and below inf", UsageError);
  CHECK_THROWS_WITH_AS(Sgd().set_momentum(0.5), "Sgd: it was made without momentum, which cannot become 0.5",
                       UsageError);

  Params others(0, f64);
  const Param x = Scope(others)("x", {1}, constant(2));
  Adam adam({.rate = 1, .beta1 = 0.5, .beta2 = 0, .epsilon = 0});
  adam.step(others, only(x, Array::full({1}, f64, 1)));  // m = 1/2, m̂ = 1
  CHECK(x.value().item() == 1);
  adam.set_beta1(0.25);
  adam.step(others, only(x, Array::full({1}, f64, 1)));  // m = 1/8 + 3/4, m̂ = m / (1 − 1/16)
  CHECK(x.value().item() == doctest::Approx(1 - 0.875 / 0.9375).epsilon(1e-14));
  CHECK_THROWS_WITH_AS(adam.set_beta1(1), "Adam: beta1 is 1; it must be at least 0 and below 1", UsageError);
}

TEST_CASE("options that are refused") {
  const auto refused = [](const char* text, auto make) { CHECK_THROWS_WITH_AS(make(), text, UsageError); };
  refused("Sgd: dampening is 0.5 and momentum 0; it takes momentum, and is at most 1", [] { Sgd({.dampening = 0.5}); });
  refused("Sgd: dampening is 1.5 and momentum 0.9; it takes momentum, and is at most 1",
          [] { Sgd({.momentum = 0.9, .dampening = 1.5}); });
  refused("Sgd: Nesterov's momentum takes momentum and no dampening; they are 0 and 0",
          [] { Sgd({.nesterov = true}); });
  refused("Sgd: Nesterov's momentum takes momentum and no dampening; they are 0.9 and 0.5",
          [] { Sgd({.momentum = 0.9, .dampening = 0.5, .nesterov = true}); });
  refused("Asgd: lambda is -1; it must be at least 0 and below inf", [] { Asgd({.lambda = -1}); });
  refused("Asgd: alpha is nan; it must be at least 0 and below inf", [] { Asgd({.alpha = std::nan("")}); });
  refused("Asgd: t0 is inf; it must be at least 0 and below inf", [] { Asgd({.t0 = infinity}); });
  refused("Adagrad: rate_decay is -1; it must be at least 0 and below inf", [] { Adagrad({.rate_decay = -1}); });
  refused("Adagrad: initial_accumulator is -1; it must be at least 0 and below inf",
          [] { Adagrad({.initial_accumulator = -1}); });
  refused("Adagrad: epsilon is -1; it must be at least 0 and below inf", [] { Adagrad({.epsilon = -1}); });
  refused("Adadelta: rho is 1; it must be at least 0 and below 1", [] { Adadelta({.rho = 1}); });
  refused("Adadelta: epsilon is -1; it must be at least 0 and below inf", [] { Adadelta({.epsilon = -1}); });
  refused("RmsProp: momentum is -1; it must be at least 0 and below inf", [] { RmsProp({.momentum = -1}); });
  refused("Adamax: beta1 is 1; it must be at least 0 and below 1", [] { Adamax({.beta1 = 1}); });
  refused("Adamax: beta2 is 1; it must be at least 0 and below 1", [] { Adamax({.beta2 = 1}); });
  refused("Adamax: epsilon is -1; it must be at least 0 and below inf", [] { Adamax({.epsilon = -1}); });
  refused("NAdam: beta1 is 1; it must be at least 0 and below 1", [] { NAdam({.beta1 = 1}); });
  refused("NAdam: momentum_decay is -1; it must be at least 0 and below inf", [] { NAdam({.momentum_decay = -1}); });
  refused("RAdam: beta2 is 1; it must be at least 0 and below 1", [] { RAdam({.beta2 = 1}); });
  refused("RAdam: epsilon is -1; it must be at least 0 and below inf", [] { RAdam({.epsilon = -1}); });
  refused("Lion: beta1 is -0.5; it must be at least 0 and below 1", [] { Lion({.beta1 = -0.5}); });
  refused("Ftrl: l1 is -1; it must be at least 0 and below inf", [] { Ftrl({.l1 = -1}); });
  refused("Ftrl: initial_accumulator is 0; it must be above that", [] { Ftrl({.initial_accumulator = 0}); });
}
