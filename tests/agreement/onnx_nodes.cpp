// ONNX's node tests: small graphs of our ops, values only.
#include "onnx_nodes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "reduction.h"

namespace unroll::agreement {

const Tensor& NodeRun::in(Index i) const { return values.at(inputs.at(i)); }

std::vector<int> NodeRun::integers(Index i, const char* attribute) const {
  std::vector<int> all;
  if (has(i)) {
    for (Index k = 0; k < in(i).size(); ++k) {
      const double x = in(i).value().flat(k);  // the largest 64-bit integers stand for the end of an axis
      all.push_back(static_cast<int>(std::clamp(x, -1e9, 1e9)));
    }
  } else if (attribute != nullptr && attributes.contains(attribute)) {
    all = attributes[attribute].get<std::vector<int>>();
  }
  return all;
}

namespace {

Tensor number_like(const Tensor& x, double value) { return Tensor::full({}, value, x.dtype()); }

/// The operator of one input.
void add_unary(Nodes& nodes, const char* op, Tensor (*f)(const Tensor&)) {
  nodes[op] = [f](const NodeRun& run) { return std::vector{f(run.in(0))}; };
}

void add_binary(Nodes& nodes, const char* op, Tensor (*f)(const Tensor&, const Tensor&)) {
  nodes[op] = [f](const NodeRun& run) { return std::vector{f(run.in(0), run.in(1))}; };
}

/// The operator of any number of inputs, one after the other.
void add_folded(Nodes& nodes, const char* op, Tensor (*f)(const Tensor&, const Tensor&), bool mean = false) {
  nodes[op] = [f, mean](const NodeRun& run) {
    Tensor y = run.in(0);
    for (Index i = 1; i < run.inputs.size(); ++i) y = f(y, run.in(i));
    return std::vector{mean ? y / static_cast<double>(run.inputs.size()) : y};
  };
}

/// A reduction, over all axes where none is named; f(x, axes, keep).
void add_reduction(Nodes& nodes, const char* op, Tensor (*f)(const Tensor&, const Axes&, bool)) {
  nodes[op] = [f](const NodeRun& run) {
    const Tensor& x = run.in(0);
    std::vector<int> axes = run.integers(1, "axes");
    if (axes.empty() && run.attributes.value("noop_with_empty_axes", 0) == 1) return std::vector{x};
    if (axes.empty()) axes = all_axes(x);
    const bool keep = run.attributes.value("keepdims", 1) == 1;
    return std::vector{f(x, axes, keep)};
  };
}

void add_elementwise(Nodes& nodes) {
  add_unary(nodes, "Abs", [](const Tensor& x) { return abs(x); });
  add_unary(nodes, "Erf", [](const Tensor& x) { return erf(x); });
  add_unary(nodes, "Exp", [](const Tensor& x) { return exp(x); });
  add_unary(nodes, "Identity", [](const Tensor& x) { return x; });
  add_unary(nodes, "Log", [](const Tensor& x) { return log(x); });
  add_unary(nodes, "Neg", [](const Tensor& x) { return -x; });
  add_unary(nodes, "Reciprocal", [](const Tensor& x) { return 1 / x; });
  add_unary(nodes, "Relu", [](const Tensor& x) { return relu(x); });
  add_unary(nodes, "Sigmoid", [](const Tensor& x) { return sigmoid(x); });
  add_unary(nodes, "Softplus", [](const Tensor& x) { return softplus(x); });
  add_unary(nodes, "Softsign", [](const Tensor& x) { return softsign(x); });
  add_unary(nodes, "Sqrt", [](const Tensor& x) { return sqrt(x); });
  add_unary(nodes, "Tanh", [](const Tensor& x) { return tanh(x); });
  add_binary(nodes, "Add", [](const Tensor& a, const Tensor& b) { return a + b; });
  add_binary(nodes, "Sub", [](const Tensor& a, const Tensor& b) { return a - b; });
  add_binary(nodes, "Mul", [](const Tensor& a, const Tensor& b) { return a * b; });
  add_binary(nodes, "MatMul", [](const Tensor& a, const Tensor& b) { return matmul(a, b); });
  add_binary(nodes, "Div", [](const Tensor& a, const Tensor& b) { return a / b; });
  add_binary(nodes, "Pow", [](const Tensor& a, const Tensor& b) { return pow(a, b); });
  add_folded(nodes, "Max", [](const Tensor& a, const Tensor& b) { return max(a, b); });
  add_folded(nodes, "Min", [](const Tensor& a, const Tensor& b) { return min(a, b); });
  add_folded(nodes, "Sum", [](const Tensor& a, const Tensor& b) { return a + b; });
  add_folded(
      nodes, "Mean", [](const Tensor& a, const Tensor& b) { return a + b; }, true);

  nodes["HardSigmoid"] = [](const NodeRun& run) {
    const Tensor &x = run.in(0), y = x * run.number("alpha", 0.2) + run.number("beta", 0.5);
    return std::vector{max(min(y, number_like(x, 1)), number_like(x, 0))};
  };
  nodes["LeakyRelu"] = [](const NodeRun& run) { return std::vector{leaky_relu(run.in(0), run.number("alpha", 0.01))}; };
  nodes["Elu"] = [](const NodeRun& run) { return std::vector{elu(run.in(0), run.number("alpha", 1))}; };
  nodes["Gelu"] = [](const NodeRun& run) {
    const bool exact = run.attributes.value("approximate", "none") == "none";
    return std::vector{exact ? gelu(run.in(0)) : gelu_tanh(run.in(0))};
  };
  nodes["Clip"] = [](const NodeRun& run) {
    const auto bound = [&](Index i, const char* attribute, double otherwise) {
      return run.has(i) ? run.in(i).item() : run.number(attribute, otherwise);
    };
    const double infinity = std::numeric_limits<double>::infinity();
    return std::vector{clamp(run.in(0), bound(1, "min", -infinity), bound(2, "max", infinity))};
  };
  nodes["Where"] = [](const NodeRun& run) { return std::vector{where(run.in(0), run.in(1), run.in(2))}; };
}

/// What unroll has no op for, in a line of its ops.
void add_composed(Nodes& nodes) {
  nodes["Selu"] = [](const NodeRun& run) {
    const double alpha = run.number("alpha", 1.67326319217681884765625),
                 gamma = run.number("gamma", 1.05070102214813232);
    return std::vector{gamma * elu(run.in(0), alpha)};
  };
  nodes["CumSum"] = [](const NodeRun& run) {
    const int axis = run.integers(1).at(0);
    const bool reverse = run.integer("reverse", 0) == 1;
    const Tensor x = reverse ? flip(run.in(0), axis) : run.in(0);
    Tensor y = cumsum(x, axis);
    if (run.integer("exclusive", 0) == 1) y = y - x;
    return std::vector{reverse ? flip(y, axis) : y};
  };
  nodes["LayerNormalization"] = [](const NodeRun& run) {
    const Tensor& x = run.in(0);
    std::vector<int> axes;
    for (Index i = x.shape().axis(run.integer("axis", -1), "axis"); i < x.ndim(); ++i) {
      axes.push_back(static_cast<int>(i));
    }
    Shape together(x.shape().begin(), x.shape().begin() + axes.front());
    together.append(run.in(1).size());
    const double epsilon = run.number("epsilon", 1e-5);
    const auto in_a_row = [&](Index i) { return reshape(run.in(i), {run.in(i).size()}); };
    const Tensor bias = run.has(2) ? in_a_row(2) : 0 * in_a_row(1);
    return std::vector{reshape(layer_norm(reshape(x, together), in_a_row(1), bias, epsilon), x.shape()),
                       mean(x, axes, true), 1 / sqrt(var(x, axes, Correction::none, true) + epsilon)};
  };
}

void add_products(Nodes& nodes) {
  nodes["Gemm"] = [](const NodeRun& run) {
    const auto matrix = [&](Index i, const char* flag) {
      return run.number(flag, 0) == 1 ? transpose(run.in(i)) : run.in(i);
    };
    Tensor y = run.number("alpha", 1) * matmul(matrix(0, "transA"), matrix(1, "transB"));
    if (run.has(2)) y = y + run.number("beta", 1) * run.in(2);
    return std::vector{y};
  };
}

void add_reductions(Nodes& nodes) {
  add_reduction(nodes, "ReduceSum", [](const Tensor& x, const Axes& axes, bool keep) { return sum(x, axes, keep); });
  add_reduction(nodes, "ReduceMean", [](const Tensor& x, const Axes& axes, bool keep) { return mean(x, axes, keep); });
  add_reduction(nodes, "ReduceMax", [](const Tensor& x, const Axes& axes, bool keep) { return max(x, axes, keep); });
  add_reduction(nodes, "ReduceProd", [](const Tensor& x, const Axes& axes, bool keep) { return prod(x, axes, keep); });
  add_reduction(nodes, "ReduceMin", [](const Tensor& x, const Axes& axes, bool keep) { return min(x, axes, keep); });
  add_reduction(nodes, "ReduceL2", [](const Tensor& x, const Axes& axes, bool keep) { return norm(x, axes, keep); });
  add_reduction(nodes, "ReduceLogSumExp",
                [](const Tensor& x, const Axes& axes, bool keep) { return logsumexp(x, axes, keep); });
  add_reduction(nodes, "ReduceSumSquare",
                [](const Tensor& x, const Axes& axes, bool keep) { return sum(x * x, axes, keep); });
}

void add_softmax(Nodes& nodes) {
  nodes["Softmax"] = [](const NodeRun& run) {
    return std::vector{along(run.in(0), run.integer("axis", -1), [](const Tensor& x) { return softmax(x); })};
  };
  nodes["LogSoftmax"] = [](const NodeRun& run) {
    return std::vector{along(run.in(0), run.integer("axis", -1), [](const Tensor& x) { return log_softmax(x); })};
  };
}

/// Runs the nodes of a case in order and compares what it names as outputs.
void run(Check& check, const Nodes& nodes) {
  const Case& c = check.c;
  std::map<std::string, Tensor> values;
  for (const std::string& name : c.names("input")) values[name] = c.array("input/" + name);
  for (const json& node : c.attrs["nodes"]) {
    const std::string op = node[0];
    const auto found = nodes.find(op);
    require(found != nodes.end(), "no operator {}", op);
    const auto results = found->second({c, values, node[1], node[2], node[3]});
    for (Index i = 0; i < node[2].size(); ++i) values[node[2][i]] = results.at(i);
  }
  for (const std::string& name : c.names("output")) check.compare("output/" + name, values.at(name).value());
}

/// Graphs that end with a node Gradient: the derivatives of one value by others.
void run_gradient(Check& check, const Nodes& nodes) {
  const Case& c = check.c;
  const json& steps = c.attrs["nodes"];
  const json& last = steps.back();
  if (last[0] != "Gradient") return run(check, nodes);
  Tape tape;
  std::map<std::string, Tensor> values;
  for (const std::string& name : c.names("input")) values[name] = tape.watch(Tensor(c.array("input/" + name)));
  for (Index k = 0; k + 1 < steps.size(); ++k) {
    values[steps[k][2][0]] = nodes.at(steps[k][0])({c, values, steps[k][1], steps[k][2], steps[k][3]}).at(0);
  }
  const Grads grads = tape.backward(values.at(last[3]["y"]));
  for (const auto& [name, x] : values) {
    if (c.has("output/" + name)) check.compare("output/" + name, x.value());
  }
  for (Index i = 0; i < last[2].size(); ++i) {
    check.compare("output/" + last[2][i].get<std::string>(), grads[values.at(last[3]["xs"][i])]);
  }
}

}  // namespace

void add_onnx_nodes(Tasks& tasks) {
  Nodes nodes;
  add_elementwise(nodes);
  add_composed(nodes);
  add_products(nodes);
  add_reductions(nodes);
  add_softmax(nodes);
  add_onnx_shape(nodes);
  add_onnx_losses(nodes);
  add_onnx_selection(nodes);
  nodes["Constant"] = [](const NodeRun& run) {
    const json& value = run.attributes["value"]["tensor"];
    return std::vector{Tensor::full(value.is_array() ? Shape{1} : Shape{}, value.is_array() ? value[0] : value, f64)};
  };
  for (const char* group : {"ops", "softmax", "loss", "torchconv"}) {
    for (const auto& [op, f] : nodes) {
      tasks[fmt::format("onnx/{}/{}", group, op)] = [nodes](Check& check) { run(check, nodes); };
    }
    tasks[fmt::format("onnx/{}/graph", group)] = [nodes](Check& check) { run(check, nodes); };
  }
  tasks["onnx/grad/graph"] = [nodes](Check& check) { run_gradient(check, nodes); };
}

}  // namespace unroll::agreement
