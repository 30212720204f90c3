// Functions of one tensor and of two, with broadcasting.
#include <cmath>
#include <limits>

#include "case.h"

namespace unroll::agreement {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

using Unary = std::function<Tensor(const Tensor&)>;
using Binary = std::function<Tensor(const Tensor&, const Tensor&)>;

/// What a function and its derivative tend to at −∞ and ∞, where PyTorch's formula is ∞ − ∞ or ∞ / ∞.
struct Limits {
  double y_below, y_above, slope_below, slope_above;
};

/// The limits at the infinities of the case's x, and NaN elsewhere: for y, and for its derivative times the seed.
std::map<std::string, Array> at_infinities(const Case& c, const Limits& limits) {
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

/// What unroll has no op for, as a user writes it: the derivative is that of the branch taken.
template <class F>
void add_pointwise(Tasks& tasks, const std::string& op, F f) {
  add_unary(tasks, op, [=](const Tensor& x) { return pointwise("user's", f, x); });
}

void add_piecewise(Tasks& tasks) {
  constexpr double none = std::numeric_limits<double>::infinity();
  add_unary(tasks, "clamp_-1_1", [](const Tensor& x) { return clamp(x, -1, 1); });
  add_unary(tasks, "clamp_min0", [](const Tensor& x) { return clamp(x, 0, none); });
  add_unary(tasks, "clamp_max.5", [](const Tensor& x) { return clamp(x, -none, 0.5); });
  add_unary(tasks, "leaky_relu", [](const Tensor& x) { return leaky_relu(x); });
  add_unary(tasks, "sign", [](const Tensor& x) { return sign(x); });
  add_unary(tasks, "elu", [](const Tensor& x) { return elu(x); });
  // Unlike clamp's, its derivative at NaN is 1.
  add_pointwise(tasks, "hardtanh", [](auto v) { return where(v <= -1, -1.0, where(v >= 1, 1.0, v)); });
  add_pointwise(tasks, "hardsigmoid", [](auto v) { return where(v <= -3, 0.0, where(v >= 3, 1.0, (v + 3) / 6)); });
  add_pointwise(tasks, "softplus_thr20", [](auto v) { return where(v > 20, v, softplus(v)); });
}

void add_powers(Tasks& tasks) {
  for (const double n : {0.0, 2.0, 3.0, 0.5, -1.0}) {
    add_unary(tasks, fmt::format("pow{}", n), [n](const Tensor& x) { return pow(x, n); });
  }
  add_unary(tasks, "square", [](const Tensor& x) { return square(x); });
  add_unary(tasks, "reciprocal", [](const Tensor& x) { return pow(x, -1); });
  add_unary(tasks, "rsqrt", [](const Tensor& x) { return 1 / sqrt(x); });
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

  add_unary(tasks, "sin", [](const Tensor& x) { return sin(x); });
  add_unary(tasks, "cos", [](const Tensor& x) { return cos(x); });
  add_unary(tasks, "erf", [](const Tensor& x) { return erf(x); });
  add_unary(tasks, "log1p", [](const Tensor& x) { return log1p(x); });
  add_unary(tasks, "softplus", [](const Tensor& x) { return softplus(x); });
  add_unary(tasks, "logsigmoid", [](const Tensor& x) { return logsigmoid(x); });
  add_unary(tasks, "gelu", [](const Tensor& x) { return gelu(x); });
  add_unary(tasks, "gelu_tanh", [](const Tensor& x) { return gelu_tanh(x); });
  add_unary(
      tasks, "silu", [](const Tensor& x) { return silu(x); }, Limits{0, INFINITY, 0, 1});
  add_powers(tasks);
  add_piecewise(tasks);

  add_binary(tasks, "add", [](const Tensor& a, const Tensor& b) { return a + b; });
  add_binary(tasks, "sub", [](const Tensor& a, const Tensor& b) { return a - b; });
  add_binary(tasks, "mul", [](const Tensor& a, const Tensor& b) { return a * b; });
  add_binary(tasks, "div", [](const Tensor& a, const Tensor& b) { return a / b; });
  add_binary(tasks, "maximum", [](const Tensor& a, const Tensor& b) { return max(a, b); });
  add_binary(tasks, "minimum", [](const Tensor& a, const Tensor& b) { return min(a, b); });
  add_binary(tasks, "pow(|a|+0.5, b)", [](const Tensor& a, const Tensor& b) { return pow(abs(a) + 0.5, b); });
  add_binary(tasks, "a*b + tanh(a)*a - b/a",
             [](const Tensor& a, const Tensor& b) { return a * b + tanh(a) * a - b / a; });
}

}  // namespace unroll::agreement
