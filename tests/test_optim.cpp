#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <set>

#include <unroll/tests/golden/hand_values.h>
#include <unroll/tests/optim_testing.h>

using namespace unroll;
using namespace unroll::optim_testing;

TEST_CASE("Sgd: closed form on a quadratic") {
  for (const auto& run : golden::sgd_quadratic) {
    Params params(0, f64);
    const Param w = Scope(params)("w", {1}, constant(run.start));
    Sgd sgd({.rate = run.rate});
    int k = 0;
    for (Index i = 0; i < golden::sgd_steps.size(); ++i) {
      for (; k < golden::sgd_steps[i]; ++k) {
        sgd.step(params, only(w, Array::full({1}, f64, run.curvature * w.value().item())));
      }
      CHECK(w.value().item() == doctest::Approx(run.w[i]).epsilon(1e-13));
    }
  }
}

TEST_CASE("three steps by hand") {
  const auto check = [](auto optimizer, const auto& want) { check_path(optimizer, want); };
  check(Sgd({.rate = 0.1, .momentum = 0.9}), golden::sgd_momentum);
  check(Sgd({.rate = 0.1, .momentum = 0.9, .weight_decay = 0.01}), golden::sgd_momentum_decay);
  check(RmsProp({.rate = 0.1}), golden::rmsprop);
  check(RmsProp({.rate = 0.1, .weight_decay = 0.01}), golden::rmsprop_decay);
  check(Adam({.rate = 0.1}), golden::adam);
  check(Adam({.rate = 0.1, .weight_decay = 0.01}), golden::adam_decay);
  check(AdamW({.rate = 0.1, .weight_decay = 0.01}), golden::adamw);
  check(AdamW({.rate = 0.1}), golden::adamw);  // the default decay, as in PyTorch
  check(AdamW({.rate = 0.1, .weight_decay = 0}), golden::adam);
}

TEST_CASE("every option counts, and each element is updated by itself") {
  // One step from w = 2 with g = 3, in one line each: m̂ = g and v̂ = g² whatever the betas.
  const auto after = [](auto optimizer, int steps) {
    Params params(0, f64);
    const Param w = Scope(params)("w", {3}, constant(2));
    for (int k = 0; k < steps; ++k) {
      const double g[] = {3, -3, 0};
      optimizer.step(params, only(w, Array::of({3}, g)));
    }
    return w.value();
  };
  const Array sgd = after(Sgd({.rate = 0.5}), 1);
  CHECK(sgd.flat(0) == 0.5);
  CHECK(sgd.flat(1) == 3.5);
  CHECK(sgd.flat(2) == 2);
  const Array adam = after(Adam({.rate = 0.5, .beta1 = 0.5, .beta2 = 0.25, .epsilon = 3}), 1);
  CHECK(adam.flat(0) == doctest::Approx(2 - 0.5 * 3 / (3. + 3)));
  CHECK(adam.flat(1) == doctest::Approx(2 + 0.5 * 3 / (3. + 3)));
  CHECK(adam.flat(2) == 2);
  const Array adamw = after(AdamW({.rate = 0.5, .beta1 = 0.5, .beta2 = 0.25, .epsilon = 3, .weight_decay = 0.25}), 1);
  CHECK(adamw.flat(0) == doctest::Approx(2 * (1 - 0.5 * 0.25) - 0.5 * 3 / (3. + 3)));
  // s = (1 − α) g² = 2.25, √s = 1.5
  CHECK(after(RmsProp({.rate = 0.5, .alpha = 0.75, .epsilon = 1.5}), 1).flat(0) == doctest::Approx(2 - 0.5 * 3 / 3.));
  // A constant gradient leaves Adam's m̂ and v̂ what they are, at every step and for all betas.
  CHECK(after(Adam({.rate = 0.5, .beta1 = 0.3, .beta2 = 0.6, .epsilon = 0}), 7).flat(0) ==
        doctest::Approx(2 - 7 * 0.5));
  // Momentum with a constant gradient: v_k = g (1 − μᵏ) / (1 − μ).
  CHECK(after(Sgd({.rate = 0.5, .momentum = 0.5}), 2).flat(0) == doctest::Approx(2 - 0.5 * 3 * (1 + 1.5)));
}

TEST_CASE("a rate given to step replaces the option") {
  for (const auto& optimizer : all_optimizers()) {
    Model one(f64), other(f64);
    const Grads grads = only(one.w, noisy(one.w.shape(), f64, 1));
    optimizer->step(one.params, grads, 0);
    CHECK(same_bits(one.w.value(), other.w.value()));
  }
  Params params(0, f64);
  const Param w = Scope(params)("w", {1}, constant(2));
  Sgd sgd({.rate = 100});
  sgd.step(params, only(w, Array::full({1}, f64, 3)), 0.5);
  CHECK(w.value().item() == 0.5);
}

TEST_CASE("decay_matrices_only spares what has fewer than two axes") {
  // With zero gradients only the decay moves anything.
  const auto check = [](auto make, bool coupled_by_a_ratio) {
    for (const bool matrices_only : {false, true}) {
      Params params(0, f64);
      const Scope scope(params);
      const Param cube = scope("cube", {1, 1, 1}, constant(2)), matrix = scope("matrix", {1, 1}, constant(2)),
                  bias = scope("bias", {1}, constant(2)), number = scope("number", {}, constant(2));
      Grads zeros;
      for (const Param& param : params) zeros.insert(param, Array::zeros(param.shape(), f64));
      auto optimizer = make(matrices_only);
      optimizer.step(params, zeros);
      if (!coupled_by_a_ratio) CHECK(matrix.value().item() == doctest::Approx(2 - 0.1 * 0.5 * 2));
      CHECK(matrix.value().item() < 2);
      CHECK(cube.value().item() == matrix.value().item());
      CHECK(bias.value().item() == (matrices_only ? 2 : matrix.value().item()));
      CHECK(number.value().item() == bias.value().item());
    }
  };
  check([](bool only) { return Sgd({.rate = 0.1, .weight_decay = 0.5, .decay_matrices_only = only}); }, false);
  check([](bool only) { return AdamW({.rate = 0.1, .weight_decay = 0.5, .decay_matrices_only = only}); }, false);
  check([](bool only) { return Adam({.rate = 0.1, .weight_decay = 0.5, .decay_matrices_only = only}); }, true);
  check([](bool only) { return RmsProp({.rate = 0.1, .weight_decay = 0.5, .decay_matrices_only = only}); }, true);
}

TEST_CASE("only what has a gradient and is not frozen is touched, and counts its own updates") {
  for (const auto& optimizer : all_optimizers()) {
    Model model(f64), twin(f64);
    const Array w = model.w.value(), b = model.b.value();
    const Array g = noisy(b.shape(), f64, 3);

    // Another model's gradient of the same name, order and shape means nothing to this one.
    optimizer->step(model.params, only(twin.b, g));
    CHECK(same_bits(model.b.value(), b));
    CHECK(same_bits(twin.b.value(), b));
    CHECK(optimizer->state(model.params).at("layer.b/steps").item() == 0);

    // Frozen: not even weight decay.
    model.params.freeze("layer.w");
    model.train(*optimizer, 0, 3);
    CHECK(same_bits(model.w.value(), w));
    CHECK_FALSE(same_bits(model.b.value(), b));
    model.params.freeze("layer.w", false);

    // No gradient: w's first update comes fourth and is as a first update is.
    optimizer->step(model.params, only(model.b, g));
    CHECK(same_bits(model.w.value(), w));
    const Grads late = only(model.w, noisy(w.shape(), f64, 9));
    optimizer->step(model.params, late);
    const Array none = Array::zeros({}, f64);
    optimizer->restore(twin.params, {{"layer.w/steps", none}, {"layer.b/steps", none}});
    optimizer->step(twin.params, only(twin.w, noisy(w.shape(), f64, 9)));
    CHECK(same_bits(model.w.value(), twin.w.value()));
  }
}

TEST_CASE("a copy of a value made before a step stays what it was") {
  for (const auto& optimizer : all_optimizers()) {
    Model model(f32);
    const Array before = model.w.value(), copy = before.copy();
    model.train(*optimizer, 0, 1);
    CHECK(same_bits(before, copy));
    CHECK_FALSE(same_bits(model.w.value(), copy));
  }
}

TEST_CASE("an element of a large parameter fares as it would alone") {
  constexpr Index size = 70001, part = 3;  // from every piece of the work, and from both ends
  auto large = all_optimizers(), small = all_optimizers();
  for (Index i = 0; i < large.size(); ++i) {
    Params params(0, f64);
    const Param all = Scope(params)("all", {size}, constant(1));
    for (Index k = 0; k < 3; ++k) large[i]->step(params, only(all, noisy({size}, f64, k)));
    Params few(0, f64);
    const Param some = Scope(few)("some", {part}, constant(1));
    const Index places[part] = {5, 40000, size - 1};
    for (Index k = 0; k < 3; ++k) {
      const Array g = noisy({size}, f64, k);
      const double picked[] = {g.flat(places[0]), g.flat(places[1]), g.flat(places[2])};
      small[i]->step(few, only(some, Array::of({part}, picked)));
    }
    for (Index n = 0; n < part; ++n) {
      CHECK(all.value().flat(places[n]) == doctest::Approx(some.value().flat(n)).epsilon(1e-14));
    }
  }
}

TEST_CASE("the same bits on one thread and on two") {
  auto single = all_optimizers(), twofold = all_optimizers();
  for (Index i = 0; i < single.size(); ++i) {
    Model one(f32), two(f32);
    one.train(*single[i], 0, 3);
    set_threads(2);
    two.train(*twofold[i], 0, 3);
    set_threads(1);
    CHECK(same_bits(one.w.value(), two.w.value()));
    CHECK(same_bits(one.b.value(), two.b.value()));
  }
}

TEST_CASE("after the first step nothing is allocated or moved") {
  for (const auto& optimizer : all_optimizers()) {
    Model model(f32);
    Grads grads = only(model.w, noisy(model.w.shape(), f32, 1));
    grads.insert(model.b, noisy(model.b.shape(), f32, 2));
    optimizer->step(model.params, grads);
    const void* place = model.w.value().data<float>();
    const PoolStats before = pool_stats();
    for (int k = 0; k < 10; ++k) optimizer->step(model.params, grads);
    CHECK(pool_stats().system_calls == before.system_calls);
    CHECK(model.w.value().data<float>() == place);
  }
}

TEST_CASE("tiny gradients leave no denormals behind") {
  Params params(0, f32);
  const Param w = Scope(params)("w", {8}, zero);
  Adam adam;
  adam.step(params, only(w, Array::full({8}, f32, 1e-20)));  // (1 − β₂) g² = 1e-43
  CHECK(adam.state(params).at("w/second_moment").flat(0) == 0);
}

TEST_CASE("wrong calls") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH_AS(Sgd({.rate = -1}), "Sgd: rate is -1; it must be at least 0 and below inf", UsageError);
  CHECK_THROWS_WITH_AS(Sgd({.momentum = std::nan("")}), "Sgd: momentum is nan; it must be at least 0 and below inf",
                       UsageError);
  CHECK_THROWS_WITH_AS(RmsProp({.alpha = 1}), "RmsProp: alpha is 1; it must be at least 0 and below 1", UsageError);
  CHECK_THROWS_WITH_AS(RmsProp({.epsilon = -1e-8}), "RmsProp: epsilon is -1e-08; it must be at least 0 and below inf",
                       UsageError);
  CHECK_THROWS_WITH_AS(Adam({.rate = infinity}), "Adam: rate is inf; it must be at least 0 and below inf", UsageError);
  CHECK_THROWS_WITH_AS(Adam({.beta1 = 1.5}), "Adam: beta1 is 1.5; it must be at least 0 and below 1", UsageError);
  CHECK_THROWS_WITH_AS(Adam({.beta2 = -0.1}), "Adam: beta2 is -0.1; it must be at least 0 and below 1", UsageError);
  CHECK_THROWS_WITH_AS(AdamW({.weight_decay = -1}), "AdamW: weight_decay is -1; it must be at least 0 and below inf",
                       UsageError);

  Model model(f32), other(f32);
  AdamW adamw;
  CHECK_THROWS_WITH_AS(adamw.step(model.params, {}, std::nan("")),
                       "AdamW: rate is nan; it must be at least 0 and below inf", UsageError);
  CHECK_THROWS_WITH_AS(adamw.step(model.params, only(model.b, Array::zeros({36}, f32))),
                       "AdamW: the gradient of 'layer.b' is f32 [36] and the parameter f32 [37]", ShapeError);
  CHECK_THROWS_WITH_AS(adamw.step(model.params, only(model.b, Array::zeros({37}, f64))),
                       "AdamW: the gradient of 'layer.b' is f64 [37] and the parameter f32 [37]", ShapeError);
  const char* foreign =
      "AdamW: 'layer.w' of an earlier step is not among these parameters; each set needs an optimizer of its own";
  CHECK_THROWS_WITH_AS(adamw.step(other.params, {}), foreign, UsageError);
  CHECK_THROWS_WITH_AS(adamw.state(other.params), foreign, UsageError);
}
