// Cells, Bidirectional, Stack and lengths against PyTorch's recurrent layers, in values and gradients;
// golden/README.md says how a case is laid out.
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include <unroll/io/safetensors.h>
#include <unroll/layers/foreign.h>
#include <unroll/layers/stack.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;
using nlohmann::json;

namespace {

const Safetensors& file() {
  static const Safetensors content = read_safetensors("tests/golden/torch_recurrent.safetensors");
  return content;
}

/// The peephole LSTM whose forget gate is 1 − i (Greff et al. 2017): a user's own cell, since the library has none.
struct CoupledPeepholeLstm {
  struct State {
    Tensor h, c;
  };

  Param wx, wh, b, pi, po;  // columns: i, g, o

  CoupledPeepholeLstm(const Scope& p, Index in, Index hidden)
      : wx(p("wx", {in, 3 * hidden}, glorot)),
        wh(p("wh", {hidden, 3 * hidden}, orthogonal)),
        b(p("b", {3 * hidden}, zero)),
        pi(p("pi", {hidden}, zero)),
        po(p("po", {hidden}, zero)) {}

  CellGates gates() const {
    const std::vector<Gate> all{Gate::input, Gate::candidate, Gate::output};
    return {CellKind::without_likeness,
            {{wx, Role::input, all},
             {wh, Role::recurrent, all},
             {b, Role::bias, all},
             {pi, Role::peephole, {Gate::input}},
             {po, Role::peephole, {Gate::output}}}};
  }

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size()), wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const { return affine(xs, wx, b); }
  State step(const Tensor& z, const State& s) const {
    const auto [zi, zg, zo] = split<3>(z + matmul(s.h, wh));
    const Tensor i = sigmoid(zi + pi * s.c), c = (1 - i) * s.c + i * tanh(zg);
    return {sigmoid(zo + po * c) * tanh(c), c};
  }
};

/// One case on its way: what it is, and which of its numbers have been compared.
struct Case {
  std::string name;
  json description;
  Dtype dtype;
  std::set<std::string> compared = {};

  const json& attrs() const { return description["attrs"]; }
  bool flag(const char* attr) const { return attrs().contains(attr) && attrs()[attr].get<bool>(); }
  Index number(const char* attr) const { return attrs().contains(attr) ? attrs()[attr].get<Index>() : 0; }
  bool has(const std::string& tensor) const { return file().arrays.contains(name + "/" + tensor); }
  Array array(const std::string& tensor) const { return file().arrays.at(name + "/" + tensor).to(dtype); }
  /// Its parameters, under PyTorch's own names.
  Arrays weights() const {
    const std::string prefix = name + "/param/";
    Arrays all;
    for (const auto& [tensor, array] : file().arrays) {
      if (tensor.starts_with(prefix)) all[tensor.substr(prefix.size())] = array;
    }
    return all;
  }

  /// In f64 within the case's own tolerances, in f32 within 1e-5 of the largest number of the tensor (or of 1).
  void compare(const std::string& tensor, const Array& got) {
    CAPTURE(tensor);
    const Array& want = file().arrays.at(name + "/" + tensor);
    REQUIRE(got.shape() == want.shape());
    double largest = 1;
    for (Index i = 0; i < want.size(); ++i) largest = std::max(largest, std::abs(want.flat(i)));
    const double rtol = description["rtol"], atol = description["atol"];
    double excess = 0;
    for (Index i = 0; i < want.size(); ++i) {
      const double allowed = dtype == f64 ? atol + rtol * std::abs(want.flat(i)) : 1e-5 * largest;
      const double error = std::abs(got.flat(i) - want.flat(i)) / allowed;
      if (!(error <= excess)) excess = error;
    }
    CHECK(excess <= 1);
    compared.insert(tensor);
  }
};

/// The outputs of a case under the names of the file.
using Named = std::map<std::string, Tensor>;

/// Σ ⟨seed, output⟩, and the comparison of all values and gradients.
void compare_all(Case& c, Tape& tape, const Named& inputs, const Named& outputs, const ForeignLayout& layout) {
  Tensor loss;
  for (const auto& [name, y] : outputs) {
    if (c.has("output/" + name)) c.compare("output/" + name, y.value());
    if (!c.has("seed/" + name)) continue;
    const Tensor part = sum(y * Tensor(c.array("seed/" + name)));
    loss = loss.defined() ? loss + part : part;
  }
  const Grads grads = tape.backward(loss);
  for (const auto& [name, x] : inputs) c.compare("grad/" + name, grads[x]);
  for (const auto& [name, gradient] : to_foreign(layout, grads)) c.compare("grad/" + name, gradient);
}

/// Watches what of x and the initial states the case has.
Named watched_inputs(const Case& c, Tape& tape, std::initializer_list<const char*> names) {
  Named inputs;
  for (const char* name : names) {
    if (c.has(std::string("input/") + name)) inputs[name] = tape.watch(Tensor(c.array(std::string("input/") + name)));
  }
  return inputs;
}

/// nn.RNN, nn.GRU, nn.LSTM: a Stack of cells or of Bidirectional ones.
template <class Make>
void run_layers(Case& c, Make make) {
  using C = decltype(make(std::declval<Scope>(), 1, 1));
  const Index hidden = c.number("H"), directions = c.flag("bidirectional") ? 2 : 1, layers = c.number("layers");
  Params params(0, c.dtype);
  std::vector<AnyLayer> made;
  for (Index layer = 0; layer < layers; ++layer) {
    const Scope scope = params / fmt::format("l{}", layer);
    const Index in = layer == 0 ? c.number("I") : directions * hidden;
    const C forward = make(scope / "forward", in, hidden);
    if (directions == 1) {
      made.push_back(forward);
    } else {
      made.push_back(Bidirectional<C>(forward, make(scope / "backward", in, hidden)));
    }
  }
  const Stack network(made);
  const ForeignModules modules{{"", network, {.bias = c.has("param/bias_ih_l0")}}};
  load_torch(c.weights(), modules);

  Tape tape;
  const Named inputs = watched_inputs(c, tape, {"x", "h0", "c0"});
  Tensor xs = inputs.at("x");
  if (c.flag("batch_first")) xs = transpose(xs, {1, 0, 2});
  auto state = network.zero_state(xs.dim(1));
  const Index fields = tensors_of(state).size() / (layers * directions);  // of one cell: h, or h and c
  if (inputs.contains("h0")) {
    std::vector<Tensor> parts;
    for (Index k = 0; k < layers * directions; ++k) {
      parts.push_back(at(inputs.at("h0"), k));
      if (fields == 2) parts.push_back(at(inputs.at("c0"), k));
    }
    state = state_of(state, parts);
  }
  ScanOptions options;
  if (c.flag("packed")) {
    for (const auto length : file().integers.at(c.name + "/input/lengths").values) {
      options.lengths.push_back(static_cast<Index>(length));
    }
  }
  const Index chunk = c.number("tbptt_chunk");
  std::vector<Tensor> outputs;
  for (Index t = 0; t < xs.dim(0); t += chunk) {
    auto scanned = scan(network, chunk == 0 ? xs : slice(xs, 0, t, t + chunk), state, options);
    outputs.push_back(scanned.outputs);
    state = scanned.last;
    if (chunk == 0) break;
    state = detach(state);
  }
  Tensor out = concat(outputs, 0);
  if (c.flag("batch_first")) out = transpose(out, {1, 0, 2});
  std::vector<Tensor> h, memory;
  const std::vector<Tensor> last = tensors_of(state);
  for (Index k = 0; k < last.size(); k += fields) {
    h.push_back(last[k]);
    if (fields == 2) memory.push_back(last[k + 1]);
  }
  Named all{{"out", out}, {"h_n", unroll::stack(h)}};
  if (fields == 2) all["c_n"] = unroll::stack(memory);
  compare_all(c, tape, inputs, all, torch_layout(modules));
}

/// nn.RNNCell, nn.GRUCell, nn.LSTMCell: one step.
template <class C>
void run_cell(Case& c, const C& cell) {
  const ForeignModules modules{{"", cell, {.bias = c.has("param/bias_ih"), .cell = true}}};
  load_torch(c.weights(), modules);
  Tape tape;
  const Named inputs = watched_inputs(c, tape, {"x", "h", "c"});
  std::vector<Tensor> parts{inputs.at("h")};
  if (inputs.contains("c")) parts.push_back(inputs.at("c"));
  const auto next = tensors_of(advance(cell, inputs.at("x"), state_of(cell.zero_state(c.number("B")), parts)));
  Named outputs{{"h", next[0]}};
  if (next.size() == 2) outputs["c"] = next[1];
  compare_all(c, tape, inputs, outputs, torch_layout(modules));
}

/// Weights that no module of PyTorch has: the rows of one matrix are i, o, f, g.
ForeignLayout peephole_layout(const CellGates& cell, const Arrays& weights) {
  const Index hidden = hidden_of(cell), in = weights.at("W").dim(1);
  const auto& ours = cell.columns.front().gates;
  const bool forgets = std::ranges::find(ours, Gate::forget) != ours.end();
  const GateOrder order{Gate::input, Gate::output, forgets ? std::optional(Gate::forget) : std::nullopt,
                        Gate::candidate};
  ForeignLayout layout = cell_layout(
      cell, {order, {"W", 0, hidden * in, 1, in}, {"R", 0, hidden * hidden, 1, hidden}, {{"b", 0, hidden, 0, 1}}});
  const std::map<Gate, std::string> names{{Gate::input, "p_i"}, {Gate::forget, "p_f"}, {Gate::output, "p_o"}};
  for (const GateColumns& columns : cell.columns) {
    if (columns.role == Role::peephole) {
      layout.links.push_back({columns.param, 0, hidden, names.at(columns.gates[0]), 0, 0, 1});
    }
  }
  for (const auto& [name, array] : weights) layout.tensors[name] = array.shape();
  return layout;
}

/// The peephole LSTM over a sequence.
template <class C>
void run_peephole(Case& c, const C& cell) {
  const ForeignLayout layout = peephole_layout(cell.gates(), c.weights());
  load_foreign("peephole", c.weights(), layout);
  Tape tape;
  const Named inputs = watched_inputs(c, tape, {"x", "h0", "c0"});
  const auto [out, last] = scan(cell, inputs.at("x"), {inputs.at("h0"), inputs.at("c0")});
  compare_all(c, tape, inputs, {{"out", out}, {"h_n", last.h}, {"c_n", last.c}}, layout);
}

template <class Make>
void run_recurrent(Case& c, Make make) {
  if (c.description["group"] == "rnn") return run_layers(c, make);
  Params params(0, c.dtype);
  run_cell(c, make(params, c.number("I"), c.number("H")));
}

void run(Case& c) {
  const Index in = c.number("I"), hidden = c.number("H");
  const std::string mode = c.attrs().value("mode", "peephole");
  if (mode == "RNN_TANH") {
    run_recurrent(c, [](const Scope& p, Index i, Index h) { return Rnn(p, i, h); });
  } else if (mode == "RNN_RELU") {
    run_recurrent(c, [](const Scope& p, Index i, Index h) { return Rnn(p, i, h, Activation::relu); });
  } else if (mode == "GRU") {
    run_recurrent(c, [](const Scope& p, Index i, Index h) { return Gru(p, i, h, Reset::after); });
  } else if (mode == "LSTM") {
    run_recurrent(c, [](const Scope& p, Index i, Index h) { return Lstm(p, i, h); });
  } else {
    REQUIRE(mode == "peephole");
    Params params(0, c.dtype);
    if (c.flag("coupled_input_forget")) {
      run_peephole(c, CoupledPeepholeLstm(params, in, hidden));
    } else {
      run_peephole(c, PeepholeLstm(params, in, hidden));
    }
  }
}

/// Runs every case of the file and sees that every output and gradient in it was compared.
void run_all(Dtype dtype) {
  Index cases = 0, tensors = 0;
  for (const auto& [name, text] : file().metadata) {
    CAPTURE(name);
    Case c{name, json::parse(text), dtype};
    run(c);
    std::set<std::string> wanted;
    for (const auto& [tensor, array] : file().arrays) {
      if (tensor.starts_with(name + "/output/") || tensor.starts_with(name + "/grad/")) {
        wanted.insert(tensor.substr(name.size() + 1));
      }
    }
    CHECK(c.compared == wanted);
    ++cases;
    tensors += wanted.size();
  }
  CHECK(cases == 105);
  CHECK(tensors == 1208);
}

}  // namespace

TEST_CASE("PyTorch's recurrent layers in f64, within each case's tolerances") { run_all(f64); }

TEST_CASE("PyTorch's recurrent layers in f32, to 1e-5") { run_all(f32); }
