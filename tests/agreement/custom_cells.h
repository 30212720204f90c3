// Cells of the kind a user writes, with what other frameworks offer as options and ours do not: other activations, a
// bound on what goes into them. So these cases test scans, states and gradients of such cells.
#pragma once

#include <functional>

#include "recurrent.h"

namespace unroll::agreement {

using Function1 = std::function<Tensor(const Tensor&)>;

/// What a gated cell is made of beside its weights.
struct GatedOptions {
  Function1 gate = [](const Tensor& x) { return sigmoid(x); };
  Function1 candidate = [](const Tensor& x) { return tanh(x); };
  Function1 output = [](const Tensor& x) { return tanh(x); };  // of an LSTM's memory
  bool coupled = false;                                        // an LSTM's forget gate is 1 − i
  Reset reset = Reset::before;
};

/// a' = g(x Wx + a Wh + b)
struct CustomRnn {
  struct State {
    Tensor a;
  };
  Param wx, wh, b;
  GatedOptions options;

  CustomRnn(const Scope& p, Index in, Index hidden, GatedOptions options)
      : wx(p("wx", {in, hidden}, zero)),
        wh(p("wh", {hidden, hidden}, zero)),
        b(p("b", {hidden}, zero)),
        options(std::move(options)) {}

  CellGates gates() const {
    const std::vector<Gate> all{Gate::candidate};
    return {CellKind::rnn, {{wx, Role::input, all}, {wh, Role::recurrent, all}, {b, Role::bias, all}}};
  }

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const { return affine(xs, wx, b); }
  State step(const Tensor& z, const State& s) const { return {options.candidate(z + matmul(s.a, wh))}; }
};

/// The LSTM with peepholes, whose output gate sees the new memory.
struct CustomLstm {
  struct State {
    Tensor h, c;
  };
  Param wx, wh, b, pi, pf, po;  // columns: i, f, g, o
  GatedOptions options;

  CustomLstm(const Scope& p, Index in, Index hidden, GatedOptions options)
      : wx(p("wx", {in, 4 * hidden}, zero)),
        wh(p("wh", {hidden, 4 * hidden}, zero)),
        b(p("b", {4 * hidden}, zero)),
        pi(p("pi", {hidden}, zero)),
        pf(p("pf", {hidden}, zero)),
        po(p("po", {hidden}, zero)),
        options(std::move(options)) {}

  /// Without the peepholes, which only some formats have.
  CellGates gates() const {
    const std::vector<Gate> all{Gate::input, Gate::forget, Gate::candidate, Gate::output};
    return {CellKind::lstm, {{wx, Role::input, all}, {wh, Role::recurrent, all}, {b, Role::bias, all}}};
  }

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size()), wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const { return affine(xs, wx, b); }
  State step(const Tensor& z, const State& s) const {
    const auto [zi, zf, zg, zo] = split<4>(z + matmul(s.h, wh));
    const Tensor i = options.gate(zi + pi * s.c);
    const Tensor f = options.coupled ? 1 - i : options.gate(zf + pf * s.c);
    const Tensor c = f * s.c + i * options.candidate(zg);
    return {options.gate(zo + po * c) * options.output(c), c};
  }
};

/// The gated recurrent unit in our letters: c' = u∘c̃ + (1−u)∘c. Its update gate is 1 − gate(−zᵤ), since other
/// frameworks' z is gate(−zᵤ) and no gate but σ mirrors itself.
struct CustomGru {
  struct State {
    Tensor c;
  };
  Param wx, wh, wc, b, bc;  // columns: u, r, c̃
  GatedOptions options;

  CustomGru(const Scope& p, Index in, Index hidden, GatedOptions options)
      : wx(p("wx", {in, 3 * hidden}, zero)),
        wh(p("wh", {hidden, 2 * hidden}, zero)),
        wc(p("wc", {hidden, hidden}, zero)),
        b(p("b", {3 * hidden}, zero)),
        bc(p("bc", {hidden}, zero)),
        options(std::move(options)) {}

  CellGates gates() const {
    const std::vector<Gate> all{Gate::update, Gate::reset, Gate::candidate};
    return {options.reset == Reset::before ? CellKind::gru : CellKind::gru_reset_after,
            {{wx, Role::input, all},
             {wh, Role::recurrent, {Gate::update, Gate::reset}},
             {wc, Role::recurrent, {Gate::candidate}},
             {b, Role::bias, all},
             {bc, Role::recurrent_bias, {Gate::candidate}}}};
  }

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const { return affine(xs, wx, b); }
  State step(const Tensor& z, const State& s) const {
    const auto [zu, zr, zn] = split<3>(z);
    const auto [hu, hr] = split<2>(matmul(s.c, wh));
    const Tensor keep = options.gate(-(zu + hu)), r = options.gate(zr + hr);
    const Tensor from_state = options.reset == Reset::after ? r * (matmul(s.c, wc) + bc) : matmul(r * s.c, wc) + bc;
    return {(1 - keep) * options.candidate(zn + from_state) + keep * s.c};
  }
};

}  // namespace unroll::agreement
