// Weights of PyTorch and Keras in our layers and back; test_torch_recurrent.cpp reads all of PyTorch's recurrent cases.
#include <algorithm>

#include <unroll/io/safetensors.h>
#include <unroll/layers/classifier.h>
#include <unroll/layers/foreign.h>
#include <unroll/layers/language_model.h>
#include <unroll/layers/wrappers.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

/// A module of every kind.
struct Model {
  Params params;
  Embedding embedding;
  Rnn rnn;
  Gru gru;
  Stack lstm;
  Linear linear;
  Param scale;

  explicit Model(Dtype dtype = f32)
      : params(1, dtype),
        embedding(params / "embedding", 7, 3),
        rnn(params / "rnn", 3, 2),
        gru(params / "gru", 2, 4, Reset::after),
        lstm({Bidirectional<Lstm>(params / "lstm0", 4, 3), Bidirectional<Lstm>(params / "lstm1", 6, 3)}),
        linear(params / "linear", 6, 2),
        scale((params / "norm")("scale", {6}, normal(1))) {}

  ForeignModules modules() const {
    return {{"emb", embedding},     {"rnn", rnn},   {"gru", gru, {.cell = true}},
            {"encoder.lstm", lstm}, {"fc", linear}, {"norm.weight", scale}};
  }

  /// Every parameter random, with bits in each that sums and signs may lose: −0 and NaN.
  void fill(std::uint64_t seed) {
    for (const Param& param : params) {
      Array value = random_array(param.shape(), seed++).to(param.dtype());
      value.set_flat(0, -0.0);
      if (value.size() > 2) value.set_flat(2, std::numeric_limits<double>::quiet_NaN());
      param.set(value);
    }
  }
};

/// A copy of every value, to see later whether a bit has changed.
std::vector<Array> values_of(const Params& params) {
  std::vector<Array> all;
  for (const Param& param : params) all.push_back(param.value().copy());
  return all;
}

bool same_values(const std::vector<Array>& a, const std::vector<Array>& b) {
  return std::ranges::equal(a, b, [](const Array& x, const Array& y) { return same_bits(x, y); });
}

bool same_arrays(const Arrays& a, const Arrays& b) {
  return std::ranges::equal(a, b, [](auto& x, auto& y) { return x.first == y.first && same_bits(x.second, y.second); });
}

Array of(const Shape& shape, const std::vector<double>& values) { return Array::of(shape, values.data()); }

/// "name [shape]" of every array.
std::vector<std::string> shapes_of(const Arrays& arrays) {
  std::vector<std::string> all;
  for (const auto& [name, array] : arrays) all.push_back(fmt::format("{} {}", name, array.shape()));
  return all;
}

template <class E = UsageError>
std::string torch_message(const ForeignModules& modules) {
  return message_of<E>([&] { to_torch(modules); });
}

}  // namespace

TEST_CASE("Foreign weights: the GRU's gates, signs and biases as PyTorch's equations have them") {
  Params params(0, f64);
  const Gru gru(params, 1, 1, Reset::after);
  // r, z, n with n = tanh(W_n x + b_in + r (R_n h + b_hn)) and z = 1 − u
  load_torch({{"weight_ih_l0", of({3, 1}, {1, 2, 3})},
              {"weight_hh_l0", of({3, 1}, {4, 5, 6})},
              {"bias_ih_l0", of({3}, {7, 8, 9})},
              {"bias_hh_l0", of({3}, {10, 11, 12})}},
             {{"", gru}});
  CHECK(same_bits(gru.wx.value(), of({1, 3}, {-2, 1, 3})));
  CHECK(same_bits(gru.wh.value(), of({1, 2}, {-5, 4})));
  CHECK(same_bits(gru.wc.value(), of({1, 1}, {6})));
  CHECK(same_bits(gru.b.value(), of({3}, {-19, 17, 9})));
  CHECK(same_bits(gru.bc.value(), of({1}, {12})));
  const Arrays back = to_torch({{"", gru}});
  CHECK(same_bits(back.at("bias_ih_l0"), of({3}, {17, 19, 9})));
  CHECK(same_bits(back.at("bias_hh_l0"), of({3}, {0, 0, 12})));
}

TEST_CASE("Foreign weights: the LSTM's rows i, f, g, o become columns; Linear is transposed, Embedding is not") {
  Params params(0, f64);
  const Lstm lstm(params / "lstm", 2, 1);
  const Linear linear(params / "linear", 3, 2);
  const Embedding embedding(params / "embedding", 3, 2);
  load_torch({{"rnn.weight_ih_l0", of({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8})},
              {"rnn.weight_hh_l0", of({4, 1}, {1, 2, 3, 4})},
              {"rnn.bias_ih_l0", of({4}, {1, 2, 3, 4})},
              {"rnn.bias_hh_l0", of({4}, {10, 20, 30, 40})},
              {"fc.weight", of({2, 3}, {1, 2, 3, 4, 5, 6})},
              {"fc.bias", of({2}, {1, 2})},
              {"emb.weight", of({3, 2}, {1, 2, 3, 4, 5, 6})}},
             {{"rnn", lstm}, {"fc", linear}, {"emb", embedding}});
  CHECK(same_bits(lstm.wx.value(), of({2, 4}, {1, 3, 5, 7, 2, 4, 6, 8})));
  CHECK(same_bits(lstm.wh.value(), of({1, 4}, {1, 2, 3, 4})));
  CHECK(same_bits(lstm.b.value(), of({4}, {11, 22, 33, 44})));
  CHECK(same_bits(linear.w.value(), of({3, 2}, {1, 4, 2, 5, 3, 6})));
  CHECK(same_bits(linear.b.value(), of({2}, {1, 2})));
  CHECK(same_bits(embedding.table.value(), of({3, 2}, {1, 2, 3, 4, 5, 6})));
}

TEST_CASE("Foreign weights: into PyTorch's layout and back changes no bit") {
  for (const Dtype dtype : {f32, f64}) {
    Model from(dtype), to(dtype);
    from.fill(10);
    const Arrays theirs = to_torch(from.modules());
    for (const auto& [name, array] : theirs) CHECK(array.dtype() == dtype);
    load_torch(theirs, to.modules());
    CHECK(same_values(values_of(to.params), values_of(from.params)));
    CHECK(same_arrays(to_torch(to.modules()), theirs));
  }
}

TEST_CASE("Foreign weights: names and shapes are state_dict's") {
  const Model model;
  CHECK(shapes_of(to_torch(model.modules())) == std::vector<std::string>{"emb.weight [7, 3]",
                                                                         "encoder.lstm.bias_hh_l0 [12]",
                                                                         "encoder.lstm.bias_hh_l0_reverse [12]",
                                                                         "encoder.lstm.bias_hh_l1 [12]",
                                                                         "encoder.lstm.bias_hh_l1_reverse [12]",
                                                                         "encoder.lstm.bias_ih_l0 [12]",
                                                                         "encoder.lstm.bias_ih_l0_reverse [12]",
                                                                         "encoder.lstm.bias_ih_l1 [12]",
                                                                         "encoder.lstm.bias_ih_l1_reverse [12]",
                                                                         "encoder.lstm.weight_hh_l0 [12, 3]",
                                                                         "encoder.lstm.weight_hh_l0_reverse [12, 3]",
                                                                         "encoder.lstm.weight_hh_l1 [12, 3]",
                                                                         "encoder.lstm.weight_hh_l1_reverse [12, 3]",
                                                                         "encoder.lstm.weight_ih_l0 [12, 4]",
                                                                         "encoder.lstm.weight_ih_l0_reverse [12, 4]",
                                                                         "encoder.lstm.weight_ih_l1 [12, 6]",
                                                                         "encoder.lstm.weight_ih_l1_reverse [12, 6]",
                                                                         "fc.bias [2]",
                                                                         "fc.weight [2, 6]",
                                                                         "gru.bias_hh [12]",
                                                                         "gru.bias_ih [12]",
                                                                         "gru.weight_hh [12, 4]",
                                                                         "gru.weight_ih [12, 2]",
                                                                         "norm.weight [6]",
                                                                         "rnn.bias_hh_l0 [2]",
                                                                         "rnn.bias_ih_l0 [2]",
                                                                         "rnn.weight_hh_l0 [2, 2]",
                                                                         "rnn.weight_ih_l0 [2, 3]"});
  Params params;
  const ProjectedLstm projected(params, 2, 4, 3);
  const Arrays theirs = to_torch({{"lstm", projected}});
  CHECK(shapes_of(theirs) == std::vector<std::string>{"lstm.bias_hh_l0 [16]", "lstm.bias_ih_l0 [16]",
                                                      "lstm.weight_hh_l0 [16, 3]", "lstm.weight_hr_l0 [3, 4]",
                                                      "lstm.weight_ih_l0 [16, 2]"});
  const auto before = values_of(params);
  params.fill(zero);
  load_torch(theirs, {{"lstm", projected}});
  CHECK(same_values(values_of(params), before));
}

TEST_CASE("Foreign weights: modules of ready models") {
  Params params;
  const LanguageModel<Lstm> model(params / "lm", 5, {.embed = 3, .hidden = 4});
  const Classifier classifier(params / "classifier", 5, 3, Gru(params / "gru", 3, 4, Reset::after), 2);
  const ForeignModules modules{{"a.emb", model.embedding()},    {"a.lstm", model.cell()},
                               {"a.fc", model.head()},          {"b.emb", classifier.embedding()},
                               {"b.gru", classifier.encoder()}, {"b.fc", classifier.head()}};
  const auto before = values_of(params);
  const Arrays theirs = to_torch(modules);
  params.fill(zero);
  load_torch(theirs, modules);
  CHECK(same_values(values_of(params), before));
  const LanguageModel<Lstm> tied(params / "tied", 5, {.embed = 3, .hidden = 3, .tied = true});
  CHECK(message_of<UsageError>([&] { tied.head(); }) ==
        "LanguageModel: with tied weights it has no head but the embedding");
}

TEST_CASE("Foreign weights: wrappers that only change how a cell is run have the cell's weights") {
  Params params;
  const Lstm lstm(params, 2, 2);
  const Arrays bare = to_torch({{"lstm", lstm}});
  CHECK(same_arrays(to_torch({{"lstm", Zoneout<Lstm>(params, lstm, {0.1})}}), bare));
  CHECK(same_arrays(to_torch({{"lstm", WeightDrop<Lstm>(params, lstm, 0.5)}}), bare));
  CHECK(same_arrays(to_torch({{"lstm", VariationalDropout<Lstm>(params, lstm, {.input = 0.5})}}), bare));
  CHECK(same_arrays(to_torch({{"lstm", Residual<Lstm>(lstm)}}), bare));
  CHECK(message_of<UsageError>([&] {
          to_torch({{"lstm", Projected<Lstm>(params / "p", lstm, 1)}});
        }) ==
        "module 'lstm': no other framework's weights fit this layer, or it has no member gates() to say what its "
        "columns are");
}

TEST_CASE("Foreign weights: modules without biases leave ours zero, and need them zero") {
  Params params;
  const Gru gru(params / "gru", 2, 3, Reset::after);
  const Linear linear(params / "linear", 3, 2);
  params.fill(normal(1));
  const ForeignModules without{{"gru", gru, {.bias = false}}, {"fc", linear, {.bias = false}}};
  Arrays theirs = to_torch({{"gru", gru}, {"fc", linear}});
  std::erase_if(theirs, [](const auto& array) { return array.first.find("bias") != std::string::npos; });
  CHECK(torch_message(without) == "'gru.b' is not zero, and there is no bias to hold it");
  load_torch(theirs, without);
  for (const Param& bias : {gru.b, gru.bc, linear.b}) {
    CHECK(same_bits(bias.value(), Array::zeros(bias.shape(), f32)));
  }
  CHECK(same_arrays(to_torch(without), theirs));
}

TEST_CASE("Foreign weights: f32 becomes f64 exactly, f64 the nearest f32") {
  Params narrow(0, f32), wide(0, f64);
  const Linear a(narrow, 1, 2), b(wide, 1, 2);
  const Arrays in_f64{{"weight", of({2, 1}, {0.1, 1.0 / 3})}, {"bias", of({2}, {1e-50, 2})}};
  load_torch(in_f64, {{"", a}});
  CHECK(a.w.value().flat(0) == static_cast<double>(0.1f));
  CHECK(a.w.value().flat(1) == static_cast<double>(1.0f / 3.0f));
  CHECK(a.b.value().flat(0) == 0);
  load_torch(to_torch({{"", a}}), {{"", b}});
  CHECK(b.w.value().flat(0) == static_cast<double>(0.1f));
}

TEST_CASE("Foreign weights: a Keras model's own file gives its outputs") {
  Safetensors file = read_safetensors("tests/golden/keras_model.safetensors");
  const auto expected = file.arrays.extract("expected/logits");
  const Integers& batch = file.integers.at("expected/ids");
  Params params(0, f64);
  const Embedding embedding(params / "embedding", 7, 3);
  const Stack stack({Bidirectional<Lstm>(params / "bidirectional", 3, 4), Gru(params / "gru", 8, 3, Reset::after),
                     Rnn(params / "rnn", 3, 3), Gru(params / "gru_before", 3, 2, Reset::before),
                     Lstm(params / "lstm", 2, 3)});
  const Linear dense(params / "dense", 3, 2);
  load_keras(file.arrays, {{"model/embedding", embedding},
                           {"model/bidirectional", stack.layers[0]},
                           {"model/gru", stack.layers[1]},
                           {"model/simple_rnn", stack.layers[2]},
                           {"model/gru_before", stack.layers[3]},
                           {"model/lstm", stack.layers[4], {.bias = false}},
                           {"model/dense", dense}});
  const Index sequences = batch.shape[0], steps = batch.shape[1];
  Ids ids = Ids::filled(steps, sequences, 0);
  for (Index b = 0; b < sequences; ++b) {
    for (Index t = 0; t < steps; ++t) ids(t, b) = static_cast<Id>(batch.values[b * steps + t]);
  }
  const Tensor logits = dense(output(stack, scan(stack, embedding(ids)).last));
  CHECK(distance(logits.value(), expected.mapped()) < 1e-13);
}

TEST_CASE("Foreign weights: Keras' cells by themselves, and layers under other names") {
  Params params(0, f64);
  const Lstm lstm(params / "lstm", 1, 1);
  const Arrays cell{{"my_cell/kernel", of({1, 4}, {1, 2, 3, 4})},
                    {"my_cell/recurrent_kernel", of({1, 4}, {5, 6, 7, 8})},
                    {"my_cell/bias", of({4}, {9, 10, 11, 12})}};
  load_keras(cell, {{"my_cell", lstm, {.cell = true}}});
  CHECK(same_bits(lstm.wx.value(), of({1, 4}, {1, 2, 3, 4})));
  params.fill(zero);
  load_keras(cell, {{"", lstm}});  // a model of one layer whose cell has this name
  CHECK(same_bits(lstm.b.value(), of({4}, {9, 10, 11, 12})));

  const Bidirectional<Rnn> both(params / "both", 1, 1);
  load_keras({{"b/zebra/c/kernel", of({1, 1}, {1})},
              {"b/zebra/c/recurrent_kernel", of({1, 1}, {2})},
              {"b/forward_rnn/c/kernel", of({1, 1}, {3})},
              {"b/forward_rnn/c/recurrent_kernel", of({1, 1}, {4})}},
             {{"b", both, {.bias = false}}});
  CHECK(both.forward.wx.value().flat(0) == 3);
  CHECK(both.backward.wh.value().flat(0) == 2);
}

TEST_CASE("Foreign weights: what does not fit is listed, and nothing is changed") {
  Model model;
  model.fill(3);
  const auto before = values_of(model.params);
  Arrays theirs = to_torch(model.modules());
  for (auto& [name, array] : theirs) array = Array::full(array.shape(), f32, 5);
  const auto rename = [&](const char* from, const char* to) {
    auto node = theirs.extract(from);
    node.key() = to;
    theirs.insert(std::move(node));
  };
  rename("fc.weight", "head.weight");
  rename("rnn.bias_ih_l0", "rnn.bias_ih");
  theirs["extra"] = Array::zeros({2}, f32);
  theirs["gru.weight_ih"] = Array::zeros({12, 3}, f32);
  CHECK(message_of<FileError>([&] { load_torch(theirs, model.modules()); }) ==
        "load_torch: the arrays do not fit the modules:"
        "\n  'fc.weight' [2, 6] is missing; the nearest array is 'head.weight'"
        "\n  'rnn.bias_ih_l0' [2] is missing; the nearest array is 'rnn.bias_ih'"
        "\n  'extra' [2] belongs to no module"
        "\n  'head.weight' [2, 6] belongs to no module; the nearest expected is 'fc.weight'"
        "\n  'rnn.bias_ih' [2] belongs to no module; the nearest expected is 'rnn.bias_ih_l0'"
        "\n  'gru.weight_ih' is [12, 3] and should be [12, 2]"
        "\n  (a module that has no biases is given as {…, {.bias = false}})");
  CHECK(same_values(values_of(model.params), before));

  Params params(1, f64);
  const Lstm lstm(params, 1, 1);
  const auto untouched = values_of(params);
  CHECK(message_of<FileError>([&] {
          load_keras({{"encoder/lstm_cell/kernel", of({1, 4}, {1, 2, 3, 4})},
                      {"encoder/lstm_cell/recurrent_kernel", of({1, 3}, {1, 2, 3})}},
                     {{"encoder", lstm}});
        }) ==
        "load_keras: the arrays do not fit the modules:"
        "\n  'encoder/lstm_cell/bias' [4] is missing"
        "\n  'encoder/lstm_cell/recurrent_kernel' is [1, 3] and should be [1, 4]"
        "\n  (a module that has no biases is given as {…, {.bias = false}})");
  CHECK(same_values(values_of(params), untouched));
}

TEST_CASE("Foreign weights: among very many names none is looked for, which would take long") {
  Params params(1, f64);
  const Linear linear(params, 1, 1);
  const auto message = [&](int count) {
    Arrays theirs{{"bias", of({1}, {1})}};
    for (int k = 0; k < count; ++k) theirs[fmt::format("weights{}", k)] = of({1}, {1});
    return message_of<FileError>([&] { load_torch(theirs, {{"", linear}}); });
  };
  CHECK(message(1000).find("'weight' [1, 1] is missing; the nearest array is 'weights0'") != std::string::npos);
  CHECK(message(1001).find("'weight' [1, 1] is missing\n") != std::string::npos);
}

TEST_CASE("Foreign weights: modules that the other framework does not have are refused") {
  Params params;
  const Gru before(params / "before", 1, 1), after(params / "after", 1, 1, Reset::after);
  CHECK(
      torch_message({{"gru", before}}) ==
      "PyTorch: module 'gru': this Gru resets before the product and nn.GRU after it, which is another equation: make "
      "it with Reset::after");
  CHECK(torch_message({{"notes", Lstm(params / "notes", 1, 1, {.output = LstmOutput::c})}}) ==
        "PyTorch: module 'notes': there is no such cell in PyTorch");
  CHECK(torch_message({{"p", PeepholeLstm(params / "peephole", 1, 1)}}) ==
        "PyTorch: module 'p': there is no LSTM with peepholes in PyTorch");
  CHECK(message_of<UsageError>([&] {
          to_torch({{"simple", SimpleGru(params / "simple", 1, 1)}});
        }) ==
        "module 'simple': no other framework's weights fit this layer, or it has no member gates() to say what its "
        "columns are");
  const Lstm small(params / "small", 1, 1), large(params / "large", 1, 2);
  CHECK(torch_message({{"lstm", Stack({small, large})}}) ==
        "PyTorch: module 'lstm': it has cells of 1 and of 2 units; there all layers of a module have the same size");
  CHECK(torch_message({{"both", Stack({small, after})}}) == "PyTorch: module 'both': its cells are of several kinds");
  CHECK(torch_message({{"mixed", Stack({small, Bidirectional<Lstm>(params / "bi", 1, 1)})}}) ==
        "PyTorch: module 'mixed': some of its layers have one direction and others two, which is not one module there");
  CHECK(torch_message({{"cell", Stack({small, Lstm(params / "small2", 1, 1)}), {.cell = true}}}) ==
        "PyTorch: module 'cell': it is given as a cell and has 2 of them");
  CHECK(torch_message({{"a", small}, {"b", small}}) == "PyTorch: module 'b': parameter 'small.wx' is given twice");
  CHECK(torch_message({{"a", small}, {"a", large}}) == "PyTorch: module 'a': two modules have a tensor 'a.bias_hh_l0'");

  const auto keras = [](const Arrays& theirs, const ForeignModules& modules) {
    try {
      load_keras(theirs, modules);
    } catch (const Error& error) { return std::string(error.what()); }
    return std::string("nothing was thrown");
  };
  CHECK(keras({{"gru/gru_cell/recurrent_kernel", of({1, 3}, {1, 2, 3})}, {"gru/gru_cell/bias", of({3}, {1, 2, 3})}},
              {{"gru", after}}) ==
        "Keras: module 'gru': 'gru/gru_cell/bias' is [3]: this GRU was made with reset_after=False, so make ours with "
        "Reset::before");
  CHECK(
      keras({{"gru/gru_cell/recurrent_kernel", of({1, 3}, {1, 2, 3})},
             {"gru/gru_cell/bias", of({2, 3}, {1, 2, 3, 4, 5, 6})}},
            {{"gru", before}}) ==
      "Keras: module 'gru': 'gru/gru_cell/bias' is [2, 3]: this GRU was made with reset_after=True, so make ours with "
      "Reset::after");
  CHECK(keras({}, {{"lstm", Stack({small, large})}}) ==
        "Keras: module 'lstm': it has 2 layers, and every layer has a name of its own there: give them one by one, as "
        "stack.layers[0]");
  CHECK(keras({}, {{"lstm", ProjectedLstm(params / "projected", 1, 2, 1)}}) ==
        "Keras: module 'lstm': there is no LSTM with a projection in Keras");
}

TEST_CASE("Foreign weights: layouts that lead outside of a tensor, and cells whose columns contradict each other") {
  Params params(0, f64);
  const Linear linear(params, 2, 2);
  ForeignLayout layout;
  layout.tensors["w"] = {4};
  layout.links.push_back({linear.w, 0, 2, "w", 1, 2, 1});
  CHECK(message_of<UsageError>([&] { to_foreign(layout); }) ==
        "a link between 'w' [2, 2] and 'w' [4] leads outside of them");
  const CellGates odd{
      CellKind::rnn, {{linear.w, Role::input, {Gate::candidate}}, {linear.b, Role::bias, {Gate::input, Gate::output}}}};
  CHECK(message_of<UsageError>([&] { hidden_of(odd); }) ==
        "gates: 'b' is [2], which is not 2 blocks of 2 units, as other parameters of the cell are");
}
