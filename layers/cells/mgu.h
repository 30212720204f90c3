#pragma once

#include <unroll/layers/cell.h>

namespace unroll {

/// The minimal gated unit, whose one gate both forgets and resets (Zhou et al. 2016):
///   f = σ(x Wx_f + h Wh + b_f)   h̃ = tanh(x Wx_h + (f∘h) Wc + b_h)   h' = (1−f)∘h + f∘h̃
struct Mgu {
  struct State {
    Tensor h;  // [B, H]
    static constexpr std::array names{"h"};
  };

  Param wx, wh, wc, b;  // columns of wx and b: f, h̃

  Mgu(const Scope& p, Index in, Index hidden)
      : wx(p("wx", {in, 2 * hidden}, glorot)),
        wh(p("wh", {hidden, hidden}, orthogonal)),
        wc(p("wc", {hidden, hidden}, orthogonal)),
        b(p("b", {2 * hidden}, zero)) {}

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("Mgu", xs, wx);
    return affine(xs, wx, b);
  }

  State step(const Tensor& z, const State& s) const { return step(z, s, s.h); }
  State step(const Tensor& z, const State& s, const Tensor& seen) const {
    auto [zf, zh] = split<2>(z);
    const Tensor f = affine(seen, wh, zf);
    const Tensor kept = pointwise(
        "Mgu", [](auto f, auto h) { return sigmoid(f) * h; }, f, seen);
    return {pointwise(
        "Mgu", [](auto f, auto n, auto h) { return h + named<"f">(sigmoid(f)) * (named<"candidate">(tanh(n)) - h); }, f,
        affine(kept, wc, zh), s.h)};
  }
};

}  // namespace unroll
