// PyTorch's recurrent layers as ours, for their own cases and for whole trainings.
#pragma once

#include "recurrent.h"

namespace unroll::agreement {

/// A Stack like an nn.RNN, nn.GRU or nn.LSTM, with the links to its weights.
struct TorchLayers {
  Stack stack;
  Links links;
  Index hidden;
  Index fields;  // of one cell's state: h, or h and c
};

/// PyTorch's two biases that are added, as one of ours, or as two: they are trained apart, which Adam's steps show.
enum class Biases { one, two };

/// `prefix` stands before the names of the weights: "param/" or "param/rnn.".
TorchLayers torch_layers(const Case& c, const Scope& scope, Index in, const std::string& prefix,
                         Biases biases = Biases::one);

}  // namespace unroll::agreement
