#pragma once

#include <unroll/layers/cell.h>

namespace unroll {

/// The independently recurrent network, whose units see only themselves in the past (Li et al. 2018):
///   a' = max(x Wx + u∘a + b, 0)
/// A unit keeps what it holds for long where |u| is near 1; the paper bounds it by 2^(1/T) for sequences of T steps.
struct IndRnn {
  struct State {
    Tensor a;  // [B, H]
    static constexpr std::array names{"a"};
  };

  Param wx, u, b;  // u is [H]

  IndRnn(const Scope& p, Index in, Index hidden)
      : wx(p("wx", {in, hidden}, glorot)), u(p("u", {hidden}, uniform(0, 1))), b(p("b", {hidden}, zero)) {}

  Index size() const { return u.dim(0); }
  State zero_state(Index batch) const { return {wx.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("IndRnn", xs, wx);
    return affine(xs, wx, b);
  }

  State step(const Tensor& z, const State& s) const {
    return {pointwise(
        "IndRnn", [](auto z, auto u, auto a) { return relu(z + u * a); }, z, u, s.a)};
  }
};

}  // namespace unroll
