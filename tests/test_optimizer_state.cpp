#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <set>

#include <unroll/tests/optim_testing.h>

using namespace unroll;
using namespace unroll::optim_testing;

TEST_CASE("five steps, saved and restored, and five more are ten") {
  for (const Dtype dtype : {f32, f64}) {
    auto straight = all_optimizers(), first = all_optimizers(), second = all_optimizers();
    for (Index i = 0; i < straight.size(); ++i) {
      CAPTURE(i);
      Model whole(dtype), half(dtype), resumed(dtype);
      whole.train(*straight[i], 0, 10);
      half.train(*first[i], 0, 5);
      const OptimizerState state = first[i]->state(half.params);
      resumed.w.set(half.w.value().copy());
      resumed.b.set(half.b.value().copy());
      half.train(*first[i], 50, 2);  // the state is a value: what comes later does not change it
      second[i]->restore(resumed.params, state);
      resumed.train(*second[i], 5, 5);
      CHECK(same_bits(resumed.w.value(), whole.w.value()));
      CHECK(same_bits(resumed.b.value(), whole.b.value()));

      const OptimizerState end = straight[i]->state(whole.params), same = second[i]->state(resumed.params);
      CHECK(end.size() == same.size());
      for (const auto& [name, array] : end) CHECK(same_bits(array, same.at(name)));
    }
  }
}

TEST_CASE("the state's names and shapes") {
  const auto names = [](const OptimizerState& state) {
    std::set<std::string> all;
    for (const auto& entry : state) all.insert(entry.first);
    return all;
  };
  using Names = std::set<std::string>;
  Model model(f32);
  Adam adam;
  CHECK(names(adam.state(model.params)) == Names{"layer.w/steps", "layer.b/steps"});
  adam.step(model.params, only(model.b, noisy({37}, f32, 1)));
  adam.step(model.params, only(model.b, noisy({37}, f32, 2)));
  const OptimizerState state = adam.state(model.params);
  CHECK(names(state) == Names{"layer.w/steps", "layer.b/steps", "layer.b/first_moment", "layer.b/second_moment"});
  CHECK(state.at("layer.w/steps").item() == 0);
  CHECK(state.at("layer.b/steps").item() == 2);
  const Array first = state.at("layer.b/first_moment");
  CHECK(first.shape() == Shape{37});
  CHECK(first.flat(5) == doctest::Approx(0.9 * 0.1 * noise(1005) + 0.1 * noise(2005)));

  // A parameter that was created after the last step is part of the state, and of the next step.
  const Param late = Scope(model.params)("late", {2}, zero);
  CHECK(names(adam.state(model.params)).contains("late/steps"));
  adam.step(model.params, only(late, Array::full({2}, f32, 1)));
  CHECK(late.value().flat(1) == doctest::Approx(-1e-3));

  Model other(f32), third(f32);
  Sgd plain, heavy({.momentum = 0.9});
  other.train(plain, 0, 1);
  third.train(heavy, 0, 1);
  CHECK(names(plain.state(other.params)) == Names{"layer.w/steps", "layer.b/steps"});
  CHECK(names(heavy.state(third.params)) ==
        Names{"layer.w/steps", "layer.w/momentum", "layer.b/steps", "layer.b/momentum"});

  // A moment that is one number for each parameter stays in f64.
  Model fourth(f32);
  NAdam nadam;
  fourth.train(nadam, 0, 3);
  const Array product = nadam.state(fourth.params).at("layer.w/momentum_product");
  const auto mu = [](double k) { return 0.9 * (1 - 0.5 * std::pow(0.96, k * 4e-3)); };
  CHECK(product.shape() == Shape{});
  CHECK(product.item() == doctest::Approx(mu(1) * mu(2) * mu(3)).epsilon(1e-15));
}

TEST_CASE("restore is strict, and an error changes nothing") {
  Model model(f32);
  Adam adam;
  model.train(adam, 0, 2);
  const OptimizerState good = adam.state(model.params);
  const auto message = [&](const std::function<void(OptimizerState&)>& spoil) -> std::string {
    OptimizerState state = good;
    spoil(state);
    try {
      adam.restore(model.params, state);
    } catch (const Error& error) { return error.what(); }
    return "";
  };
  CHECK(message([](auto&) {}) == "");
  CHECK(message([](auto& s) { s.clear(); }) == "Adam: 'layer.w/steps' is missing in the saved state");
  CHECK(message([](auto& s) { s.erase("layer.b/steps"); }) == "Adam: 'layer.b/steps' is missing in the saved state");
  CHECK(message([](auto& s) { s.erase("layer.w/second_moment"); }) ==
        "Adam: 'layer.w/second_moment' is missing in the saved state");
  CHECK(message([](auto& s) { s["layer.b/momentum"] = Array::zeros({37}, f32); }) ==
        "Adam: the saved state holds 'layer.b/momentum', which is not a moment of Adam for any of the parameters");
  CHECK(message([](auto& s) { s["old/steps"] = Array::zeros({}, f64); }) ==
        "Adam: the saved state holds 'old/steps', which is not a moment of Adam for any of the parameters");
  CHECK(message([](auto& s) { s["layer.b/steps"] = Array::zeros({}, f64); }) ==
        "Adam: the saved state holds 'layer.b/first_moment', which is not a moment of Adam for any of the parameters");
  CHECK(message([](auto& s) { s["layer.b/first_moment"] = Array::zeros({38}, f32); }) ==
        "Adam: 'layer.b/first_moment' in the saved state is [38], expected [37]");
  CHECK(message([](auto& s) { s["layer.b/steps"] = Array::zeros({1}, f64); }) ==
        "Adam: 'layer.b/steps' in the saved state is [1], expected []");
  for (const auto& [steps, text] : {std::pair{1.5, "1.5"}, {-1., "-1"}, {std::nan(""), "nan"}, {1e300, "1e+300"}}) {
    CHECK(message([steps = steps](auto& s) { s["layer.b/steps"] = Array::full({}, f64, steps); }) ==
          fmt::format("Adam: 'layer.b/steps' in the saved state is {}, expected a number of steps", text));
  }

  Sgd sgd;
  CHECK_THROWS_WITH_AS(
      sgd.restore(model.params, good),
      "Sgd: the saved state holds 'layer.b/first_moment', which is not a moment of Sgd for any of the parameters",
      UsageError);
  RmsProp rmsprop;
  CHECK_THROWS_WITH_AS(rmsprop.restore(model.params, good),
                       "RmsProp: 'layer.w/mean_square' is missing in the saved state", UsageError);

  const OptimizerState still = adam.state(model.params);
  CHECK(still.size() == good.size());
  for (const auto& [name, array] : good) CHECK(same_bits(still.at(name), array));
}

TEST_CASE("moments follow params.to(dtype)") {
  auto optimizers = all_optimizers(), references = all_optimizers();
  for (Index i = 0; i < optimizers.size(); ++i) {
    Model model(f32), wide(f64);
    model.train(*optimizers[i], 0, 3);
    OptimizerState state = optimizers[i]->state(model.params);
    for (auto& [name, array] : state) array = array.to(f64);
    references[i]->restore(wide.params, state);
    wide.w.set(model.w.value().to(f64));
    wide.b.set(model.b.value().to(f64));

    model.params.to(f64);
    model.train(*optimizers[i], 3, 2);
    wide.train(*references[i], 3, 2);
    CHECK(same_bits(model.w.value(), wide.w.value()));
    CHECK(same_bits(model.b.value(), wide.b.value()));
    for (const auto& [name, array] : optimizers[i]->state(model.params)) CHECK(array.dtype() == f64);
  }
}
