// One training step or one inference of a recurrent layer: a built-in cell, and the same cell as a user composes it,
// its gates from plain ops or in one `pointwise`.

#include <unroll/bench/common.h>
#include <unroll/layers/cells.h>
#include <unroll/layers/scan.h>
#include <unroll/optim/sgd.h>

namespace unroll::bench {
namespace {

/// h' = tanh(x W + b + h U)
struct ComposedRnn {
  struct State {
    Tensor h;
  };
  Param wx, wh, b;
  bool fused;

  ComposedRnn(Scope p, Index in, Index hidden, bool fused)
      : wx(p("wx", {in, hidden}, zero)), wh(p("wh", {hidden, hidden}, zero)), b(p("b", {hidden}, zero)), fused(fused) {}

  State zero_state(Index batch) const { return {wh.zeros(batch, wh.dim(0))}; }
  Tensor project(const Tensor& xs) const { return affine(xs, wx, b); }

  State step(const Tensor& z, const State& s) const {
    const Tensor sum = z + matmul(s.h, wh);
    return {fused ? pointwise([](auto v) { return tanh(v); }, sum) : tanh(sum)};
  }
};

/// r, z = σ(x W + b + h U)   n = tanh(x Wn + b_n + r∘(h Un + bn))   h' = (1−z)∘n + z∘h
struct ComposedGru {
  struct State {
    Tensor h;
  };
  Param wx, wh, b, bn;
  bool fused;

  ComposedGru(Scope p, Index in, Index hidden, bool fused)
      : wx(p("wx", {in, 3 * hidden}, zero)),
        wh(p("wh", {hidden, 3 * hidden}, zero)),
        b(p("b", {3 * hidden}, zero)),
        bn(p("bn", {hidden}, zero)),
        fused(fused) {}

  State zero_state(Index batch) const { return {wh.zeros(batch, wh.dim(0))}; }
  Tensor project(const Tensor& xs) const { return affine(xs, wx, b); }

  State step(const Tensor& x, const State& s) const {
    auto [xr, xz, xn] = split<3>(x);
    auto [hr, hz, hn] = split<3>(matmul(s.h, wh));
    if (fused) {
      return {pointwise(
          [](auto xr, auto hr, auto xz, auto hz, auto xn, auto hn, auto bn, auto h) {
            auto n = tanh(xn + sigmoid(xr + hr) * (hn + bn));
            return n + sigmoid(xz + hz) * (h - n);
          },
          xr, hr, xz, hz, xn, hn, bn, s.h)};
    }
    const Tensor n = tanh(xn + sigmoid(xr + hr) * (hn + bn));
    return {n + sigmoid(xz + hz) * (s.h - n)};
  }
};

/// c' = σ(z_f)∘c + σ(zᵢ)∘tanh(z_g)   h' = σ(zₒ)∘tanh(c'),   z = x W + b + h U
struct ComposedLstm {
  struct State {
    Tensor h, c;
  };
  Param wx, wh, b;
  bool fused;

  ComposedLstm(Scope p, Index in, Index hidden, bool fused)
      : wx(p("wx", {in, 4 * hidden}, zero)),
        wh(p("wh", {hidden, 4 * hidden}, zero)),
        b(p("b", {4 * hidden}, zero)),
        fused(fused) {}

  State zero_state(Index batch) const { return {wh.zeros(batch, wh.dim(0)), wh.zeros(batch, wh.dim(0))}; }
  Tensor project(const Tensor& xs) const { return affine(xs, wx, b); }

  State step(const Tensor& z, const State& s) const {
    auto [i, f, g, o] = split<4>(z + matmul(s.h, wh));
    if (fused) {
      auto [h, c] = pointwise(
          [](auto i, auto f, auto g, auto o, auto c) {
            auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
            return std::tuple{sigmoid(o) * tanh(next), next};
          },
          i, f, g, o, s.c);
      return {h, c};
    }
    Tensor c = sigmoid(f) * s.c + sigmoid(i) * tanh(g);
    return {sigmoid(o) * tanh(c), c};
  }
};

///   z = x W + b + h U
///   i = σ(zᵢ + pᵢ∘c)   f = σ(z_f + p_f∘c)   c' = f∘c + i∘tanh(z_g)   o = σ(zₒ + pₒ∘c')   h' = o∘tanh(c')
struct ComposedPeepholeLstm {
  struct State {
    Tensor h, c;
  };
  Param wx, wh, b, pi, pf, po;
  bool fused;

  ComposedPeepholeLstm(Scope p, Index in, Index hidden, bool fused)
      : wx(p("wx", {in, 4 * hidden}, zero)),
        wh(p("wh", {hidden, 4 * hidden}, zero)),
        b(p("b", {4 * hidden}, zero)),
        pi(p("pi", {hidden}, zero)),
        pf(p("pf", {hidden}, zero)),
        po(p("po", {hidden}, zero)),
        fused(fused) {}

  State zero_state(Index batch) const { return {wh.zeros(batch, wh.dim(0)), wh.zeros(batch, wh.dim(0))}; }
  Tensor project(const Tensor& xs) const { return affine(xs, wx, b); }

  State step(const Tensor& z, const State& s) const {
    auto [i, f, g, o] = split<4>(z + matmul(s.h, wh));
    if (fused) {
      auto [h, c] = pointwise(
          [](auto i, auto f, auto g, auto o, auto c, auto pi, auto pf, auto po) {
            auto next = sigmoid(f + pf * c) * c + sigmoid(i + pi * c) * tanh(g);
            return std::tuple{sigmoid(o + po * next) * tanh(next), next};
          },
          i, f, g, o, s.c, pi, pf, po);
      return {h, c};
    }
    Tensor c = sigmoid(f + pf * s.c) * s.c + sigmoid(i + pi * s.c) * tanh(g);
    return {sigmoid(o + po * c) * tanh(c), c};
  }
};

/// A block of columns of a parameter, and where it lies in the benchmark's weights.
struct Block {
  std::string param;
  Index column;
  std::string weight;
  Index row, from, columns;
  float sign = 1;
};

/// The built-in GRU's u is 1 − z, so its pre-activation is that of z with the other sign.
std::vector<Block> layout(const Options& o) {
  const Index h = o.hidden, all = gates(o.cell) * h;
  if (o.cell == "gru" && o.form == "built-in") {
    std::vector<Block> blocks{
        {"wh", 0, "U", 0, h, h, -1}, {"wh", h, "U", 0, 0, h}, {"wc", 0, "U", 0, 2 * h, h}, {"bc", 0, "bn", 0, 0, h}};
    for (const auto& [param, weight] : {std::pair{"wx", "W"}, std::pair{"b", "b"}}) {
      blocks.push_back({param, 0, weight, 0, h, h, -1});
      blocks.push_back({param, h, weight, 0, 0, h});
      blocks.push_back({param, 2 * h, weight, 0, 2 * h, h});
    }
    return blocks;
  }
  std::vector<Block> blocks{{"wx", 0, "W", 0, 0, all}, {"wh", 0, "U", 0, 0, all}, {"b", 0, "b", 0, 0, all}};
  if (o.cell == "gru") blocks.push_back({"bn", 0, "bn", 0, 0, h});
  if (o.cell == "custom") {
    for (const auto& [param, row] : {std::pair{"pi", 0u}, std::pair{"pf", 1u}, std::pair{"po", 2u}}) {
      blocks.push_back({param, 0, "P", row, 0, h});
    }
  }
  return blocks;
}

/// to = sign · from
void copy(const Array& from, const Array& to, float sign) {
  for (Index r = 0; r < to.rows(); ++r) {
    for (Index c = 0; c < to.cols(); ++c) {
      to.raw<float>()[r * to.stride() + c] = sign * from.raw<float>()[r * from.stride() + c];
    }
  }
}

void load(const Params& params, const Options& o) {
  const Weights weights = make_weights(o);
  for (const Block& block : layout(o)) {
    const Param& param = params[block.param];
    Shape shape = param.shape();
    shape.set(shape.ndim() - 1, block.columns);
    param.data().value.writable<float>();
    copy(weights.at(block.weight).part(block.row, block.from, shape), param.value().part(0, block.column, shape),
         block.sign);
  }
}

Weights in_the_weights_layout(const Grads& grads, const Options& o) {
  Weights result;
  for (const auto& [name, shape] : weight_shapes(o)) result[name] = Array::zeros(shape, f32);
  for (const Block& block : layout(o)) {
    const Array& grad = grads[block.param];
    Shape shape = grad.shape();
    shape.set(shape.ndim() - 1, block.columns);
    copy(grad.part(0, block.column, shape), result[block.weight].part(block.row, block.from, shape), block.sign);
  }
  return result;
}

template <class C, class... Further>
void run(const Options& o, Further... further) {
  Params params;
  const C cell(params, o.input, o.hidden, further...);
  load(params, o);
  const Tensor x = make_input(o);
  Sgd sgd({.rate = rate});
  const auto loss_of = [&] { return mean(pointwise([](auto y) { return y * y; }, scan(cell, x).outputs)); };
  if (o.checks()) {
    Tape tape;
    const Tensor loss = loss_of();
    report_check("unroll", o, loss.item(), in_the_weights_layout(tape.backward(loss), o));
  } else if (o.train()) {
    report("unroll", o, measure(o, [&] {
             Tape tape;
             sgd.step(params, tape.backward(loss_of()));
           }));
  } else {
    report("unroll", o, measure(o, [&] { scan(cell, x); }));
  }
}

void run(const Options& o) {
  set_up(o);
  const bool fused = o.form == "pointwise";
  if (o.form == "built-in") {
    if (o.cell == "rnn") run<Rnn>(o);
    if (o.cell == "gru") run<Gru>(o, Reset::after);
    if (o.cell == "lstm") run<Lstm>(o);
    if (o.cell == "custom") run<PeepholeLstm>(o);
  } else {
    if (o.cell == "rnn") run<ComposedRnn>(o, fused);
    if (o.cell == "gru") run<ComposedGru>(o, fused);
    if (o.cell == "lstm") run<ComposedLstm>(o, fused);
    if (o.cell == "custom") run<ComposedPeepholeLstm>(o, fused);
  }
}

}  // namespace
}  // namespace unroll::bench

int main(int count, char** words) {
  using namespace unroll::bench;
  CLI::App app("One training step or one inference of a recurrent layer, timed or checked.");
  Options options;
  options.form = "built-in";
  declare(app, options);
  app.add_option("--form", options.form,
                 "the library's cell, or the same composed from plain ops or with one pointwise")
      ->check(CLI::IsMember({"built-in", "plain", "pointwise"}));
  CLI11_PARSE(app, count, words);
  try {
    run(options);
  } catch (const unroll::Error& error) {
    fmt::print(stderr, "recurrent: {}\n", error.what());
    return 1;
  }
}
