#pragma once

#include <unroll/layers/cell.h>

namespace unroll {

/// What the LSTM's output gate lets through.
enum class LstmOutput {
  tanh_c,  ///< h' = o∘tanh(c'), the textbook's and every library's
  c,       ///< h' = o∘c', as the notes write it
};

struct LstmOptions {
  LstmOutput output = LstmOutput::tanh_c;
  double forget_bias = 1;  // Jozefowicz et al. 2015
};

/// Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000):
///   [i f g o] = x Wx + h Wh + b
///   c' = σ(f)∘c + σ(i)∘tanh(g)   h' = σ(o)∘tanh(c')        (the notes: Γu = σ(i), Γf = σ(f), Γo = σ(o), c̃ = tanh(g), a
///   = h)
struct Lstm {
  struct State {
    Tensor h, c;  // [B, H] each
    static constexpr std::array names{"h", "c"};
  };

  Param wx, wh, b;  // columns: i, f, g, o
  LstmOutput output_form;

  Lstm(const Scope& p, Index in, Index hidden, const LstmOptions& options = {})
      : wx(p("wx", {in, 4 * hidden}, glorot)),
        wh(p("wh", {hidden, 4 * hidden}, orthogonal)),
        b(p("b", {4 * hidden}, parts({0, options.forget_bias, 0, 0}))),
        output_form(options.output) {}

  CellGates gates() const {
    const std::vector<Gate> all{Gate::input, Gate::forget, Gate::candidate, Gate::output};
    return {output_form == LstmOutput::tanh_c ? CellKind::lstm : CellKind::without_likeness,
            {{wx, Role::input, all}, {wh, Role::recurrent, all}, {b, Role::bias, all}}};
  }

  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size()), wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const {
    detail::check_width("Lstm", xs, wx);
    return affine(xs, wx, b);
  }

  State step(Tensor z, const State& s) const {
    auto [i, f, g, o] = split<4>(affine(s.h, wh, std::move(z)));
    auto [h, c] = output_form == LstmOutput::tanh_c ? pointwise("Lstm", textbook, i, f, g, o, s.c)
                                                    : pointwise("Lstm", notes, i, f, g, o, s.c);
    return {h, c};
  }

 private:
  static constexpr auto textbook = [](auto i, auto f, auto g, auto o, auto c) {
    auto next = named<"f">(sigmoid(f)) * c + named<"i">(sigmoid(i)) * named<"g">(tanh(g));
    return std::tuple{named<"o">(sigmoid(o)) * tanh(next), next};
  };
  static constexpr auto notes = [](auto i, auto f, auto g, auto o, auto c) {
    auto next = named<"f">(sigmoid(f)) * c + named<"i">(sigmoid(i)) * named<"g">(tanh(g));
    return std::tuple{named<"o">(sigmoid(o)) * next, next};
  };
};

}  // namespace unroll
