#pragma once

#include <unroll/layers/cell.h>

namespace unroll {

/// LSTM with a recurrent projection, a large memory behind a small output (Sak et al. 2014; PyTorch's `proj_size`):
///   [i f g o] = x Wx + h Wh + b
///   c' = σ(f)∘c + σ(i)∘tanh(g)   h' = (σ(o)∘tanh(c')) Wr
struct ProjectedLstm {
  struct State {
    Tensor h;  // [B, P]
    Tensor c;  // [B, H]
    static constexpr std::array names{"h", "c"};
  };

  Param wx, wh, wr, b;  // columns: i, f, g, o; wh is [P, 4H], wr [H, P]

  ProjectedLstm(const Scope& p, Index in, Index hidden, Index projected, double forget_bias = 1)
      : wx(p("wx", {in, 4 * hidden}, glorot)),
        wh(p("wh", {projected, 4 * hidden}, orthogonal)),
        wr(p("wr", {hidden, projected}, glorot)),
        b(p("b", {4 * hidden}, parts({0, forget_bias, 0, 0}))) {}

  CellGates gates() const {
    const std::vector<Gate> all{Gate::input, Gate::forget, Gate::candidate, Gate::output};
    return {CellKind::lstm,
            {{wx, Role::input, all}, {wh, Role::recurrent, all}, {b, Role::bias, all}, {wr, Role::projection}}};
  }

  Index size() const { return wr.dim(1); }
  State zero_state(Index batch) const { return {wr.zeros(batch, size()), wr.zeros(batch, wr.dim(0))}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("ProjectedLstm", xs, wx);
    return affine(xs, wx, b);
  }

  State step(Tensor z, const State& s) const {
    auto [i, f, g, o] = split<4>(affine(s.h, wh, std::move(z)));
    auto [h, c] = pointwise(
        "ProjectedLstm",
        [](auto i, auto f, auto g, auto o, auto c) {
          auto next = named<"f">(sigmoid(f)) * c + named<"i">(sigmoid(i)) * named<"g">(tanh(g));
          return std::tuple{named<"o">(sigmoid(o)) * tanh(next), next};
        },
        i, f, g, o, s.c);
    return {matmul(h, wr), c};
  }
};

}  // namespace unroll
