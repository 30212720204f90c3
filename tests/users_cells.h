// Cells as users write them, each awkward in its own way, for the tests of scans.
#pragma once

#include <unroll/layers/dropout.h>
#include <unroll/layers/scan.h>

namespace unroll::testing {

/// Projects nothing ahead, and reads its input twice.
struct Plain {
  struct State {
    Tensor h;
  };
  Param wx, wg, wh;
  Plain(const Scope& p, Index inputs, Index size_)
      : wx(p("wx", {inputs, size_}, glorot)),
        wg(p("wg", {inputs, size_}, glorot)),
        wh(p("wh", {size_, size_}, orthogonal)) {}
  State zero_state(Index batch) const { return {wh.zeros(batch, wh.dim(0))}; }
  State step(const Tensor& x, const State& s) const {
    return {sigmoid(matmul(x, wg)) * tanh(matmul(x, wx) + matmul(s.h, wh))};
  }
};

/// Its state is a struct, an array, a vector and tensors with one to three axes, and its output none of them.
struct Nested {
  struct Inner {
    Tensor fast, slow;
  };
  struct State {
    Inner inner;                       // [B, H] each
    std::array<Tensor, 2> seen;        // the last two inputs, [B, I]
    std::vector<Inner> of_each_layer;  // one
    Tensor level;                      // [B]
    Tensor grid;                       // [B, 2, H]
  };
  Param w, wi;
  Nested(const Scope& p, Index inputs, Index size_)
      : w(p("w", {size_, size_}, orthogonal)), wi(p("wi", {inputs, size_}, glorot)) {}
  State zero_state(Index batch) const {
    const Tensor h = w.zeros(batch, w.dim(0)), x = wi.zeros(batch, wi.dim(0));
    return {
        {h, h}, {x, x}, {{h, h}}, reshape(w.zeros(batch, 1), {batch}), reshape(concat({h, h}), {batch, 2, h.dim(1)})};
  }
  State step(const Tensor& x, const State& s) const {
    const Tensor fast = tanh(matmul(s.inner.fast, w) + matmul(x * s.seen[1], wi) + s.of_each_layer[0].slow);
    const Tensor slow = 0.9 * s.inner.slow + 0.1 * fast;
    return {{fast, slow},
            {x, s.seen[0]},
            {{sigmoid(slow) + s.of_each_layer[0].fast, matmul(s.seen[0], wi)}},
            0.5 * s.level + sum(fast, {1}),
            tanh(s.grid + reshape(concat({fast, slow}), s.grid.shape()))};
  }
  Tensor output(const State& s) const {
    return concat({s.inner.fast * s.inner.slow * reshape(s.level, {s.level.dim(0), 1}) + sum(s.grid, {1}),
                   s.of_each_layer[0].fast});
  }
};
static_assert(Cell<Plain> && Cell<Nested>);

/// An LSTM from plain ops whose projection is of several kinds.
enum class Projection {
  affine,      // x Wx + b
  sum,         // the bias added by itself, with a factor for every column
  normalised,  // Wx divided by its columns' norms first
  shared,      // the steps use Wx too
  dropped,     // random numbers
};
struct Projecting {
  struct State {
    Tensor h, c;
  };
  Param wx, wh, b, gain, p;
  Projection projection;
  Random* random;
  Projecting(const Scope& s, Index inputs, Index hidden, Projection projection)
      : wx(s("wx", {inputs, 4 * hidden}, glorot)),
        wh(s("wh", {hidden, 4 * hidden}, orthogonal)),
        b(s("b", {4 * hidden}, uniform(0.5))),
        gain(s("gain", {4 * hidden}, uniform(0.5))),
        p(s("p", {hidden}, uniform(0.5))),
        projection(projection),
        random(&s.random()) {}
  State zero_state(Index batch) const { return {wh.zeros(batch, wh.dim(0)), wh.zeros(batch, wh.dim(0))}; }
  Tensor project(const Tensor& xs) const {
    switch (projection) {
      case Projection::sum:
        return matmul(xs, wx) * gain + b;
      case Projection::normalised:
        return affine(xs, wx / sqrt(sum(wx * wx, {0}, true)), b);
      case Projection::dropped:
        return affine(dropout(xs, 0.25, *random), wx, b);
      default:
        return affine(xs, wx, b);
    }
  }
  State step(const Tensor& z, const State& s) const {
    auto [i, f, g, o] = split<4>(z + matmul(s.h, wh));
    const Tensor c = sigmoid(f + p * s.c) * s.c + sigmoid(i) * tanh(g);
    const Tensor h = sigmoid(o) * tanh(c);
    return {projection == Projection::shared ? h + sum(at(wx, 0)) * 0.1 : h, c};
  }
};

}  // namespace unroll::testing
