// One row of a gradient table: check_grad("softsign", [](auto x) { return softsign(x); }, {3, 4});
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include <unroll/core/gradcheck.h>

namespace unroll::testing {

/// The gradients of Σ r∘f(x…) by all inputs, with a random r that f32 has exactly.
inline std::vector<Array> gradients_of(const unroll::detail::TensorFunction& f, const std::vector<Array>& inputs) {
  Tape tape;
  std::vector<Tensor> x;
  for (const Array& input : inputs) x.push_back(tape.watch(Tensor(input)));
  const Tensor y = f(x);
  Random random(11);
  const Grads grads = tape.backward(y, normal(1)(y.shape(), random).to(f32).to(y.dtype()));
  std::vector<Array> all;
  for (const Tensor& input : x) all.push_back(grads[input]);
  return all;
}

/// The largest |a − b| / max(1, |a|, |b|) between the gradients in f32 and in f64 at one point, which f32 has exactly.
/// Infinite where the gradient in f32 is of another dtype or no number.
inline double f32_error(const unroll::detail::TensorFunction& f, const std::vector<Array>& inputs) {
  std::vector<Array> narrow, wide;
  for (const Array& x : inputs) {
    narrow.push_back(x.to(f32));
    wide.push_back(narrow.back().to(f64));
  }
  const std::vector<Array> got = gradients_of(f, narrow), want = gradients_of(f, wide);
  double worst = 0;
  for (Index k = 0; k < got.size(); ++k) {
    if (got[k].dtype() != f32 || got[k].shape() != want[k].shape()) return INFINITY;
    for (Index i = 0; i < got[k].size(); ++i) {
      const double a = got[k].flat(i), b = want[k].flat(i);
      const double error = std::abs(a - b) / std::max({1.0, std::abs(a), std::abs(b)});
      if (!(error <= worst)) worst = std::isnan(error) ? INFINITY : error;
    }
  }
  return worst;
}

}  // namespace unroll::testing

/// Checks f with respect to all of its inputs, which are uniform on [low, high): with a random cotangent, by every
/// element, to 1e-9; the whole Jacobian where there are few outputs; and backward in f32 beside f64, to 2e-3.
template <class F>
void check_grad_within(double low, double high, const std::string& name, F f,
                       const std::vector<unroll::Shape>& shapes) {
  unroll::GradcheckOptions options;
  options.low = low;
  options.high = high;
  unroll::Random random(options.seed);
  std::vector<unroll::Array> inputs;
  unroll::Index elements = 0;
  for (const unroll::Shape& shape : shapes) {
    inputs.push_back(unroll::uniform(low, high)(shape, random));
    elements += shape.size();
  }
  const auto of_span = unroll::detail::over_span(f);
  const unroll::Index outputs = of_span(std::vector<unroll::Tensor>(inputs.begin(), inputs.end())).size();
  options.elements = elements * outputs <= 1'000'000 ? elements : 60;  // of what spans several tiles not all are tried
  const unroll::GradcheckReport report = unroll::detail::gradcheck(of_span, inputs, options);
  INFO(name, "\n", report.str());
  CHECK(report.rows.size() == shapes.size());
  CHECK(report.passed());
  for (unroll::Index i = 0; i < outputs && outputs > 1 && outputs <= 12; ++i) {
    const auto one = [&](std::span<const unroll::Tensor> x) {
      return slice(reshape(of_span(x), {outputs}), 0, i, i + 1);
    };
    const unroll::GradcheckReport row = unroll::detail::gradcheck(one, inputs, options);
    INFO("output ", i, "\n", row.str());
    CHECK(row.passed());
  }
  CHECK(unroll::testing::f32_error(of_span, inputs) <= 2e-3);
}

template <class F>
void check_grad(const std::string& name, F f, const unroll::Shape& a) {
  check_grad_within(-2, 2, name, f, std::vector{a});
}
template <class F>
void check_grad(const std::string& name, F f, const unroll::Shape& a, const unroll::Shape& b) {
  check_grad_within(-2, 2, name, f, std::vector{a, b});
}
template <class F>
void check_grad(const std::string& name, F f, const unroll::Shape& a, const unroll::Shape& b, const unroll::Shape& c) {
  check_grad_within(-2, 2, name, f, std::vector{a, b, c});
}
