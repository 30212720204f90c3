// ONNX's RNN, GRU and LSTM: its own node tests, whose weights are constant, and some with random ones.
#include <cmath>

#include "custom_cells.h"

namespace unroll::agreement {
namespace {

/// The node of a case, and whether it has an input of ONNX's name.
struct Node {
  const Case& c;
  json attributes;
  std::map<std::string, std::string> inputs;  // ONNX's names of the inputs that are there → the case's

  explicit Node(const Case& of) : c(of) {
    const json& node = of.attrs["nodes"][0];
    attributes = node[3];
    static const std::vector<std::string> names{"X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"};
    for (Index i = 0; i < node[1].size(); ++i) {
      const std::string name = node[1][i];
      if (!name.empty()) inputs[names.at(i)] = "input/" + name;
    }
  }
  bool has(const std::string& input) const { return inputs.contains(input); }
  Array array(const std::string& input) const { return c.array(inputs.at(input)); }
  Index hidden() const { return attributes["hidden_size"]; }
  Index layout() const { return attributes.value("layout", Index{0}); }
  /// Where a weight [directions, gates · hidden, in] of ONNX lies, and the two halves of the bias.
  CellPlaces places(Index direction, const GateOrder& gates) const {
    const Index in = array("W").dim(2), h = hidden(), rows = gates.size() * h;
    const auto weight = [&](const std::string& name, Index width) {
      return GatePlaces{inputs.at(name), direction * rows * width, h * width, 1, width};
    };
    CellPlaces all{gates, weight("W", in), weight("R", h), {}};
    for (Index half = 0; half < 2 && has("B"); ++half) {
      all.biases.push_back({inputs.at("B"), (direction * 2 + half) * rows, h, 0, 1});
    }
    return all;
  }
};

/// Activation number `k` of the node, by its ONNX name; `clip` bounds its argument, but not an LSTM's memory.
Function1 activation(const Node& node, Index k, const std::string& otherwise, bool bounded = true) {
  const json& names = node.attributes.value("activations", json::array());
  const std::string name = k < names.size() ? names[k].get<std::string>() : otherwise;
  const double bound = node.attributes.value("clip", std::numeric_limits<double>::infinity());
  return [=](const Tensor& unbounded) {
    const auto number = [&](double x) { return Tensor::full({}, x, unbounded.dtype()); };
    const Tensor x = std::isinf(bound) || !bounded ? unbounded : max(min(unbounded, number(bound)), number(-bound));
    if (name == "Sigmoid") return sigmoid(x);
    if (name == "Relu") return relu(x);
    if (name == "HardSigmoid") return max(min(x * 0.2 + 0.5, number(1)), number(0));
    require(name == "Tanh", "no activation {}", name);
    return tanh(x);
  };
}

bool plain(const Node& node) {
  return !node.attributes.contains("clip") && !node.attributes.contains("activations") &&
         !node.attributes.contains("input_forget");
}

/// An LSTM whose forget gate is 1 − i, and nothing else that ours has not.
bool coupled(const Node& node) {
  return node.attributes.value("input_forget", 0) == 1 && !node.attributes.contains("clip") &&
         !node.attributes.contains("activations") && !node.has("P");
}

/// One direction: [T, B, H], and the last state.
struct Direction {
  Tensor outputs;
  std::vector<Tensor> state;
};

template <class C>
Direction run_direction(const Node& node, const C& cell, const GateOrder& gates, Index direction, bool backwards) {
  ForeignLayout layout = cell_layout(cell.gates(), node.places(direction, gates));
  if constexpr (requires { cell.pi; }) {
    const Index h = node.hidden();
    if (node.has("P")) {  // i, o, f
      const auto link = [&](const Param& param, Index k) {
        layout.links.push_back(peephole(param, node.inputs.at("P"), (3 * direction + k) * h));
      };
      link(cell.pi, 0);
      link(cell.po, 1);
      link(cell.pf, 2);
    }
  }
  Arrays weights;
  for (const Link& link : layout.links) weights[link.tensor] = node.c.array(link.tensor);
  for (const auto& [name, array] : weights) layout.tensors[name] = array.shape();
  load_foreign("ONNX", weights, layout);
  Tensor xs = node.array("X");
  if (node.layout() == 1) xs = transpose(xs, {1, 0, 2});
  ScanOptions options{.reverse = backwards};
  if (node.has("sequence_lens")) options.lengths = node.c.lengths(node.inputs.at("sequence_lens"));
  auto state = cell.zero_state(xs.dim(1));
  std::vector<Tensor> start = tensors_of(state);
  const char* names[] = {"initial_h", "initial_c"};
  for (Index k = 0; k < start.size(); ++k) {
    if (!node.has(names[k])) continue;
    const Tensor given = node.array(names[k]);  // [directions, B, H]
    start[k] = at(node.layout() == 1 ? transpose(given, {1, 0, 2}) : given, direction);
  }
  const auto [out, last] = scan(cell, xs, state_of(state, start), options);
  return {out, tensors_of(last)};
}

Direction run_direction(const Node& node, Index direction, bool backwards) {
  Params params(0, f64);
  const Index in = node.array("W").dim(2), hidden = node.hidden();
  const auto with = [&](const auto& cell, const GateOrder& gates) {
    return run_direction(node, cell, gates, direction, backwards);
  };
  GatedOptions options;
  if (node.c.op == "RNN") {
    const GateOrder order{Gate::candidate};
    if (plain(node)) return with(Rnn(params, in, hidden), order);
    options.candidate = activation(node, direction, "Tanh");
    return with(CustomRnn(params, in, hidden, options), order);
  }
  if (node.c.op == "GRU") {
    const GateOrder order{Gate::update, Gate::reset, Gate::candidate};
    options.reset = node.attributes.value("linear_before_reset", 0) == 1 ? Reset::after : Reset::before;
    if (plain(node)) return with(Gru(params, in, hidden, options.reset), order);
    options.gate = activation(node, 2 * direction, "Sigmoid");
    options.candidate = activation(node, 2 * direction + 1, "Tanh");
    return with(CustomGru(params, in, hidden, options), order);
  }
  const GateOrder order{Gate::input, Gate::output, Gate::forget, Gate::candidate};
  if (plain(node) && !node.has("P")) return with(Lstm(params, in, hidden), order);
  if (plain(node)) return with(PeepholeLstm(params, in, hidden), order);
  if (coupled(node)) return with(CoupledLstm(params, in, hidden), {Gate::input, Gate::output, {}, Gate::candidate});
  options.coupled = node.attributes.value("input_forget", 0) == 1;
  options.gate = activation(node, 3 * direction, "Sigmoid");
  options.candidate = activation(node, 3 * direction + 1, "Tanh");
  options.output = activation(node, 3 * direction + 2, "Tanh", false);
  return with(CustomLstm(params, in, hidden, options), order);
}

void run(Check& check) {
  const Node node(check.c);
  const std::string direction = node.attributes.value("direction", "forward");
  std::vector<Direction> directions{run_direction(node, 0, direction == "reverse")};
  if (direction == "bidirectional") directions.push_back(run_direction(node, 1, true));

  std::vector<Tensor> outputs;
  for (const Direction& one : directions) outputs.push_back(one.outputs);
  std::vector<Tensor> results{transpose(stack(outputs), {1, 0, 2, 3})};  // [T, directions, B, H]
  for (Index k = 0; k < directions[0].state.size(); ++k) {
    std::vector<Tensor> last;
    for (const Direction& one : directions) last.push_back(one.state[k]);
    results.push_back(stack(last));
  }
  if (node.layout() == 1) {
    results[0] = transpose(results[0], {2, 0, 1, 3});
    for (Index k = 1; k < results.size(); ++k) results[k] = transpose(results[k], {1, 0, 2});
  }
  const json& names = check.c.attrs["nodes"][0][2];
  for (Index k = 0; k < names.size(); ++k) {
    const std::string name = names[k];
    if (name.empty()) continue;
    check.compare("output/" + name, results[k].value());
    // Where there is a transcription in f64, ours agrees with it to rounding.
    if (check.c.has("output64/" + name)) check.compare_within(1e-11, 1e-12, "output64/" + name, results[k].value());
  }
}

}  // namespace

void add_onnx_recurrent(Tasks& tasks) {
  for (const char* op : {"RNN", "GRU", "LSTM"}) {
    tasks[fmt::format("onnx/rnn/{}", op)] = run;
    tasks[fmt::format("onnx/rnn_strong/{}", op)] = run;
  }
}

}  // namespace unroll::agreement
