// PyTorch's recurrent layers as ours, for their own cases and for whole trainings.
#pragma once

#include "recurrent.h"

namespace unroll::agreement {

/// A Stack like an nn.RNN, nn.GRU or nn.LSTM.
struct TorchLayers {
  Stack stack;
  Index fields;  // of one cell's state: h, or h and c
};

/// PyTorch's two biases that are added, as one of ours, or as two: they are trained apart, which Adam's steps show.
enum class Biases { one, two };

TorchLayers torch_layers(const Case& c, const Scope& scope, Index in, Biases biases = Biases::one);

}  // namespace unroll::agreement
