// What the tests of values share: arrays of given and of random numbers, comparison, and the gradient of a sum.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <unroll/core/ops.h>

namespace unroll::testing {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline const double nan_value = std::nan("");

inline Array numbers(std::initializer_list<double> values, Dtype dtype = f64) {
  return Array::of({values.size()}, values.begin()).to(dtype);
}
inline Array random_array(const Shape& shape, std::uint64_t seed = 1, double low = -2, double high = 2) {
  Random random(seed);
  return uniform(low, high)(shape, random);
}

/// Equal to within `tolerance`, relative to max(1, |b|); NaN equals NaN and each infinity itself.
inline bool close(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}
template <class E>
void check_equal(const Tensor& y, const E& expected, double tolerance = 1e-14) {
  const Array e = expected;
  CHECK(y.shape() == e.shape());
  REQUIRE(y.size() == e.size());
  for (Index i = 0; i < e.size(); ++i) {
    CAPTURE(i);
    CAPTURE(y.value().flat(i));
    CAPTURE(e.flat(i));
    CHECK(close(y.value().flat(i), e.flat(i), tolerance));
  }
}
/// The gradient of Σ f(x) at x.
template <class F>
Array slope(F f, const Array& at) {
  Tape tape;
  const Tensor x = tape.watch(at);
  const Tensor y = f(x);
  return tape.backward(y, Array::full(y.shape(), y.dtype(), 1))[x];
}

using Place = std::array<Index, max_axes>;

/// An array of f(place), the element at each place.
template <class F>
Array by_place(const Shape& shape, F f) {
  Array y = Array::zeros(shape, f64);
  for (Index i = 0; i < shape.size(); ++i) {
    Place at{};
    for (Index axis = shape.ndim(), rest = i; axis-- > 0; rest /= shape[axis]) at[axis] = rest % shape[axis];
    y.set_flat(i, f(at));
  }
  return y;
}
inline double element(const Array& x, const Place& at) {
  Index flat = 0;
  for (Index axis = 0; axis < x.ndim(); ++axis) flat = flat * x.shape()[axis] + at[axis];
  return x.flat(flat);
}
inline Place with(Place at, Index axis, Index value) {
  at[axis] = value;
  return at;
}

/// What the error says that f throws.
template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const Error& error) { return error.what(); }
  return "nothing was thrown";
}

}  // namespace unroll::testing
