#include <unroll/core/ops.h>

namespace unroll {
namespace {

/// y = f(x) with a derivative that is a function of y: keeps y alone.
template <class F, class D>
Tensor from_result(const char* op, const Tensor& x, const F& f, const D& derivative) {
  const Array y = map(op, f, x.value());
  return record(op, y, wrt(x, [y, derivative](const Array& dy, const Dest& dx) {
                  map_into(
                      dx, [=](auto g, auto v) { return g * derivative(v); }, dy, y);
                }));
}

}  // namespace

Tensor exp(const Tensor& x) {
  return from_result(
      "exp", x, [](auto v) { return exp(v); }, [](auto y) { return y; });
}
Tensor log(const Tensor& x) {
  return pointwise(
      "log", [](auto v) { return log(v); }, x);
}
Tensor sqrt(const Tensor& x) {
  return from_result(
      "sqrt", x, [](auto v) { return sqrt(v); }, [](auto y) { return 0.5 / y; });
}
Tensor tanh(const Tensor& x) {
  return from_result(
      "tanh", x, [](auto v) { return tanh(v); }, [](auto y) { return 1 - y * y; });
}
Tensor sigmoid(const Tensor& x) {
  return from_result(
      "sigmoid", x, [](auto v) { return sigmoid(v); }, [](auto y) { return y * (1 - y); });
}
Tensor relu(const Tensor& x) {
  return from_result(
      "relu", x, [](auto v) { return relu(v); }, [](auto y) { return where(y <= 0, decltype(y)(0), decltype(y)(1)); });
}
Tensor softsign(const Tensor& x) {
  return pointwise(
      "softsign", [](auto v) { return softsign(v); }, x);
}
Tensor abs(const Tensor& x) {
  return pointwise(
      "abs", [](auto v) { return abs(v); }, x);
}

}  // namespace unroll
