#pragma once

#include <unroll/layers/cell.h>

namespace unroll {

/// The gated recurrent unit without recurrent products: gate and candidate depend on the input alone (minGRU; Feng et
/// al. 2024):
///   z = σ(x Wx_z + b_z)   h̃ = x Wx_h + b_h   h' = (1−z)∘h + z∘h̃
struct MinGru {
  struct State {
    Tensor h;  // [B, H]
    static constexpr std::array names{"h"};
  };
  /// There is nothing in the recurrence that dropout of h could act on.
  static constexpr bool recurrent_products = false;

  Param wx, b;  // columns: z, h̃

  MinGru(const Scope& p, Index in, Index hidden)
      : wx(p("wx", {in, 2 * hidden}, glorot)), b(p("b", {2 * hidden}, zero)) {}

  Index size() const { return b.dim(0) / 2; }
  State zero_state(Index batch) const { return {wx.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("MinGru", xs, wx);
    return affine(xs, wx, b);
  }

  State step(const Tensor& z, const State& s) const {
    auto [gate, candidate] = split<2>(z);
    return {pointwise(
        "MinGru", [](auto z, auto n, auto h) { return h + named<"z">(sigmoid(z)) * (n - h); }, gate, candidate, s.h)};
  }
};

}  // namespace unroll
