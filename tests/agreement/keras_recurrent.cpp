// Keras' SimpleRNN, LSTM, GRU and Bidirectional. x is [B, T, I].
#include "custom_cells.h"

namespace unroll::agreement {
namespace {

/// max(min((x + 3) / 6, 1), 0)
Tensor hard_sigmoid_of_keras(const Tensor& x) {
  const Tensor one = Tensor::full({}, 1, x.dtype()), none = Tensor::zeros({}, x.dtype());
  return max(min((x + 3) / 6, one), none);
}

/// Calls f(make) for the cell of a case; make(scope, in, hidden) is the cell.
template <class F>
void with_cell(const Case& c, F f) {
  GatedOptions options;
  const bool relu_candidate = c.attrs.value("activation", "tanh") == "relu";
  if (relu_candidate) options.candidate = options.output = [](const Tensor& x) { return relu(x); };
  const bool hard = c.attrs.contains("recurrent_activation");
  if (hard) options.gate = hard_sigmoid_of_keras;
  const std::string kind = c.name.substr(0, c.name.find('_'));
  if (kind == "simplernn") {
    const Activation activation = relu_candidate ? Activation::relu : Activation::tanh;
    f([=](const Scope& p, Index i, Index h) { return Rnn(p, i, h, activation); });
  } else if (kind == "lstm" && !relu_candidate && !hard) {
    f([](const Scope& p, Index i, Index h) { return Lstm(p, i, h); });
  } else if (kind == "lstm") {
    f([=](const Scope& p, Index i, Index h) { return CustomLstm(p, i, h, options); });
  } else {
    const Reset reset = c.attrs.value("reset_after", true) ? Reset::after : Reset::before;
    if (relu_candidate || hard) {
      options.reset = reset;
      f([=](const Scope& p, Index i, Index h) { return CustomGru(p, i, h, options); });
    } else {
      f([=](const Scope& p, Index i, Index h) { return Gru(p, i, h, reset); });
    }
  }
}

/// One direction's outputs [T, B, H] in the order in which Keras computes them, and its last state.
struct Direction {
  Tensor outputs;
  std::vector<Tensor> state;
};

/// Where the mask is 0, and so beyond a sequence's length, Keras repeats the last output.
template <class C>
Direction run_direction(const Case& c, const C& cell, const Tensor& xs, bool backwards) {
  ScanOptions options{.reverse = backwards};
  if (c.has("input/mask")) {
    options.mask = transpose(Tensor(c.array("input/mask")));
    options.repeat_outputs = true;
  }
  const auto [out, state] = scan(cell, xs, options);
  return {out, tensors_of(state)};
}

Tensor merged(const std::string& mode, const Tensor& a, const Tensor& b) {
  if (mode == "sum") return a + b;
  if (mode == "mul") return a * b;
  if (mode == "ave") return (a + b) / 2;
  return concat({a, b});
}

void run(Check& check) {
  const Case& c = check.c;
  with_cell(c, [&](auto make) {
    using C = decltype(make(std::declval<Scope>(), 1, 1));
    Params params(0, f64);
    const Arrays weights = weights_of(c);
    const auto is_bias = [](const auto& weight) { return weight.first.ends_with("bias"); };
    const ForeignOptions options{.bias = std::ranges::any_of(weights, is_bias)};
    std::vector<C> cells;
    cells.push_back(make(params / "forward", c.number("I"), c.number("units")));
    if (c.op == "keras.Bidirectional") cells.push_back(make(params / "backward", c.number("I"), c.number("units")));
    const ForeignModules modules{cells.size() == 1 ? ForeignModule("", cells[0], options)
                                                   : ForeignModule("", Bidirectional<C>(cells[0], cells[1]), options)};
    load_keras(weights, modules);

    Tape tape;
    const Tensors inputs = watched_inputs(c, tape);
    const Tensor xs = transpose(inputs.at("x"), {1, 0, 2});
    const bool backwards = c.flag("go_backwards"), sequences = c.flag("return_sequences");
    Direction first = run_direction(c, cells[0], xs, backwards);
    if (backwards) first.outputs = flip(first.outputs, 0);
    Tensor out = sequences ? first.outputs : first.state[0];
    if (cells.size() == 2) {
      const Direction second = run_direction(c, cells[1], xs, true);
      out = merged(c.attrs["merge_mode"], out, sequences ? second.outputs : second.state[0]);
    }
    if (sequences) out = transpose(out, {1, 0, 2});
    Tensors outputs{{"out", out}};
    for (Index k = 0; k < first.state.size(); ++k) outputs["state" + std::to_string(k)] = first.state[k];
    compare_recurrent(check, tape, inputs, outputs, keras_layout(weights, modules));
  });
}

}  // namespace

void add_keras_recurrent(Tasks& tasks) {
  for (const char* layer : {"SimpleRNN", "GRU", "LSTM", "Bidirectional"}) {
    tasks[fmt::format("keras/keras_rnn/keras.{}", layer)] = run;
  }
}

}  // namespace unroll::agreement
