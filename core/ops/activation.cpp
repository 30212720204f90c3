#include <unroll/core/ops.h>
#include <unroll/core/ops/from_result.h>

namespace unroll {

Tensor tanh(const Tensor& x) {
  return detail::from_result(
      "tanh", x, [](auto v) { return tanh(v); }, [](auto y) { return 1 - y * y; });
}
Tensor sigmoid(const Tensor& x) {
  return detail::from_result(
      "sigmoid", x, [](auto v) { return sigmoid(v); }, [](auto y) { return y * (1 - y); });
}
Tensor relu(const Tensor& x) {
  return detail::from_result(
      "relu", x, [](auto v) { return relu(v); }, [](auto y) { return where(y <= 0, decltype(y)(0), decltype(y)(1)); });
}
Tensor leaky_relu(const Tensor& x, double slope) {
  return pointwise(
      "leaky_relu", [slope](auto v) { return leaky_relu(v, slope); }, x);
}
Tensor elu(const Tensor& x, double alpha) {
  return pointwise(
      "elu", [alpha](auto v) { return elu(v, alpha); }, x);
}
Tensor softsign(const Tensor& x) {
  return pointwise(
      "softsign", [](auto v) { return softsign(v); }, x);
}
Tensor softplus(const Tensor& x) {
  return pointwise(
      "softplus", [](auto v) { return softplus(v); }, x);
}
Tensor logsigmoid(const Tensor& x) {
  return pointwise(
      "logsigmoid", [](auto v) { return logsigmoid(v); }, x);
}
Tensor silu(const Tensor& x) {
  return pointwise(
      "silu", [](auto v) { return silu(v); }, x);
}
Tensor gelu(const Tensor& x) {
  return pointwise(
      "gelu", [](auto v) { return gelu(v); }, x);
}
Tensor gelu_tanh(const Tensor& x) {
  return pointwise(
      "gelu_tanh", [](auto v) { return gelu_tanh(v); }, x);
}

}  // namespace unroll
