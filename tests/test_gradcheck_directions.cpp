// Gradient checks along random directions, for models too large for check_model.
#include <unroll/core/gradcheck.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

/// w, with a rule that `spoil` may make wrong.
template <class F>
Tensor spoilt(const Tensor& w, F spoil) {
  return record("spoilt", w.value(), wrt(w, [spoil](const Array& dy) {
                  Array dw = dy.copy();
                  spoil(dw);
                  return dw;
                }));
}

}  // namespace

TEST_CASE("check_directions: a wrong rule in one parameter of a model of a million numbers") {
  Params params(1, f64);
  const Lstm cell(params / "cell", 112, 450);
  CHECK(params.count() > 1'000'000);
  const Param peephole = (params / "cell")("p", {450}, normal(0.1));
  const Tensor xs = random_array({3, 2, 112}, 2), target = random_array({3, 2, 450}, 3);
  Index evaluations = 0;
  const auto loss = [&](auto spoil) {
    return [&, spoil] {
      ++evaluations;
      const Tensor error = scan(cell, xs).outputs * spoilt(peephole, spoil) - target;
      return mean(error * error);
    };
  };
  const DirectionOptions few{.directions = 3};

  const GradcheckReport right = check_directions(params, loss([](Array&) {}), few);
  CHECK(evaluations <= 1 + 2 * 6 * 3 * params.size());  // few differences, if any, are taken more closely
  CHECK_MESSAGE(right.passed(), right.str());
  CHECK(right.worst() < 1e-9);
  CHECK(right.worst() > 0);
  CHECK(right.rows.size() == 4);

  evaluations = 0;  // where the first difference satisfies, none is taken more closely
  check_directions(params, loss([](Array&) {}), {.directions = 3, .tolerance = 1e-6});
  CHECK(evaluations == 1 + 6 * 3 * params.size());

  const auto only_p_fails = [&](auto spoil) {
    const GradcheckReport report = check_directions(params, loss(spoil), few);
    CAPTURE(report.str());
    for (const auto& row : report.rows) CHECK(row.passed == (row.name != "cell.p"));
  };
  only_p_fails([](Array& g) { g.set_flat(7, 0); });  // one number of a million
  only_p_fails([](Array& g) { g = (Tensor(g) * (1 + 1e-4)).value(); });
}

TEST_CASE("check_directions: wrong rules of a matrix") {
  Params params(1, f64);
  const Param w = (params / "layer")("w", {30, 30}, normal(1)), v = (params / "layer")("v", {30, 30}, normal(1));
  const Param idle = (params / "layer")("idle", {2}, normal(1)), frozen = (params / "layer")("frozen", {30}, normal(1));
  frozen.freeze();
  const Tensor x = random_array({4, 30}, 2);
  const auto passes = [&](auto spoil) {
    const GradcheckReport report =
        check_directions(params, [&] { return tanh(matmul(tanh(matmul(x, spoilt(w, spoil)) * 0.1), v)) * frozen; });
    CAPTURE(report.str());
    REQUIRE(report.rows.size() == 3);
    CHECK(report.rows[1].passed);
    CHECK(report.rows[2].name == "layer.idle");
    CHECK(report.rows[2].numeric == 0);
    CHECK(report.rows[2].passed);
    return report.rows[0].passed;
  };
  const Array before = w.value().copy();
  CHECK(passes([](Array&) {}));
  CHECK(same_bits(w.value(), before));
  CHECK(!passes([](Array& g) { g = (Tensor(g) * -1.0).value(); }));
  CHECK(!passes([](Array& g) { g = transpose(Tensor(g)).value(); }));
  CHECK(!passes([](Array& g) { g = Array::zeros(g.shape(), f64); }));
  CHECK(!passes([](Array& g) { g.set_flat(899, g.flat(899) * 1.001); }));
  CHECK(!passes([](Array& g) { g.set_flat(5, std::nan("")); }));
  CHECK(!passes([](Array& g) {  // two numbers in each other's place: along no direction that treats them alike
    const double first = g.flat(0);
    g.set_flat(0, g.flat(1));
    g.set_flat(1, first);
  }));
}

TEST_CASE("check_directions: a row is the worst of its directions") {
  Params params(1, f64);
  const Param w = (params / "layer")("w", {20}, normal(1));
  const auto row = [&](Index directions) {
    return check_directions(params, [&] { return sum(tanh(spoilt(w, [](Array& g) { g.set_flat(3, 0); }))); },
                            {.directions = directions})
        .rows[0];
  };
  const GradcheckRow first = row(1), all = row(8);
  CHECK(first.element == 0);
  CHECK(all.element > 0);
  CHECK(row(all.element).error < all.error);
  CHECK(row(all.element + 1).error == all.error);
  CHECK(first.error < all.error);
}

TEST_CASE("check_directions: what it refuses, and that it puts back what it moved") {
  Params params(1, f64);
  const Param w = (params / "layer")("w", {3}, normal(1));
  CHECK(message_of<UsageError>([&] { check_directions(params, [&] { return Tensor(w); }, {.directions = 0}); }) ==
        "check_directions: there is no direction to try");
  const Array before = w.value().copy();
  int calls = 0;
  CHECK_THROWS_AS(check_directions(params,
                                   [&] {
                                     if (++calls == 3) throw std::runtime_error("midway");
                                     return Tensor(w) * 2.0;
                                   }),
                  std::runtime_error);
  CHECK(same_bits(w.value(), before));
  params.to(f32);
  CHECK(message_of([&] { check_directions(params, [&] { return Tensor(w); }); }) ==
        "gradcheck: the result is f32; the check is done in f64 (inputs.to(f64), params.to(f64))");
}
