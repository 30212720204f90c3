// nn.RNN, nn.GRU, nn.LSTM, their cells, and the peephole LSTM.
#include "torch_recurrent.h"

#include "custom_cells.h"

namespace unroll::agreement {
namespace {

/// PyTorch's weights are [gates · hidden, in].
Weight torch_weight(const std::string& tensor, Index hidden, Index in) { return {tensor, 0, hidden * in, 1, in}; }
Weight torch_bias(const std::string& tensor, Index hidden) { return {tensor, 0, hidden, 0, 1}; }

Weights torch_weights(const std::string& prefix, const std::string& suffix, Index hidden, Index in,
                      std::vector<Index> gates) {
  return {torch_weight(prefix + "weight_ih" + suffix, hidden, in),
          torch_weight(prefix + "weight_hh" + suffix, hidden, hidden),
          {torch_bias(prefix + "bias_ih" + suffix, hidden), torch_bias(prefix + "bias_hh" + suffix, hidden)},
          std::move(gates)};
}

/// Calls f(make, gates) for the cell of a mode; make(scope, in, hidden) is the cell.
template <class F>
auto with_cell(const std::string& mode, F f) {
  using Gates = std::vector<Index>;
  if (mode == "GRU") {  // rows r, z, n
    return f([](const Scope& p, Index i, Index h) { return Gru(p, i, h, Reset::after); }, Gates{1, 0, 2});
  }
  if (mode == "LSTM") return f([](const Scope& p, Index i, Index h) { return Lstm(p, i, h); }, Gates{0, 1, 2, 3});
  const Activation activation = mode == "RNN_RELU" ? Activation::relu : Activation::tanh;
  return f([=](const Scope& p, Index i, Index h) { return Rnn(p, i, h, activation); }, Gates{0});
}

/// A cell with a second bias beside b. A Gru's candidate has one in any case.
template <class C>
struct TwoBiases {
  using State = typename C::State;

  C cell;
  Param second;

  TwoBiases(C made, const Scope& p)
      : cell(std::move(made)), second(p("second", {std::same_as<C, Gru> ? cell.wh.dim(1) : cell.b.dim(0)}, zero)) {}

  Index size() const { return cell.size(); }
  State zero_state(Index batch) const { return cell.zero_state(batch); }
  State step(const Tensor& z, const State& s) const { return cell.step(z, s); }
  Tensor project(const Tensor& xs) const {
    const Tensor z = cell.project(xs);
    const Index missing = z.dim(-1) - second.dim(0);
    return z + (missing == 0 ? Tensor(second) : concat({second, Tensor::zeros({missing}, f64)}));
  }
};

template <class C>
Links links_of(const TwoBiases<C>& both, const Weights& theirs) {
  Links links = links_of(both.cell, theirs);
  for (Link& link : links) {
    if (link.weight.tensor == theirs.biases[1].tensor && link.param.name() == both.cell.b.name()) {
      link.param = both.second;
    }
  }
  return links;
}

template <class Make>
TorchLayers layers_of(const Case& c, const Scope& scope, Index in, const std::string& prefix, Make make,
                      const std::vector<Index>& gates) {
  using C = decltype(make(scope, 1, 1));
  const Index hidden = c.number("H"), directions = c.flag("bidirectional") ? 2 : 1;
  Links links;
  std::vector<AnyLayer> layers;
  for (Index layer = 0; layer < c.number("layers"); ++layer) {
    const Index width = layer == 0 ? in : directions * hidden;
    const auto cell = [&](const std::string& direction) {
      const std::string suffix = fmt::format("_l{}{}", layer, direction);
      C made = make(scope / suffix, width, hidden);
      for (const Link& link : links_of(made, torch_weights(prefix, suffix, hidden, width, gates))) {
        links.push_back(link);
      }
      return made;
    };
    const C forward = cell("");
    layers.push_back(directions == 1 ? AnyLayer(forward) : AnyLayer(Bidirectional<C>(forward, cell("_reverse"))));
  }
  const Index fields = gates.size() == 4 ? 2 : 1;
  return TorchLayers{Stack(layers), links, hidden, fields};
}

void run_layers(Check& check) {
  const Case& c = check.c;
  Params params(0, f64);
  const TorchLayers network = torch_layers(c, params, c.number("I"), "param/");
  load(c, params, network.links, network.hidden);

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
  compare_recurrent(check, tape, inputs, all, network.links, network.hidden);
}

void run_cell(Check& check) {
  const Case& c = check.c;
  const Index in = c.number("I"), hidden = c.number("H");
  with_cell(c.attrs["mode"], [&](auto make, const std::vector<Index>& gates) {
    Params params(0, f64);
    const auto cell = make(params, in, hidden);
    const Links links = links_of(cell, torch_weights("param/", "", hidden, in, gates));
    load(c, params, links, hidden);
    Tape tape;
    const Tensors inputs = watched_inputs(c, tape);
    std::vector<Tensor> parts{inputs.at("h")};
    if (inputs.contains("c")) parts.push_back(inputs.at("c"));
    const auto next = tensors_of(advance(cell, inputs.at("x"), state_of(cell.zero_state(c.number("B")), parts)));
    Tensors outputs{{"h", next[0]}};
    if (next.size() == 2) outputs["c"] = next[1];
    compare_recurrent(check, tape, inputs, outputs, links, hidden);
  });
}

/// The rows are i, o, f, g, and there is one bias.
template <class C>
void scan_peephole(Check& check, const Params& params, const C& cell) {
  const Case& c = check.c;
  const Index in = c.number("I"), hidden = c.number("H");
  Links links = gate_links(cell, {torch_weight("param/W", hidden, in),
                                  torch_weight("param/R", hidden, hidden),
                                  {torch_bias("param/b", hidden)},
                                  {0, 2, 3, 1}});
  links.push_back({cell.pi, 0, torch_bias("param/p_i", hidden), 0});
  links.push_back({cell.pf, 0, torch_bias("param/p_f", hidden), 0});
  links.push_back({cell.po, 0, torch_bias("param/p_o", hidden), 0});
  load(c, params, links, hidden);
  Tape tape;
  const Tensors inputs = watched_inputs(c, tape);
  const auto [out, last] = scan(cell, inputs.at("x"), {inputs.at("h0"), inputs.at("c0")});
  compare_recurrent(check, tape, inputs, {{"out", out}, {"h_n", last.h}, {"c_n", last.c}}, links, hidden);
}

void run_peephole(Check& check) {
  const Index in = check.c.number("I"), hidden = check.c.number("H");
  Params params(0, f64);
  if (check.c.flag("coupled_input_forget")) {
    scan_peephole(check, params, CustomLstm(params, in, hidden, {.coupled = true}));
  } else {
    scan_peephole(check, params, PeepholeLstm(params, in, hidden));
  }
}

}  // namespace

TorchLayers torch_layers(const Case& c, const Scope& scope, Index in, const std::string& prefix, Biases biases) {
  return with_cell(c.attrs["mode"], [&](auto make, const std::vector<Index>& gates) {
    if (biases == Biases::one) return layers_of(c, scope, in, prefix, make, gates);
    const auto both = [&](const Scope& p, Index i, Index h) { return TwoBiases(make(p, i, h), p); };
    return layers_of(c, scope, in, prefix, both, gates);
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
