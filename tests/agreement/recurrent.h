// Other frameworks' weights in our cells, and our gradients in their layout.
#pragma once

#include <array>

#include <unroll/layers/cells.h>
#include <unroll/layers/stack.h>

#include "case.h"

namespace unroll::agreement {

/// Where a framework keeps what belongs to (gate, input, unit) of a weight or bias: at
/// start + gate · per_gate + input · per_input + unit · per_unit of the tensor <role>/<name>.
struct Weight {
  std::string tensor;
  Index start = 0, per_gate = 0, per_input = 0, per_unit = 1;
};

/// The weights of one cell in a framework, whose gate `gates[k]` is our gate k.
struct Weights {
  Weight x, h;
  std::vector<Weight> biases;  // of the input and, where there are two, of the recurrence
  std::vector<Index> gates;
};

/// Block `block` of the columns of a parameter is gate `gate` of a weight, `sign` times; several weights may add up to
/// one parameter.
struct Link {
  Param param;
  Index block;
  Weight weight;
  Index gate;
  double sign = 1;
};
using Links = std::vector<Link>;

/// Calls f(flat index in ours, flat index in theirs) for every number of a link.
template <class F>
void for_each_number(const Link& link, Index hidden, F f) {
  const Array& value = link.param.value();
  for (Index i = 0; i < value.rows(); ++i) {
    for (Index k = 0; k < hidden; ++k) {
      f(i * value.cols() + link.block * hidden + k,
        link.weight.start + link.gate * link.weight.per_gate + i * link.weight.per_input + k * link.weight.per_unit);
    }
  }
}

/// Gate k of our columns is gate k of theirs, in a cell with wx, wh and b.
template <class C>
Links gate_links(const C& cell, const Weights& theirs) {
  Links links;
  for (Index k = 0; k < theirs.gates.size(); ++k) {
    const Index gate = theirs.gates[k];
    links.push_back({cell.wx, k, theirs.x, gate});
    links.push_back({cell.wh, k, theirs.h, gate});
    for (const Weight& bias : theirs.biases) links.push_back({cell.b, k, bias, gate});
  }
  return links;
}

/// Our update gate is u = 1 − z, so that what makes z changes its sign. With the reset after the product the
/// candidate's recurrent bias stands inside it. `gates` are z, r and the candidate.
template <class C>
Links gru_links(const C& cell, const Weights& theirs, bool reset_after) {
  const Index z = theirs.gates[0], r = theirs.gates[1], n = theirs.gates[2];
  Links links{{cell.wx, 0, theirs.x, z, -1}, {cell.wx, 1, theirs.x, r}, {cell.wx, 2, theirs.x, n},
              {cell.wh, 0, theirs.h, z, -1}, {cell.wh, 1, theirs.h, r}, {cell.wc, 0, theirs.h, n}};
  for (Index i = 0; i < theirs.biases.size(); ++i) {
    const Weight& bias = theirs.biases[i];
    links.push_back({cell.b, 0, bias, z, -1});
    links.push_back({cell.b, 1, bias, r});
    links.push_back(i == 1 && reset_after ? Link{cell.bc, 0, bias, n} : Link{cell.b, 2, bias, n});
  }
  return links;
}

inline Links links_of(const Rnn& cell, const Weights& theirs) { return gate_links(cell, theirs); }
inline Links links_of(const Lstm& cell, const Weights& theirs) { return gate_links(cell, theirs); }
inline Links links_of(const CoupledLstm& cell, const Weights& theirs) { return gate_links(cell, theirs); }
inline Links links_of(const PeepholeLstm& cell, const Weights& theirs) { return gate_links(cell, theirs); }
inline Links links_of(const Gru& cell, const Weights& theirs) {
  return gru_links(cell, theirs, cell.reset == Reset::after);
}

/// Gives the parameters the case's weights; what the case does not have (biases) is zero.
inline void load(const Case& c, const Params& params, const Links& links, Index hidden) {
  std::map<std::string, std::vector<double>> theirs;
  for (const Param& p : params) p.set(Array::zeros(p.shape(), p.dtype()));
  for (const Link& link : links) {
    const std::string& tensor = link.weight.tensor;
    if (!c.has(tensor)) continue;
    if (!theirs.contains(tensor)) theirs[tensor] = c.values(tensor);
    Array& ours = link.param.data().value;
    for_each_number(link, hidden, [&](Index our, Index their) {
      ours.set_flat(our, ours.flat(our) + link.sign * theirs[tensor].at(their));
    });
  }
}

/// Our parameters, or their gradients, in the layout of the case's weights: one array for each of its parameters.
template <class Values>
std::map<std::string, Array> in_their_layout(const Case& c, const Links& links, Index hidden, Values values) {
  std::map<std::string, Array> theirs;
  for (const std::string& name : c.names("param")) theirs[name] = Array::zeros(c.shape("param/" + name), f64);
  for (const Link& link : links) {
    if (!c.has(link.weight.tensor)) continue;
    Array& array = theirs.at(link.weight.tensor.substr(std::string("param/").size()));
    const Array ours = values(link.param);
    for_each_number(link, hidden, [&](Index our, Index their) { array.set_flat(their, link.sign * ours.flat(our)); });
  }
  return theirs;
}

/// Compares the outputs and the gradients of inputs and weights of Σ ⟨seed, output⟩.
inline void compare_recurrent(Check& check, Tape& tape, const Tensors& inputs, const Tensors& outputs,
                              const Links& links, Index hidden) {
  for (const auto& [name, y] : outputs) {
    if (check.c.has("output/" + name)) check.compare("output/" + name, y.value());
  }
  if (check.c.names("grad").empty()) return;
  const Grads grads = tape.backward(seeded(check.c, outputs));
  for (const auto& [name, x] : inputs) {
    if (check.c.has("grad/" + name)) check.compare("grad/" + name, grads[x]);
  }
  const auto value = [&](const Param& p) { return grads.contains(p) ? grads[p] : Array::zeros(p.shape(), p.dtype()); };
  for (const auto& [name, array] : in_their_layout(check.c, links, hidden, value)) check.compare("grad/" + name, array);
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
