// Weights of PyTorch and Keras in our layers, and ours in PyTorch's layout.
//
//     load_torch(read_safetensors("model.safetensors").arrays, {{"emb", emb}, {"lstm", lstm}, {"fc", fc}});
//     write_safetensors("model.safetensors", {.arrays = to_torch({{"emb", emb}, {"lstm", lstm}, {"fc", fc}})});
//
// In Python such a file is written by safetensors.torch.save_file(model.state_dict(), path) and read by
// model.load_state_dict(safetensors.torch.load_file(path)); from Keras it is written by
// safetensors.numpy.save_file({v.path: v.numpy() for v in model.weights}, path).
#pragma once

#include <variant>

#include <unroll/layers/embedding.h>
#include <unroll/layers/foreign_layout.h>
#include <unroll/layers/linear.h>

namespace unroll {

struct ForeignOptions {
  bool bias = true;   ///< false: made with bias=False (Keras: use_bias=False); our biases become and must be zero
  bool cell = false;  ///< true: a cell and no layer (nn.LSTMCell, keras.layers.LSTMCell): another form of the names
};

/// A layer of ours under its name in a model of another framework; "" where it is the whole model. Every layer may be
/// a member of a larger name: "encoder.lstm", Keras "sequential/lstm".
///
/// | ours | PyTorch | Keras |
/// | --- | --- | --- |
/// | Rnn | nn.RNN (either nonlinearity), nn.RNNCell | SimpleRNN |
/// | Gru, Reset::after | nn.GRU, nn.GRUCell | GRU, reset_after=True |
/// | Gru, Reset::before | | GRU, reset_after=False |
/// | Lstm | nn.LSTM, nn.LSTMCell | LSTM |
/// | an LSTM with a projection | nn.LSTM with proj_size | |
/// | Bidirectional of these | bidirectional=True | Bidirectional |
/// | Stack of these | num_layers | one by one: stack.layers[0] |
/// | Linear | nn.Linear | Dense |
/// | Embedding | nn.Embedding | Embedding |
/// | Param | nn.Parameter, the weights of nn.LayerNorm | any variable, by its path |
struct ForeignModule {
  using Layer = std::variant<Linear, Embedding, Param, LayerGates>;

  std::string name;
  Layer layer;
  ForeignOptions options;

  ForeignModule(std::string name, const Linear& linear, ForeignOptions options = {})
      : name(std::move(name)), layer(linear), options(options) {}
  ForeignModule(std::string name, const Embedding& embedding) : name(std::move(name)), layer(embedding) {}
  ForeignModule(std::string name, const Param& param) : name(std::move(name)), layer(param) {}
  /// A cell, or layers of cells. Errors: UsageError if it does not say what its gates are (layers/gates.h).
  template <class L>
  ForeignModule(std::string name_, const L& cells, ForeignOptions options_ = {})
      : name(std::move(name_)), layer(checked(name, gates_of(cells))), options(options_) {}

 private:
  static LayerGates checked(const std::string& name, std::optional<LayerGates> gates);
};
using ForeignModules = std::vector<ForeignModule>;

/// Where PyTorch keeps the parameters of these modules: state_dict's names and shapes.
/// Errors: UsageError for a cell that PyTorch does not have, such as a Gru with Reset::before, layers of different
/// sizes in one module, and one parameter in two modules.
ForeignLayout torch_layout(const ForeignModules& modules);
/// The same for Keras, whose names of cells and of layers in a Bidirectional are found among those of `theirs`.
/// Errors: UsageError as torch_layout. FileError for a GRU's bias that is [3H] where ours resets after the product, or
/// [2, 3H] where it resets before it.
ForeignLayout keras_layout(const Arrays& theirs, const ForeignModules& modules);

/// Sets the parameters of all modules to the weights of a PyTorch model, named as in its state_dict. Two biases are
/// added; what makes a GRU's update gate changes its sign, for u = 1 − z. Every array must be used: erase from the map
/// what is not wanted. (Integers of a file are not among its arrays.)
/// Errors: as torch_layout and load_foreign; then no parameter was changed.
void load_torch(const Arrays& theirs, const ForeignModules& modules);

/// The weights of all modules, named and laid out as PyTorch's. Of two biases that are added the second is zero.
/// Their derivatives, to be held against `.grad`, are to_foreign(torch_layout(modules), grads).
/// Errors: as torch_layout; UsageError for a bias that is not zero in a module without biases.
Arrays to_torch(const ForeignModules& modules);

/// Sets the parameters of all modules to the weights of a Keras 3 model, named by the variables' paths
/// ("lstm/lstm_cell/kernel", "bidirectional/forward_gru/gru_cell/bias").
/// Errors: as keras_layout and load_foreign; then no parameter was changed.
void load_keras(const Arrays& theirs, const ForeignModules& modules);

}  // namespace unroll
