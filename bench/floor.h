// What the hand-written layers share: the arrays, the large products, and the loops over rows and vectors.
#pragma once

#include <cblas.h>

#include <numeric>
#include <type_traits>
#include <utility>

#include <unroll/bench/common.h>
#include <unroll/core/pointwise.h>

namespace unroll::bench {

using V = xsimd::batch<float>;
using detail::load;
using detail::store;
using simd::sigmoid;
using simd::tanh;

inline constexpr Index lanes = V::size;
inline constexpr Index tile_elements = 4096;  // of the state, as many as one thread takes at a time
inline constexpr Index block_rows = 192;      // of the input that inference projects at once, to find them in the cache
inline constexpr Index chunk_elements = 65536;  // of a weight, as many as one thread updates at a time

/// Calls body(j, n) for every vector of a row from element j, with n elements left. While vectors are whole n is a
/// constant, so that loads and stores ask no questions.
template <class Body>
void each_vector(Index width, Body body) {
  const Index whole = width / lanes * lanes;
  for (Index j = 0; j < whole; j += lanes) body(j, std::integral_constant<Index, lanes>{});
  if (whole < width) body(whole, width - whole);
}

inline void add_at(float* p, V x, Index n) { store(p, load(p, 1, n) + x, n); }

inline double sum_of_squares(const float* p, Index n) {
  const Index whole = n / lanes * lanes;
  V sum(0.0f);
  for (Index i = 0; i < whole; i += lanes) sum = xsimd::fma(V::load_unaligned(p + i), V::load_unaligned(p + i), sum);
  float last[lanes];
  sum.store_unaligned(last);
  double total = 0;
  for (const float x : last) total += static_cast<double>(x);
  for (Index i = whole; i < n; ++i) total += static_cast<double>(p[i] * p[i]);
  return total;
}

/// A layer written by hand over x [T, B, I]. Training keeps the history of all T steps; inference keeps the outputs,
/// and of everything else one step or one block of steps.
class Floor {
 public:
  /// The mean of squares of all outputs, as they are after `infer` or `forward`.
  double loss() const {
    double squares = 0;
    for (Index t = 1; t <= steps_; ++t) squares += sum_of_squares(row(h_, t, 0), batch_ * hidden_);
    return squares / outputs();
  }

  /// A plain SGD step.
  void descend() {
    for (auto& [name, weight] : weights_) {
      float* w = weight.writable<float>();
      const float* g = grads_[name].raw<float>();
      const Index n = weight.size();
      parallel_for((n + chunk_elements - 1) / chunk_elements, [=](Index chunk) {
        const Index end = std::min(n, (chunk + 1) * chunk_elements);
        for (Index i = chunk * chunk_elements; i < end; ++i) w[i] -= static_cast<float>(rate) * g[i];
      });
    }
  }

 protected:
  /// `sums` elements are summed over all steps and sequences: the gradients of biases and peepholes.
  Floor(const Options& o, Index sums)
      : batch_(o.batch),
        steps_(o.steps),
        hidden_(o.hidden),
        train_(o.train()),
        block_(train_ ? steps_ : std::clamp<Index>(block_rows / batch_, 1, steps_)),
        x_(make_input(o)),
        weights_(make_weights(o)),
        w_(weights_.at("W")),
        u_(weights_.at("U")),
        b_(weights_.at("b")),
        h_(Array::zeros({steps_ + 1, batch_, hidden_}, f32)),
        blas_(o.form == "openblas"),
        rows_per_tile_(std::max<Index>(1, tile_elements / hidden_)),
        tiles_((batch_ + rows_per_tile_ - 1) / rows_per_tile_),
        squares_(tiles_) {
    if (!train_) return;
    dh_ = Array::uninitialised({batch_, hidden_}, f32);
    sums_ = Array::uninitialised({tiles_, sums}, f32);
    for (const auto& [name, weight] : weights_) grads_[name] = Array::uninitialised(weight.shape(), f32);
  }
  Floor(const Floor&) = delete;
  Floor& operator=(const Floor&) = delete;

  static Array step(const Array& a, Index t) { return a.part(t * a.shape()[1], 0, {a.shape()[1], a.cols()}); }
  static void zero(const Array& a) { std::fill_n(a.raw<float>(), a.size(), 0.0f); }

  /// Before step t, when it begins a block: x W of the block's steps into the first columns of `z`'s rows from `row`.
  void project(Index t, const Array& z, Index row) {
    if (t % block_ != 0) return;
    const Index steps = std::min(block_, steps_ - t);
    const Array x = x_.part(t * batch_, 0, {steps, batch_, x_.cols()});
    const Array to = z.part(row, 0, {steps, batch_, w_.cols()});
    blas_ ? gemm(CblasNoTrans, x, w_, to) : multiply(x, w_, {to, false});
  }

  /// The gradients of W and U from those by x W and by h U of all steps.
  void weight_gradients(const Array& by_input, const Array& by_state) {
    const Array before = h_.part(0, 0, {steps_, batch_, hidden_});
    for (const auto& [a, dz, name] : {std::tuple{x_, by_input, "W"}, std::tuple{before, by_state, "U"}}) {
      blas_ ? gemm(CblasTrans, a, dz, grads_[name]) : multiply_tn(a, dz, {grads_[name], false});
    }
  }

  /// Calls f(row, tile) for every sequence, the tiles on several threads.
  template <class F>
  void each_row(F f) {
    parallel_for(tiles_, [&](Index tile) {
      const Index end = std::min(batch_, (tile + 1) * rows_per_tile_);
      for (Index r = tile * rows_per_tile_; r < end; ++r) f(r, tile);
    });
  }

  void begin_loss() { std::fill(squares_.begin(), squares_.end(), 0.0); }
  void add_to_loss(Index tile, const float* h) { squares_[tile] += sum_of_squares(h, hidden_); }
  double end_loss() const { return std::accumulate(squares_.begin(), squares_.end(), 0.0) / outputs(); }
  /// The derivative of the loss by an output is this times the output.
  V loss_scale() const { return V(static_cast<float>(2 / outputs())); }

  float* sums(Index tile) const { return sums_.raw<float>() + tile * sums_.cols(); }
  /// grad = the sums of all tiles, `from` on.
  void sum_tiles(Index from, const Array& grad) const {
    zero(grad);
    for (Index tile = 0; tile < tiles_; ++tile) {
      for (Index i = 0; i < grad.size(); ++i) grad.raw<float>()[i] += sums(tile)[from + i];
    }
  }

  /// Row r of step t.
  float* row(const Array& a, Index t, Index r) const { return a.raw<float>() + (t * batch_ + r) * a.cols(); }

  const Index batch_, steps_, hidden_;
  const bool train_;
  const Index block_;  // steps that are projected at once
  const Array x_;
  Weights weights_, grads_;
  Array &w_, &u_, &b_;
  Array h_;          // [T + 1, B, H] from the zero state on
  Array dh_, sums_;  // of the state after a step; of each tile

 private:
  double outputs() const { return static_cast<double>(steps_ * batch_ * hidden_); }

  /// c = op(a) b
  static void gemm(CBLAS_TRANSPOSE op, const Array& a, const Array& b, const Array& c) {
    const Index depth = op == CblasTrans ? a.rows() : a.cols();
    cblas_sgemm(CblasRowMajor, op, CblasNoTrans, static_cast<blasint>(c.rows()), static_cast<blasint>(c.cols()),
                static_cast<blasint>(depth), 1, a.raw<float>(), static_cast<blasint>(a.stride()), b.raw<float>(),
                static_cast<blasint>(b.stride()), 0, c.raw<float>(), static_cast<blasint>(c.stride()));
  }

  const bool blas_;
  const Index rows_per_tile_, tiles_;
  std::vector<double> squares_;  // of each tile
};

}  // namespace unroll::bench
