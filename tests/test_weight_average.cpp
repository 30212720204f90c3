#include <doctest/doctest.h>

#include <cmath>

#include <unroll/optim/weight_average.h>
#include <unroll/tests/optim_testing.h>

using namespace unroll;
using namespace unroll::optim_testing;

namespace {

/// One parameter that goes through given values.
struct Walk {
  explicit Walk(Dtype dtype = f64) : params(0, dtype), w(Scope(params)("w", {2, 2}, constant(2))) {}
  void to(double value) const { w.set(Array::full({2, 2}, w.dtype(), value)); }
  /// The averages after each of these values.
  std::vector<double> averages(WeightAverage& average, std::initializer_list<double> values) const {
    std::vector<double> all;
    for (const double value : values) {
      to(value);
      average.update(params);
      all.push_back(average[w].flat(3));
    }
    return all;
  }
  Params params;
  Param w;
};

void check_close(const std::vector<double>& got, const std::vector<double>& want, double epsilon = 1e-15) {
  REQUIRE(got.size() == want.size());
  for (Index i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(want[i]).epsilon(epsilon));
}

}  // namespace

TEST_CASE("WeightAverage: by hand") {
  for (const Dtype dtype : {f64, f32}) {
    const Walk a(dtype), b(dtype), c(dtype), d(dtype);
    WeightAverage ema(a.params, {.decay = 0.75});  // from 2
    check_close(a.averages(ema, {4, 0, 8}), {2.5, 1.875, 3.40625});
    WeightAverage corrected(b.params, {.decay = 0.5, .bias_corrected = true});
    check_close(b.averages(corrected, {4, 0, 8}), {4, (0.5 * 4 + 0) / 1.5, (0.25 * 4 + 0 + 8) / 1.75}, 1e-7);
    WeightAverage mean(c.params, {.decay = 1});
    check_close(c.averages(mean, {4, 0, 8, 0}), {4, 2, 4, 3}, 1e-7);
    WeightAverage last(d.params, {.decay = 0});
    check_close(d.averages(last, {4, 0, 8}), {4, 0, 8});
  }
  // The correction as Adam's: the average from 0, over 1 − decayᵏ.
  const Walk walk;
  WeightAverage average(walk.params, {.decay = 0.9, .bias_corrected = true});
  double from_zero = 0;
  for (int k = 1; k <= 20; ++k) {
    const double value = noise(static_cast<Index>(k));
    from_zero = 0.9 * from_zero + 0.1 * value;
    check_close(walk.averages(average, {value}), {from_zero / (1 - std::pow(0.9, k))}, 1e-13);
  }
}

TEST_CASE("WeightAverage: applied for a while, and put back") {
  Walk walk;
  WeightAverage ema(walk.params, {.decay = 0.75});
  walk.averages(ema, {4});
  const void* place = walk.w.value().data<double>();
  {
    const auto averaged = ema.applied(walk.params);
    CHECK(walk.w.value().flat(0) == 2.5);
    walk.to(100);  // what is trained meanwhile is lost
    CHECK(ema[walk.w].flat(0) == 2.5);
  }
  CHECK(walk.w.value().flat(0) == 4);
  CHECK(walk.w.value().data<double>() == place);
  try {
    const auto averaged = ema.applied(walk.params);
    throw 1;
  } catch (int) { CHECK(walk.w.value().flat(0) == 4); }

  // A step after it does not reach into the average.
  Sgd({.rate = 1}).step(walk.params, only(walk.w, Array::full({2, 2}, f64, 1)));
  CHECK(walk.w.value().flat(0) == 3);
  CHECK(ema[walk.w].flat(0) == 2.5);
}

TEST_CASE("WeightAverage: beside an optimizer, on large parameters and on two threads") {
  const auto train = [](Index threads) {
    set_threads(threads);
    Model model(f32);
    Adam adam({.rate = 0.1});
    WeightAverage ema(model.params, {.decay = 0.5});
    std::vector<double> by_hand{model.w.value().flat(33000), model.b.value().flat(36)};
    for (Index k = 0; k < 4; ++k) {
      model.train(adam, k, 1);
      ema.update(model.params);
      by_hand[0] = 0.5 * by_hand[0] + 0.5 * model.w.value().flat(33000);
      by_hand[1] = 0.5 * by_hand[1] + 0.5 * model.b.value().flat(36);
    }
    set_threads(1);
    check_close({ema[model.w].flat(33000), ema[model.b].flat(36)}, by_hand, 1e-6);
    return ema[model.w];
  };
  CHECK(same_bits(train(1), train(2)));
}

TEST_CASE("WeightAverage: saved and restored, it goes on with the same bits") {
  for (const WeightAverageOptions& options :
       {WeightAverageOptions{.decay = 0.9}, {.decay = 0.9, .bias_corrected = true}, {.decay = 1}}) {
    const Walk whole(f32), resumed(f32);
    WeightAverage straight(whole.params, options), second(resumed.params, options);
    whole.averages(straight, {3, 0.1, 0.7});
    second.restore(straight.state());
    CHECK(whole.averages(straight, {0.3, -2}) == resumed.averages(second, {0.3, -2}));
  }
  const Walk walk;
  WeightAverage ema(walk.params);
  walk.averages(ema, {3, 4});
  const OptimizerState good = ema.state();
  CHECK(good.size() == 2);
  CHECK(good.at("updates").item() == 2);
  CHECK(good.at("w/average").shape() == Shape{2, 2});
  const auto message = [&](const auto& spoil) -> std::string {
    OptimizerState state = good;
    spoil(state);
    try {
      ema.restore(state);
    } catch (const Error& error) { return error.what(); }
    return "";
  };
  CHECK(message([](auto& s) { s.erase("updates"); }) == "WeightAverage: 'updates' is missing in the saved state");
  CHECK(message([](auto& s) { s.erase("w/average"); }) == "WeightAverage: 'w/average' is missing in the saved state");
  CHECK(message([](auto& s) { s["w/average"] = Array::zeros({4}, f64); }) ==
        "WeightAverage: 'w/average' in the saved state is [4], expected [2, 2]");
  CHECK(message([](auto& s) { s["x/average"] = Array::zeros({4}, f64); }) ==
        "WeightAverage: the saved state holds 'x/average', which is no average of any of the parameters");
  CHECK(message([](auto& s) { s["updates"] = Array::full({}, f64, 0.5); }) ==
        "WeightAverage: 'updates' in the saved state is 0.5, expected a number of steps");
  CHECK(ema.state().at("updates").item() == 2);
}

TEST_CASE("WeightAverage: follows params.to(dtype), and wrong calls") {
  Walk walk(f32);
  WeightAverage ema(walk.params, {.decay = 0.75});
  walk.averages(ema, {4});
  walk.params.to(f64);
  {
    const auto averaged = ema.applied(walk.params);
    CHECK(walk.w.dtype() == f64);
    CHECK(walk.w.value().flat(0) == 2.5);
  }
  check_close(walk.averages(ema, {0}), {1.875});
  CHECK(ema[walk.w].dtype() == f64);

  const Walk other;
  CHECK_THROWS_WITH_AS(ema.update(other.params), "WeightAverage: 'w' is not among the parameters that it was made for",
                       UsageError);
  CHECK_THROWS_WITH_AS(ema[other.w], "WeightAverage: 'w' is not among the parameters that it was made for", UsageError);
  Scope(walk.params)("late", {1}, zero);
  CHECK_THROWS_WITH_AS(ema.update(walk.params),
                       "WeightAverage: 'late' is not among the parameters that it was made for", UsageError);
  CHECK_THROWS_WITH_AS(auto applied = ema.applied(Params()), "WeightAverage: 'w' is missing among these parameters",
                       UsageError);
  CHECK_THROWS_WITH_AS(WeightAverage(walk.params, {.decay = 1.5}),
                       "WeightAverage: decay is 1.5; it must be at least 0 and at most 1", UsageError);
}

TEST_CASE("AppliedAverage: values that do not fit change no parameter") {
  Params params(1);
  const Param a = Scope(params)("a", {2}, constant(1)), b = Scope(params)("b", {3}, constant(2));
  CHECK_THROWS_WITH_AS(AppliedAverage(params, {Array::zeros({2}, f32), Array::zeros({4}, f32)}),
                       "AppliedAverage: 'b' is [3], and its average [4]", ShapeError);
  CHECK(a.value().flat(0) == 1);
}
