// The checker itself: right rules pass, each kind of wrong rule is caught, and the report says where.
#include <doctest/doctest.h>

#include <cmath>

#include <unroll/core/gradcheck.h>

using namespace unroll;

namespace {

/// x² whose rule multiplies the right derivative by `factor` and adds `shift`.
Tensor square(const Tensor& x, double factor, double shift = 0) {
  return record("square", (x * x).value(), wrt(x, [=, x = x.value()](const Array& dy) {
                  return map(
                      "rule", [=](auto g, auto v) { return g * (2 * v * factor + shift); }, dy, x);
                }));
}

GradcheckReport check_square(double factor, double shift = 0) {
  return gradcheck([=](auto x) { return square(x, factor, shift); }, {{3, 4}});
}

}  // namespace

TEST_CASE("gradcheck: a right rule passes far below the tolerance") {
  const GradcheckReport report = check_square(1);
  CHECK(report.passed());
  CHECK(report.rows.size() == 1);
  CHECK(report.worst() < 1e-9);
  CHECK(report.worst() > 0);
}

TEST_CASE("gradcheck: wrong rules are caught") {
  CHECK(!check_square(-1).passed());        // the sign
  CHECK(!check_square(0).passed());         // nothing at all
  CHECK(!check_square(2).passed());         // a factor
  CHECK(!check_square(1 + 1e-6).passed());  // a factor that a tolerance of 1e-5 would let through
  CHECK(!check_square(1, 1e-6).passed());
  CHECK(!check_square(std::nan("")).passed());
  CHECK(check_square(-1).worst() == doctest::Approx(2));  // |−d − d| / |d|

  // Transposed: right only for a symmetric cotangent.
  CHECK(!gradcheck(
             [](auto x) {
               return record("transposed", x.value(),
                             wrt(x, [](const Array& dy) { return transpose(Tensor(dy)).value(); }));
             },
             {{3, 3}})
             .passed());
  // The sum over a broadcast axis is missing: only the first row of dy arrives.
  CHECK(!gradcheck(
             [](auto x, auto row) {
               return record("add", (x + row).value(), wrt(x, [](const Array& dy) { return dy; }),
                             wrt(row, [](const Array& dy) { return dy.part(0, 0, {4}); }));
             },
             {{3, 4}, {4}})
             .passed());
  // Errors that cancel in a plain sum: the gradient of x₀ goes to x₁ and the other way round.
  const auto swapped = [](auto x) {
    return record("swapped", x.value(), wrt(x, [](const Array& dy) { return flip(Tensor(dy), 0).value(); }));
  };
  CHECK(!gradcheck(swapped, {{2}}).passed());
  // One wrong input among right ones is named.
  const GradcheckReport second =
      gradcheck([](auto a, auto b, auto c) { return a * square(b, 3) + c; }, {{4}, {4}, {4}});
  CHECK(second.rows[0].passed);
  CHECK(!second.rows[1].passed);
  CHECK(second.rows[2].passed);
  // One wrong element among many: found when all are tried.
  GradcheckOptions all;
  all.elements = 10000;
  const auto last_wrong = [](auto x) {
    return record("last", x.value(), wrt(x, [](const Array& dy) {
                    Array dx = dy.copy();
                    dx.set_flat(dx.size() - 1, 0);
                    return dx;
                  }));
  };
  const GradcheckReport at_last = gradcheck(last_wrong, {{30, 30}}, all);
  CHECK(!at_last.passed());
  CHECK(at_last.rows[0].element == 899);
  CHECK(at_last.rows[0].analytic == 0);
}

TEST_CASE("gradcheck: a result that is not a number fails") {
  const auto nan_value = [](auto x) { return sqrt(x - 100.0); };
  const GradcheckReport report = gradcheck(nan_value, {{2}});
  CHECK(!report.passed());
  CHECK(std::isnan(report.worst()));
  CHECK(report.str().find("FAIL") != std::string::npos);
  // One NaN in a gradient, after elements that are right.
  const GradcheckReport last = gradcheck(
      [](auto x) {
        return record("last", x.value(), wrt(x, [](const Array& dy) {
                        Array dx = dy.copy();
                        dx.set_flat(2, std::nan(""));
                        return dx;
                      }));
      },
      {{4}});
  CHECK(!last.passed());
  CHECK(last.rows[0].element == 2);
}

TEST_CASE("gradcheck: inputs of one's own, and lambdas over a span") {
  Random random(3);
  const std::vector<Array> inputs{uniform(1, 2)({2, 3}, random), uniform(1, 2)({3}, random)};
  CHECK(gradcheck([](auto a, auto b) { return a / b; }, inputs).passed());
  const GradcheckReport report = gradcheck([](std::span<const Tensor> x) { return log(x[0]) * x[1]; }, inputs);
  CHECK(report.passed());
  CHECK(report.rows[1].name == "input 1");
  CHECK(report.rows[1].shape == Shape{3});
}

TEST_CASE("gradcheck: what it refuses") {
  CHECK_THROWS_WITH_AS(gradcheck([](auto x) { return x; }, std::vector{Array::zeros({2}, f32)}),
                       "gradcheck: an input is f32; the check is done in f64", ShapeError);
  CHECK_THROWS_WITH_AS(gradcheck([](auto) { return Tensor::zeros({2}, f64); }, {{2, 1}}),
                       "backward: the loss does not depend on any parameter or watched tensor recorded on this tape",
                       UsageError);
  CHECK_THROWS_WITH_AS(gradcheck([](auto) { return Tensor(); }, {{2, 1}}),
                       "gradcheck: the result is empty; the check is done in f64 (inputs.to(f64), params.to(f64))",
                       ShapeError);
}

TEST_CASE("check_model: every parameter, left as it was") {
  Params params(1, f64);
  const Param w = (params / "layer")("w", {3, 2}, glorot), b = (params / "layer")("b", {2}, normal(1));
  const Param idle = (params / "layer")("idle", {2}, normal(1)), frozen = (params / "layer")("frozen", {2}, normal(1));
  frozen.freeze();
  Random random(2);
  const Tensor x = normal(1)({4, 3}, random);
  const Array before = w.value().copy();

  const GradcheckReport right = check_model(params, [&] { return tanh(affine(x, w, b)) * frozen; });
  CHECK(right.passed());
  REQUIRE(right.rows.size() == 3);  // the frozen one is not tried
  CHECK(right.rows[0].name == "layer.w");
  CHECK(right.rows[2].name == "layer.idle");
  CHECK(right.rows[2].numeric == 0);
  for (Index i = 0; i < before.size(); ++i) CHECK(w.value().flat(i) == before.flat(i));

  int calls = 0;
  CHECK_THROWS_AS(check_model(params,
                              [&] {
                                if (++calls == 4) throw std::runtime_error("half-way");
                                return tanh(affine(x, w, b));
                              }),
                  std::runtime_error);
  for (Index i = 0; i < before.size(); ++i) CHECK(w.value().flat(i) == before.flat(i));

  const GradcheckReport wrong = check_model(params, [&] { return tanh(matmul(x, w)) + square(b, -1); });
  CHECK(wrong.rows[0].passed);
  CHECK(!wrong.rows[1].passed);
  // A parameter that matters, but not to the tape.
  CHECK(!check_model(params, [&] { return tanh(matmul(x, w)) + detach(Tensor(b)); }).passed());

  params.to(f32);
  CHECK_THROWS_WITH_AS(check_model(params, [&] { return Tensor(b); }),
                       "gradcheck: the result is f32; the check is done in f64 (inputs.to(f64), params.to(f64))",
                       ShapeError);
}

TEST_CASE("gradcheck: the report") {
  GradcheckReport report;
  report.rows.push_back({"input 0", {2, 3}, 4, 1.5, 1.25, 0.125, false});
  report.rows.push_back({"encoder.wx", {65}, 64, -2.0, -2.0, 0.0, true});
  CHECK(!report.passed());
  CHECK(report.worst() == 0.125);
  CHECK(report.str() ==
        "parameter            shape   element          backward        difference      error\n"
        "input 0             [2, 3]         4   1.500000000e+00   1.250000000e+00    1.2e-01  FAIL\n"
        "encoder.wx            [65]        64  -2.000000000e+00  -2.000000000e+00    0.0e+00  pass\n");
}
