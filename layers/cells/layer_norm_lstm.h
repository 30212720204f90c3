#pragma once

#include <unroll/layers/cell.h>

namespace unroll {

/// LSTM with layer normalization (Ba, Kiros and Hinton 2016): of what comes from x and of what comes from h, each over
/// all gates together, and of c where the output sees it.
///   [i f g o] = LN(x Wx)∘gx + LN(h Wh)∘gh + b
///   c' = σ(f)∘c + σ(i)∘tanh(g)   h' = σ(o)∘tanh(LN(c')∘gc + bc)
/// The biases that the paper gives both LN of the gates would only be added to b. ε is 10⁻⁵.
struct LayerNormLstm {
  struct State {
    Tensor h, c;  // [B, H] each
    static constexpr std::array names{"h", "c"};
  };

  Param wx, wh, b, gx, gh, gc, bc;  // columns of wx, wh, b, gx, gh: i, f, g, o

  LayerNormLstm(const Scope& p, Index in, Index hidden, double forget_bias = 1)
      : wx(p("wx", {in, 4 * hidden}, glorot)),
        wh(p("wh", {hidden, 4 * hidden}, orthogonal)),
        b(p("b", {4 * hidden}, parts({0, forget_bias, 0, 0}))),
        gx(p("gx", {4 * hidden}, constant(1))),
        gh(p("gh", {4 * hidden}, constant(1))),
        gc(p("gc", {hidden}, constant(1))),
        bc(p("bc", {hidden}, zero)) {}

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size()), wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("LayerNormLstm", xs, wx);
    return layer_norm(matmul(xs, wx), gx, b);
  }

  State step(Tensor z, const State& s) const {
    const Tensor none = Tensor::zeros(b.shape(), b.dtype());
    auto [i, f, g, o] = split<4>(std::move(z) + layer_norm(matmul(s.h, wh), gh, none));
    const Tensor c = pointwise(
        "LayerNormLstm",
        [](auto i, auto f, auto g, auto c) {
          return named<"f">(sigmoid(f)) * c + named<"i">(sigmoid(i)) * named<"g">(tanh(g));
        },
        i, f, g, s.c);
    const Tensor h = pointwise(
        "LayerNormLstm", [](auto o, auto c) { return named<"o">(sigmoid(o)) * tanh(c); }, o, layer_norm(c, gc, bc));
    return {h, c};
  }
};

}  // namespace unroll
