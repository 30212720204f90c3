#pragma once

#include <unroll/layers/cell.h>

namespace unroll {

enum class Activation { tanh, relu };

/// The simple recurrent network (Elman 1990).   a' = g(x Wx + a Wh + b),   g = tanh or ReLU
struct Rnn {
  struct State {
    Tensor a;  // [B, H]
    static constexpr std::array names{"a"};
  };

  Param wx, wh, b;
  Activation activation;

  Rnn(const Scope& p, Index in, Index hidden, Activation activation = Activation::tanh)
      : wx(p("wx", {in, hidden}, glorot)),
        wh(p("wh", {hidden, hidden}, orthogonal)),
        b(p("b", {hidden}, zero)),
        activation(activation) {}

  CellGates gates() const {
    const std::vector<Gate> all{Gate::candidate};
    return {CellKind::rnn, {{wx, Role::input, all}, {wh, Role::recurrent, all}, {b, Role::bias, all}}};
  }

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("Rnn", xs, wx);
    return affine(xs, wx, b);
  }

  State step(Tensor z, const State& s) const {
    const Tensor sum = affine(s.a, wh, std::move(z));
    return {activation == Activation::tanh ? tanh(sum) : relu(sum)};
  }
};

}  // namespace unroll
