#pragma once

#include <unroll/layers/cell.h>

namespace unroll {

/// LSTM whose forget gate is what the input gate leaves (the variant CIFG of Greff et al. 2017):
///   [i g o] = x Wx + h Wh + b
///   c' = (1−σ(i))∘c + σ(i)∘tanh(g)   h' = σ(o)∘tanh(c')
struct CoupledLstm {
  struct State {
    Tensor h, c;  // [B, H] each
    static constexpr std::array names{"h", "c"};
  };

  Param wx, wh, b;  // columns: i, g, o

  /// `input_bias` is the input gate's: −1 forgets as little as an Lstm with a forget bias of 1.
  CoupledLstm(const Scope& p, Index in, Index hidden, double input_bias = -1)
      : wx(p("wx", {in, 3 * hidden}, glorot)),
        wh(p("wh", {hidden, 3 * hidden}, orthogonal)),
        b(p("b", {3 * hidden}, parts({input_bias, 0, 0}))) {}

  CellGates gates() const {
    const std::vector<Gate> all{Gate::input, Gate::candidate, Gate::output};
    return {CellKind::without_likeness, {{wx, Role::input, all}, {wh, Role::recurrent, all}, {b, Role::bias, all}}};
  }

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size()), wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("CoupledLstm", xs, wx);
    return affine(xs, wx, b);
  }

  State step(Tensor z, const State& s) const {
    auto [i, g, o] = split<3>(affine(s.h, wh, std::move(z)));
    auto [h, c] = pointwise(
        "CoupledLstm",
        [](auto i, auto g, auto o, auto c) {
          auto next = c + named<"i">(sigmoid(i)) * (named<"g">(tanh(g)) - c);
          return std::tuple{named<"o">(sigmoid(o)) * tanh(next), next};
        },
        i, g, o, s.c);
    return {h, c};
  }
};

}  // namespace unroll
