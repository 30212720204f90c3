// An operator of ONNX, written with our ops.
#pragma once

#include "case.h"

namespace unroll::agreement {

/// One node on its way: its inputs among the values so far, and its attributes.
struct NodeRun {
  const Case& c;
  const std::map<std::string, Tensor>& values;
  std::vector<std::string> inputs, outputs;
  json attributes;

  /// An optional input that is left out has an empty name.
  bool has(Index i) const { return i < inputs.size() && !inputs[i].empty(); }
  const Tensor& in(Index i) const;
  /// Integers that newer versions of ONNX give as an input and older ones as an attribute.
  std::vector<int> integers(Index i, const char* attribute = nullptr) const;
  double number(const char* attribute, double otherwise) const { return attributes.value(attribute, otherwise); }
  int integer(const char* attribute, int otherwise) const { return attributes.value(attribute, otherwise); }
};

/// The outputs of a node by its operator.
using Nodes = std::map<std::string, std::function<std::vector<Tensor>(const NodeRun&)>>;

void add_onnx_shape(Nodes& nodes);
void add_onnx_losses(Nodes& nodes);
void add_onnx_selection(Nodes& nodes);

}  // namespace unroll::agreement
