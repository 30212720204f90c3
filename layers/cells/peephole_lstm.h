#pragma once

#include <unroll/layers/cell.h>

namespace unroll {

/// What the output gate of a peephole LSTM sees.
enum class Peephole {
  new_c,  ///< c', as in Gers and Schmidhuber 2000 and ONNX
  old_c,  ///< c, as on the course's slide, where all gates see the old one
};

/// LSTM whose gates see the memory cell:
///   i = σ(zᵢ + pᵢ∘c)   f = σ(z_f + p_f∘c)   c' = f∘c + i∘tanh(z_g)   o = σ(zₒ + pₒ∘c')   h' = o∘tanh(c'),   z = x Wx +
///   h Wh + b
struct PeepholeLstm {
  struct State {
    Tensor h, c;  // [B, H] each
    static constexpr std::array names{"h", "c"};
  };

  Param wx, wh, b, pi, pf, po;  // columns: i, f, g, o
  Peephole form;

  PeepholeLstm(const Scope& p, Index in, Index hidden, Peephole form = Peephole::new_c)
      : wx(p("wx", {in, 4 * hidden}, glorot)),
        wh(p("wh", {hidden, 4 * hidden}, orthogonal)),
        b(p("b", {4 * hidden}, parts({0, 1, 0, 0}))),
        pi(p("pi", {hidden}, zero)),
        pf(p("pf", {hidden}, zero)),
        po(p("po", {hidden}, zero)),
        form(form) {}

  CellGates gates() const {
    const std::vector<Gate> all{Gate::input, Gate::forget, Gate::candidate, Gate::output};
    return {form == Peephole::new_c ? CellKind::lstm : CellKind::without_likeness,
            {{wx, Role::input, all},
             {wh, Role::recurrent, all},
             {b, Role::bias, all},
             {pi, Role::peephole, {Gate::input}},
             {pf, Role::peephole, {Gate::forget}},
             {po, Role::peephole, {Gate::output}}}};
  }

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size()), wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("PeepholeLstm", xs, wx);
    return affine(xs, wx, b);
  }

  State step(Tensor z, const State& s) const {
    auto [i, f, g, o] = split<4>(affine(s.h, wh, std::move(z)));
    auto [h, c] = form == Peephole::new_c ? pointwise("PeepholeLstm", sees_new, i, f, g, o, s.c, pi, pf, po)
                                          : pointwise("PeepholeLstm", sees_old, i, f, g, o, s.c, pi, pf, po);
    return {h, c};
  }

 private:
  static constexpr auto sees_new = [](auto i, auto f, auto g, auto o, auto c, auto pi, auto pf, auto po) {
    auto next = named<"f">(sigmoid(f + pf * c)) * c + named<"i">(sigmoid(i + pi * c)) * named<"g">(tanh(g));
    return std::tuple{named<"o">(sigmoid(o + po * next)) * tanh(next), next};
  };
  static constexpr auto sees_old = [](auto i, auto f, auto g, auto o, auto c, auto pi, auto pf, auto po) {
    auto next = named<"f">(sigmoid(f + pf * c)) * c + named<"i">(sigmoid(i + pi * c)) * named<"g">(tanh(g));
    return std::tuple{named<"o">(sigmoid(o + po * c)) * tanh(next), next};
  };
};

}  // namespace unroll
