#pragma once

#include <unroll/layers/cell.h>

namespace unroll {

/// The notes' simplified gated recurrent unit, without a reset gate:
///   u = σ(x Wxᵤ + c Whᵤ + bᵤ)   c̃ = tanh(x Wx_c + c Wh_c + b_c)   c' = u∘c̃ + (1−u)∘c
struct SimpleGru {
  struct State {
    Tensor c;  // [B, H]
    static constexpr std::array names{"c"};
  };

  Param wx, wh, b;  // columns: u, c̃

  SimpleGru(const Scope& p, Index in, Index hidden)
      : wx(p("wx", {in, 2 * hidden}, glorot)),
        wh(p("wh", {hidden, 2 * hidden}, orthogonal)),
        b(p("b", {2 * hidden}, zero)) {}

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("SimpleGru", xs, wx);
    return affine(xs, wx, b);
  }

  State step(Tensor z, const State& s) const { return step(std::move(z), s, s.c); }
  State step(Tensor z, const State& s, const Tensor& seen) const {
    auto [u, candidate] = split<2>(affine(seen, wh, std::move(z)));
    return {pointwise("SimpleGru", update, u, candidate, s.c)};
  }

 private:
  static constexpr auto update = [](auto u, auto n, auto c) {
    return c + named<"u">(sigmoid(u)) * (named<"candidate">(tanh(n)) - c);
  };
};

enum class Reset {
  before,  ///< of the product, as in the course, Cho et al. 2014, Keras' reset_after=False and ONNX's default
  after,   ///< as in PyTorch, cuDNN and Keras' default
};

/// The gated recurrent unit (Cho et al. 2014), in the notes' letters:
///   u = σ(x Wxᵤ + c Whᵤ + bᵤ)   r = σ(x Wxᵣ + c Whᵣ + bᵣ)
///   c̃ = tanh(x Wx_c + (r∘c) Wc + b_c), or with the reset after the product tanh(x Wx_c + b_c + r∘(c Wc + bc))
///   c' = u∘c̃ + (1−u)∘c           (PyTorch, Keras and ONNX write z = 1−u)
struct Gru {
  struct State {
    Tensor c;  // [B, H]
    static constexpr std::array names{"c"};
  };

  Param wx, wh, wc, b,
      bc;  // columns of wx and b: u, r, c̃; of wh: u, r; bc exists with the reset after the product only
  Reset reset;

  Gru(const Scope& p, Index in, Index hidden, Reset reset = Reset::before)
      : wx(p("wx", {in, 3 * hidden}, glorot)),
        wh(p("wh", {hidden, 2 * hidden}, orthogonal)),
        wc(p("wc", {hidden, hidden}, orthogonal)),
        b(p("b", {3 * hidden}, zero)),
        reset(reset) {
    if (reset == Reset::after) bc = p("bc", {hidden}, zero);
  }

  CellGates gates() const {
    const std::vector<Gate> all{Gate::update, Gate::reset, Gate::candidate};
    CellGates gates{reset == Reset::before ? CellKind::gru : CellKind::gru_reset_after,
                    {{wx, Role::input, all},
                     {wh, Role::recurrent, {Gate::update, Gate::reset}},
                     {wc, Role::recurrent, {Gate::candidate}},
                     {b, Role::bias, all}}};
    if (reset == Reset::after) gates.columns.push_back({bc, Role::recurrent_bias, {Gate::candidate}});
    return gates;
  }

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("Gru", xs, wx);
    return affine(xs, wx, b);
  }

  State step(const Tensor& z, const State& s) const { return step(z, s, s.c); }
  State step(const Tensor& z, const State& s, const Tensor& seen) const {
    const std::array<Index, 2> sizes{2 * size(), size()};
    const std::vector<Tensor> parts = split(z, sizes);
    auto [u, r] = split<2>(affine(seen, wh, parts[0]));
    if (reset == Reset::before) {
      const Tensor kept = pointwise("Gru", reset_c, r, seen);
      return {pointwise("Gru", update, u, affine(kept, wc, parts[1]), s.c)};
    }
    return {pointwise("Gru", update_and_reset, u, r, parts[1], matmul(seen, wc), bc, s.c)};
  }

 private:
  static constexpr auto reset_c = [](auto r, auto c) { return named<"r">(sigmoid(r)) * c; };
  static constexpr auto update = [](auto u, auto n, auto c) {
    return c + named<"u">(sigmoid(u)) * (named<"candidate">(tanh(n)) - c);
  };
  static constexpr auto update_and_reset = [](auto u, auto r, auto n, auto m, auto bc, auto c) {
    return c + named<"u">(sigmoid(u)) * (named<"candidate">(tanh(n + named<"r">(sigmoid(r)) * (m + bc))) - c);
  };
};

}  // namespace unroll
