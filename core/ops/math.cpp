#include <cmath>

#include <unroll/core/ops.h>
#include <unroll/core/ops/from_result.h>

namespace unroll {

Tensor exp(const Tensor& x) {
  return detail::from_result(
      "exp", x, [](auto v) { return exp(v); }, [](auto y) { return y; });
}
Tensor log(const Tensor& x) {
  return pointwise(
      "log", [](auto v) { return log(v); }, x);
}
Tensor expm1(const Tensor& x) {
  return pointwise(
      "expm1", [](auto v) { return expm1(v); }, x);
}
Tensor log1p(const Tensor& x) {
  return pointwise(
      "log1p", [](auto v) { return log1p(v); }, x);
}
Tensor sqrt(const Tensor& x) {
  return detail::from_result(
      "sqrt", x, [](auto v) { return sqrt(v); }, [](auto y) { return 0.5 / y; });
}
Tensor sin(const Tensor& x) {
  return pointwise(
      "sin", [](auto v) { return sin(v); }, x);
}
Tensor cos(const Tensor& x) {
  return pointwise(
      "cos", [](auto v) { return cos(v); }, x);
}
Tensor erf(const Tensor& x) {
  return pointwise(
      "erf", [](auto v) { return erf(v); }, x);
}
Tensor abs(const Tensor& x) {
  return pointwise(
      "abs", [](auto v) { return abs(v); }, x);
}
Tensor sign(const Tensor& x) {
  return pointwise(
      "sign", [](auto v) { return sign(v); }, x);
}
Tensor square(const Tensor& x) {
  return pointwise(
      "square", [](auto v) { return square(v); }, x);
}

Tensor pow(const Tensor& x, const Tensor& y) {
  return pointwise(
      "pow", [](auto u, auto v) { return pow(u, v); }, x, y);
}
Tensor pow(const Tensor& x, double y) {
  return pointwise(
      "pow", [y](auto v) { return pow(v, y); }, x);
}
Tensor pow(double x, const Tensor& y) {
  return pointwise(
      "pow", [x](auto v) { return pow(x, v); }, y);
}
Tensor clamp(const Tensor& x, double low, double high) {
  require<UsageError>(!std::isnan(low) && !std::isnan(high), "clamp: the bounds are {} and {}; a bound is a number",
                      low, high);
  return pointwise(
      "clamp", [=](auto v) { return clamp(v, low, high); }, x);
}

}  // namespace unroll
