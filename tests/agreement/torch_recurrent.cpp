// nn.RNN, nn.GRU, nn.LSTM, their cells, and the peephole LSTM.
#include "torch_recurrent.h"

#include "custom_cells.h"

namespace unroll::agreement {
namespace {

/// Calls f(make) for the cell of a mode; make(scope, in, hidden) is the cell.
template <class F>
auto with_cell(const std::string& mode, F f) {
  if (mode == "GRU") return f([](const Scope& p, Index i, Index h) { return Gru(p, i, h, Reset::after); });
  if (mode == "LSTM") return f([](const Scope& p, Index i, Index h) { return Lstm(p, i, h); });
  const Activation activation = mode == "RNN_RELU" ? Activation::relu : Activation::tanh;
  return f([=](const Scope& p, Index i, Index h) { return Rnn(p, i, h, activation); });
}

/// A cell with a second bias beside b. A Gru's candidate has one in any case.
template <class C>
struct TwoBiases {
  using State = typename C::State;

  C cell;
  Param second;

  TwoBiases(C made, const Scope& p)
      : cell(std::move(made)), second(p("second", {std::same_as<C, Gru> ? cell.wh.dim(1) : cell.b.dim(0)}, zero)) {}

  CellGates gates() const {
    CellGates both = cell.gates();
    std::vector<Gate> gates = std::ranges::find(both.columns, Role::bias, &GateColumns::role)->gates;
    if (std::same_as<C, Gru>) gates.pop_back();  // the candidate's
    both.columns.push_back({second, Role::recurrent_bias, gates});
    return both;
  }

  Index size() const { return cell.size(); }
  State zero_state(Index batch) const { return cell.zero_state(batch); }
  State step(const Tensor& z, const State& s) const { return cell.step(z, s); }
  Tensor project(const Tensor& xs) const {
    const Tensor z = cell.project(xs);
    const Index missing = z.dim(-1) - second.dim(0);
    return z + (missing == 0 ? Tensor(second) : concat({second, Tensor::zeros({missing}, f64)}));
  }
};

template <class Make>
TorchLayers layers_of(const Case& c, const Scope& scope, Index in, Make make) {
  using C = decltype(make(scope, 1, 1));
  const Index hidden = c.number("H"), directions = c.flag("bidirectional") ? 2 : 1;
  std::vector<AnyLayer> layers;
  for (Index layer = 0; layer < c.number("layers"); ++layer) {
    const Scope here = scope / fmt::format("l{}", layer);
    const Index width = layer == 0 ? in : directions * hidden;
    const C forward = make(here / "forward", width, hidden);
    layers.push_back(directions == 1 ? AnyLayer(forward)
                                     : AnyLayer(Bidirectional<C>(forward, make(here / "backward", width, hidden))));
  }
  const Stack stack(layers);
  return {stack, detail::list_fields(stack.zero_state(1)).size() / (layers.size() * directions)};
}

void run_layers(Check& check) {
  const Case& c = check.c;
  Params params(0, f64);
  const TorchLayers network = torch_layers(c, params, c.number("I"));
  const ForeignModules modules{{"", network.stack, {.bias = c.has("param/bias_ih_l0")}}};
  load_torch(weights_of(c), modules);

  Tape tape;
  const Tensors inputs = watched_inputs(c, tape);
  Tensor xs = inputs.at("x");
  if (c.flag("batch_first")) xs = transpose(xs, {1, 0, 2});
  auto state = network.stack.zero_state(xs.dim(1));
  if (inputs.contains("h0")) {
    std::vector<Tensor> parts;
    for (Index k = 0; k < inputs.at("h0").dim(0); ++k) {
      parts.push_back(at(inputs.at("h0"), k));
      if (network.fields == 2) parts.push_back(at(inputs.at("c0"), k));
    }
    state = state_of(state, parts);
  }
  ScanOptions options;
  if (c.flag("packed")) options.lengths = c.lengths("input/lengths");
  const Index chunk = c.number("tbptt_chunk", xs.dim(0));
  std::vector<Tensor> outputs;
  for (Index t = 0; t < xs.dim(0); t += chunk) {
    if (t > 0) state = detach(state);
    auto scanned = scan(network.stack, chunk == xs.dim(0) ? xs : slice(xs, 0, t, t + chunk), state, options);
    outputs.push_back(scanned.outputs);
    state = scanned.last;
  }
  Tensor out = outputs.size() == 1 ? outputs[0] : concat(outputs, 0);
  if (c.flag("batch_first")) out = transpose(out, {1, 0, 2});
  std::vector<Tensor> h, memory;
  const std::vector<Tensor> last = tensors_of(state);
  for (Index k = 0; k < last.size(); k += network.fields) {
    h.push_back(last[k]);
    if (network.fields == 2) memory.push_back(last[k + 1]);
  }
  Tensors all{{"out", out}, {"h_n", unroll::stack(h)}};
  if (network.fields == 2) all["c_n"] = unroll::stack(memory);
  compare_recurrent(check, tape, inputs, all, torch_layout(modules));
}

void run_cell(Check& check) {
  const Case& c = check.c;
  with_cell(c.attrs["mode"], [&](auto make) {
    Params params(0, f64);
    const auto cell = make(params, c.number("I"), c.number("H"));
    const ForeignModules modules{{"", cell, {.bias = c.has("param/bias_ih"), .cell = true}}};
    load_torch(weights_of(c), modules);
    Tape tape;
    const Tensors inputs = watched_inputs(c, tape);
    std::vector<Tensor> parts{inputs.at("h")};
    if (inputs.contains("c")) parts.push_back(inputs.at("c"));
    const auto next = tensors_of(advance(cell, inputs.at("x"), state_of(cell.zero_state(c.number("B")), parts)));
    Tensors outputs{{"h", next[0]}};
    if (next.size() == 2) outputs["c"] = next[1];
    compare_recurrent(check, tape, inputs, outputs, torch_layout(modules));
  });
}

/// PyTorch has no such module. The rows are i, o, f, g, and there is one bias.
template <class C>
void scan_peephole(Check& check, const C& cell) {
  const Case& c = check.c;
  const Index in = c.number("I"), hidden = c.number("H");
  const CellPlaces places{{Gate::input, Gate::output, Gate::forget, Gate::candidate},
                          {"W", 0, hidden * in, 1, in},
                          {"R", 0, hidden * hidden, 1, hidden},
                          {{"b", 0, hidden, 0, 1}}};
  ForeignLayout layout = cell_layout(cell.gates(), places);
  for (const Link& link : {peephole(cell.pi, "p_i"), peephole(cell.pf, "p_f"), peephole(cell.po, "p_o")}) {
    layout.links.push_back(link);
  }
  const Arrays weights = weights_of(c);
  for (const auto& [name, array] : weights) layout.tensors[name] = array.shape();
  load_foreign("peepholes", weights, layout);
  Tape tape;
  const Tensors inputs = watched_inputs(c, tape);
  const auto [out, last] = scan(cell, inputs.at("x"), {inputs.at("h0"), inputs.at("c0")});
  compare_recurrent(check, tape, inputs, {{"out", out}, {"h_n", last.h}, {"c_n", last.c}}, layout);
}

void run_peephole(Check& check) {
  const Index in = check.c.number("I"), hidden = check.c.number("H");
  Params params(0, f64);
  if (check.c.flag("coupled_input_forget")) {
    scan_peephole(check, CustomLstm(params, in, hidden, {.coupled = true}));
  } else {
    scan_peephole(check, PeepholeLstm(params, in, hidden));
  }
}

}  // namespace

TorchLayers torch_layers(const Case& c, const Scope& scope, Index in, Biases biases) {
  return with_cell(c.attrs["mode"], [&](auto make) {
    if (biases == Biases::one) return layers_of(c, scope, in, make);
    return layers_of(c, scope, in, [&](const Scope& p, Index i, Index h) { return TwoBiases(make(p, i, h), p); });
  });
}

void add_torch_recurrent(Tasks& tasks) {
  for (const char* layer : {"nn.RNN", "nn.GRU", "nn.LSTM"}) {
    tasks[fmt::format("torch/rnn/{}", layer)] = run_layers;
    tasks[fmt::format("torch/cell/{}Cell", layer)] = run_cell;
  }
  tasks["torch/cell/peephole LSTM"] = run_peephole;
}

}  // namespace unroll::agreement
