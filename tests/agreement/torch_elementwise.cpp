// Functions of one tensor and of two, with broadcasting.
#include <cmath>

#include "case.h"

namespace unroll::agreement {
namespace {

using Unary = std::function<Tensor(const Tensor&)>;
using Binary = std::function<Tensor(const Tensor&, const Tensor&)>;

/// What a function and its derivative tend to at −∞ and ∞, where PyTorch's formula is ∞ − ∞ or ∞ / ∞.
struct Limits {
  double y_below, y_above, slope_below, slope_above;
};

/// The limits at the infinities of the case's x, and NaN elsewhere: for y, and for its derivative times the seed.
std::map<std::string, Array> at_infinities(const Case& c, const Limits& limits) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Array y = Array::full(c.shape("input/x"), f64, nan), slope = y.copy();
  const std::vector<double> x = c.values("input/x"), seed = c.values("seed/y");
  for (Index i = 0; i < x.size(); ++i) {
    if (!std::isinf(x[i])) continue;
    y.set_flat(i, x[i] > 0 ? limits.y_above : limits.y_below);
    slope.set_flat(i, seed[i] * (x[i] > 0 ? limits.slope_above : limits.slope_below));
  }
  return {{"output/y", y}, {"grad/x", slope}};
}

void add_unary(Tasks& tasks, const std::string& op, const Unary& f, const std::optional<Limits>& limits = {}) {
  tasks["torch/unary/" + op] = [f, limits](Check& check) {
    differentiate(
        check,
        [&](const Tensors& in) {
          return Tensors{{"y", f(in.at("x"))}};
        },
        limits ? at_infinities(check.c, *limits) : std::map<std::string, Array>());
  };
}

void add_binary(Tasks& tasks, const std::string& op, const Binary& f) {
  tasks["torch/binary/" + op] = [f](Check& check) {
    differentiate(check, [&](const Tensors& in) {
      return Tensors{{"y", f(in.at("a"), in.at(in.contains("b") ? "b" : "a"))}};  // both sides may be one tensor
    });
  };
}

}  // namespace

void add_torch_elementwise(Tasks& tasks) {
  add_unary(tasks, "identity", [](const Tensor& x) { return x; });
  add_unary(tasks, "neg", [](const Tensor& x) { return -x; });
  add_unary(tasks, "tanh", [](const Tensor& x) { return tanh(x); });
  add_unary(tasks, "sigmoid", [](const Tensor& x) { return sigmoid(x); });
  add_unary(tasks, "relu", [](const Tensor& x) { return relu(x); });
  add_unary(tasks, "exp", [](const Tensor& x) { return exp(x); });
  add_unary(tasks, "log", [](const Tensor& x) { return log(x); });
  add_unary(tasks, "sqrt", [](const Tensor& x) { return sqrt(x); });
  add_unary(
      tasks, "softsign", [](const Tensor& x) { return softsign(x); }, Limits{-1, 1, 0, 0});
  add_unary(tasks, "abs", [](const Tensor& x) { return abs(x); });
  add_unary(tasks, "add_scalar", [](const Tensor& x) { return x + 2.5; });
  add_unary(tasks, "mul_scalar", [](const Tensor& x) { return x * -0.5; });
  add_unary(tasks, "rsub_scalar", [](const Tensor& x) { return 1 - x; });
  add_unary(tasks, "rdiv_scalar", [](const Tensor& x) { return 1 / x; });

  add_binary(tasks, "add", [](const Tensor& a, const Tensor& b) { return a + b; });
  add_binary(tasks, "sub", [](const Tensor& a, const Tensor& b) { return a - b; });
  add_binary(tasks, "mul", [](const Tensor& a, const Tensor& b) { return a * b; });
  add_binary(tasks, "div", [](const Tensor& a, const Tensor& b) { return a / b; });
  add_binary(tasks, "maximum", [](const Tensor& a, const Tensor& b) { return max(a, b); });
  add_binary(tasks, "minimum", [](const Tensor& a, const Tensor& b) { return min(a, b); });
  add_binary(tasks, "a*b + tanh(a)*a - b/a",
             [](const Tensor& a, const Tensor& b) { return a * b + tanh(a) * a - b / a; });
}

}  // namespace unroll::agreement
