// What the recurrent cases of all origins share: their weights, and the comparison of everything they have.
#pragma once

#include <algorithm>

#include <unroll/layers/cells.h>
#include <unroll/layers/foreign.h>
#include <unroll/layers/stack.h>

#include "case.h"

namespace unroll::agreement {

/// The case's weights, with Keras' names of variables as Keras writes them: a '/' for each '.'.
inline Arrays weights_of(const Case& c) {
  Arrays all;
  for (const std::string& name : c.names("param")) {
    std::string path = name;
    if (c.origin == "keras") std::ranges::replace(path, '.', '/');
    all[path] = c.array("param/" + name);
  }
  return all;
}

/// A peephole of one gate, whose weights begin at `start` of a tensor.
inline Link peephole(const Param& param, const std::string& tensor, Index start = 0) {
  return {param, 0, param.dim(0), tensor, start, 0, 1};
}

/// Compares the outputs and the gradients of inputs and weights of Σ ⟨seed, output⟩.
inline void compare_recurrent(Check& check, Tape& tape, const Tensors& inputs, const Tensors& outputs,
                              const ForeignLayout& layout) {
  for (const auto& [name, y] : outputs) {
    if (check.c.has("output/" + name)) check.compare("output/" + name, y.value());
  }
  if (check.c.names("grad").empty()) return;
  const Grads grads = tape.backward(seeded(check.c, outputs));
  for (const auto& [name, x] : inputs) {
    if (check.c.has("grad/" + name)) check.compare("grad/" + name, grads[x]);
  }
  for (const auto& [name, array] : to_foreign(layout, grads)) {
    std::string tensor = "grad/" + name;
    if (check.c.origin == "keras") std::ranges::replace(tensor.begin() + 5, tensor.end(), '/', '.');
    check.compare(tensor, array);
  }
}

/// The tensors of a state, in order, and a state like `like` made of such a list.
template <class State>
std::vector<Tensor> tensors_of(const State& state) {
  std::vector<Tensor> all;
  each_field(state, [&](const Tensor& x) { all.push_back(x); });
  return all;
}
template <class State>
State state_of(const State& like, const std::vector<Tensor>& tensors) {
  Index next = 0;
  return map_fields(like, [&](const Tensor&) { return tensors.at(next++); });
}

}  // namespace unroll::agreement
