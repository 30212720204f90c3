// One row of a gradient table: check_grad("softsign", [](auto x) { return softsign(x); }, {3, 4});
#pragma once

#include <doctest/doctest.h>

#include <unroll/core/gradcheck.h>

/// Checks f with respect to all of its inputs, which are uniform on [low, high), with a random cotangent, to 1e-7.
/// A difference taken across a kink says nothing, so what has kinks may draw its inputs three times: a wrong rule fails
/// at every draw.
template <class F>
void check_grad_within(double low, double high, const std::string& name, F f, const std::vector<unroll::Shape>& shapes,
                       bool has_kinks = false) {
  unroll::GradcheckOptions options;
  options.low = low;
  options.high = high;
  options.elements = 60;
  unroll::GradcheckReport report = unroll::gradcheck(f, shapes, options);
  while (has_kinks && !report.passed() && options.seed < 3) {
    ++options.seed;
    report = unroll::gradcheck(f, shapes, options);
  }
  INFO(name, "\n", report.str());
  CHECK(report.rows.size() == shapes.size());
  CHECK(report.passed());
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
