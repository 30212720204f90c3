// The least that one training step of an LSTM costs: written by hand, in place and without a tape, from the library's
// own products and functions. What bench/recurrent takes beyond this is the price of the abstraction.

#include <cblas.h>

#include <unroll/bench/common.h>
#include <unroll/core/pointwise.h>

namespace unroll::bench {
namespace {

using V = xsimd::batch<float>;
using detail::load;
using detail::store;
using simd::sigmoid;
using simd::tanh;

constexpr Index lanes = V::size;
constexpr Index tile_elements = 4096;  // of the state, as many as one thread takes at a time

void add_at(float* p, V x, Index n) { store(p, load(p, 1, n) + x, n); }

double sum_of_squares(const Array& a) {
  const float* p = a.raw<float>();
  const Index n = a.size(), whole = n / lanes * lanes;
  V sum(0.0f);
  for (Index i = 0; i < whole; i += lanes) sum = xsimd::fma(V::load_unaligned(p + i), V::load_unaligned(p + i), sum);
  float last[lanes];
  sum.store_unaligned(last);
  double total = 0;
  for (const float x : last) total += static_cast<double>(x);
  for (Index i = whole; i < n; ++i) total += static_cast<double>(p[i] * p[i]);
  return total;
}

///   z = x W + b + h U
///   i = σ(zᵢ + pᵢ∘c)   f = σ(z_f + p_f∘c)   c' = f∘c + i∘tanh(z_g)   o = σ(zₒ + pₒ∘c')   h' = o∘tanh(c')
/// Without peepholes the products with p are missing. The gates take the place of z, and its gradient theirs.
template <bool Peepholes>
class Layer {
 public:
  Layer(const Options& options, bool blas)
      : batch_(options.batch),
        steps_(options.steps),
        hidden_(options.hidden),
        blas_(blas),
        x_(make_input(options)),
        weights_(make_weights(options)),
        z_(Array::uninitialised({steps_, batch_, 4 * hidden_}, f32)),
        h_(Array::zeros({steps_ + 1, batch_, hidden_}, f32)),
        c_(Array::zeros({steps_ + 1, batch_, hidden_}, f32)),
        dh_(Array::uninitialised({batch_, hidden_}, f32)),
        dc_(Array::uninitialised({batch_, hidden_}, f32)),
        rows_per_tile_(std::max<Index>(1, tile_elements / hidden_)),
        tiles_((batch_ + rows_per_tile_ - 1) / rows_per_tile_),
        sums_(Array::uninitialised({tiles_, 7 * hidden_}, f32)) {
    for (const auto& [name, weight] : weights_) grads_[name] = Array::uninitialised(weight.shape(), f32);
  }

  const Weights& grads() const { return grads_; }

  /// Returns the mean of squares of all outputs.
  double forward() {
    const float* b = weights_["b"].raw<float>();
    for (Index r = 0; r < z_.rows(); ++r) std::copy_n(b, 4 * hidden_, z_.raw<float>() + r * 4 * hidden_);
    if (blas_) {
      gemm(CblasNoTrans, x_, weights_["W"], z_, 1);
    } else {
      multiply(x_, weights_["W"], {z_, true});
    }
    double squares = 0;
    for (Index t = 0; t < steps_; ++t) {
      multiply(step(h_, t), weights_["U"], {step(z_, t), true});
      parallel_for(tiles_, [&](Index tile) { gates_forward(t, tile); });
      squares += sum_of_squares(step(h_, t + 1));
    }
    return squares / static_cast<double>(steps_ * batch_ * hidden_);
  }

  void backward() {
    for (const Array& a : {dh_, dc_, sums_}) std::fill_n(a.raw<float>(), a.size(), 0.0f);
    for (Index t = steps_; t-- > 0;) {
      parallel_for(tiles_, [&](Index tile) { gates_backward(t, tile); });
      if (t > 0) multiply_nt(step(z_, t), weights_["U"], {dh_, false});
    }
    const Array before = h_.part(0, 0, {steps_, batch_, hidden_});
    if (blas_) {
      gemm(CblasTrans, x_, z_, grads_["W"], 0);
      gemm(CblasTrans, before, z_, grads_["U"], 0);
    } else {
      multiply_tn(x_, z_, {grads_["W"], false});
      multiply_tn(before, z_, {grads_["U"], false});
    }
    sum_tiles(0, grads_["b"]);
    if constexpr (Peepholes) sum_tiles(4 * hidden_, grads_["P"]);
  }

  void descend() {
    for (auto& [name, weight] : weights_) {
      float* w = weight.template writable<float>();
      const float* g = grads_[name].template raw<float>();
      for (Index i = 0, n = weight.size(); i < n; ++i) w[i] -= static_cast<float>(rate) * g[i];
    }
  }

 private:
  static Array step(const Array& a, Index t) { return a.part(t * a.shape()[1], 0, {a.shape()[1], a.cols()}); }

  /// c = op(a) b + beta c, all contiguous.
  static void gemm(CBLAS_TRANSPOSE op, const Array& a, const Array& b, const Array& c, float beta) {
    const auto m = static_cast<blasint>(c.rows()), n = static_cast<blasint>(c.cols()),
               k = static_cast<blasint>(b.rows());
    const auto a_row = static_cast<blasint>(a.cols());
    cblas_sgemm(CblasRowMajor, op, CblasNoTrans, m, n, k, 1, a.raw<float>(), a_row, b.raw<float>(), n, beta,
                c.raw<float>(), n);
  }

  void gates_forward(Index t, Index tile) {
    const Index end = std::min(batch_, (tile + 1) * rows_per_tile_), width = hidden_;
    const float* p = Peepholes ? weights_.at("P").raw<float>() : nullptr;
    for (Index r = tile * rows_per_tile_; r < end; ++r) {
      float* z = z_.raw<float>() + (t * batch_ + r) * 4 * width;
      const float* old_c = c_.raw<float>() + (t * batch_ + r) * width;
      float* new_c = c_.raw<float>() + ((t + 1) * batch_ + r) * width;
      float* new_h = h_.raw<float>() + ((t + 1) * batch_ + r) * width;
      for (Index j = 0; j < width; j += lanes) {
        const Index n = width - j;
        const V c = load(old_c + j, 1, n);
        V zi = load(z + j, 1, n), zf = load(z + width + j, 1, n), zo = load(z + 3 * width + j, 1, n);
        if constexpr (Peepholes) {
          zi = xsimd::fma(load(p + j, 1, n), c, zi);
          zf = xsimd::fma(load(p + width + j, 1, n), c, zf);
        }
        const V i = sigmoid(zi), f = sigmoid(zf), g = tanh(load(z + 2 * width + j, 1, n));
        const V next = xsimd::fma(f, c, i * g);
        if constexpr (Peepholes) zo = xsimd::fma(load(p + 2 * width + j, 1, n), next, zo);
        const V o = sigmoid(zo);
        store(z + j, i, n);
        store(z + width + j, f, n);
        store(z + 2 * width + j, g, n);
        store(z + 3 * width + j, o, n);
        store(new_c + j, next, n);
        store(new_h + j, o * tanh(next), n);
      }
    }
  }

  void gates_backward(Index t, Index tile) {
    const Index end = std::min(batch_, (tile + 1) * rows_per_tile_), width = hidden_;
    const float* p = Peepholes ? weights_.at("P").raw<float>() : nullptr;
    float* sums = sums_.raw<float>() + tile * 7 * width;
    const V scale(2.0f / static_cast<float>(steps_ * batch_ * hidden_)), one(1.0f);
    for (Index r = tile * rows_per_tile_; r < end; ++r) {
      float* z = z_.raw<float>() + (t * batch_ + r) * 4 * width;
      const float* old_c = c_.raw<float>() + (t * batch_ + r) * width;
      const float* new_c = c_.raw<float>() + ((t + 1) * batch_ + r) * width;
      const float* new_h = h_.raw<float>() + ((t + 1) * batch_ + r) * width;
      const float* dh = dh_.raw<float>() + r * width;
      float* dc = dc_.raw<float>() + r * width;
      for (Index j = 0; j < width; j += lanes) {
        const Index n = width - j;
        const V i = load(z + j, 1, n), f = load(z + width + j, 1, n), g = load(z + 2 * width + j, 1, n);
        const V o = load(z + 3 * width + j, 1, n), c = load(old_c + j, 1, n), next = load(new_c + j, 1, n);
        const V squashed = tanh(next), d = xsimd::fma(scale, load(new_h + j, 1, n), load(dh + j, 1, n));
        const V dzo = d * squashed * o * (one - o);
        V dnext = xsimd::fma(d * o, one - squashed * squashed, load(dc + j, 1, n));
        if constexpr (Peepholes) dnext = xsimd::fma(dzo, load(p + 2 * width + j, 1, n), dnext);
        const V dzi = dnext * g * i * (one - i), dzf = dnext * c * f * (one - f), dzg = dnext * i * (one - g * g);
        V dold = dnext * f;
        if constexpr (Peepholes) {
          dold = xsimd::fma(dzi, load(p + j, 1, n), xsimd::fma(dzf, load(p + width + j, 1, n), dold));
          add_at(sums + 4 * width + j, dzi * c, n);
          add_at(sums + 5 * width + j, dzf * c, n);
          add_at(sums + 6 * width + j, dzo * next, n);
        }
        store(dc + j, dold, n);
        store(z + j, dzi, n);
        store(z + width + j, dzf, n);
        store(z + 2 * width + j, dzg, n);
        store(z + 3 * width + j, dzo, n);
        add_at(sums + j, dzi, n);
        add_at(sums + width + j, dzf, n);
        add_at(sums + 2 * width + j, dzg, n);
        add_at(sums + 3 * width + j, dzo, n);
      }
    }
  }

  void sum_tiles(Index from, const Array& grad) {
    float* out = grad.raw<float>();
    std::fill_n(out, grad.size(), 0.0f);
    for (Index tile = 0; tile < tiles_; ++tile) {
      const float* sums = sums_.raw<float>() + tile * 7 * hidden_ + from;
      for (Index i = 0; i < grad.size(); ++i) out[i] += sums[i];
    }
  }

  Index batch_, steps_, hidden_;
  bool blas_;
  Array x_;
  Weights weights_, grads_;
  Array z_, h_, c_, dh_, dc_;
  Index rows_per_tile_, tiles_;
  Array sums_;  // of each tile: the gradients of b and of P
};

template <bool Peepholes>
void run(const Options& o) {
  const FlushDenormals flush;
  Layer<Peepholes> layer(o, o.form == "openblas");
  if (o.checks()) {
    const double loss = layer.forward();
    layer.backward();
    report_check("floor", o, loss, layer.grads());
  } else if (o.train()) {
    report("floor", o, measure(o, [&] {
             layer.forward();
             layer.backward();
             layer.descend();
           }));
  } else {
    report("floor", o, measure(o, [&] { layer.forward(); }));
  }
}

}  // namespace
}  // namespace unroll::bench

int main(int count, char** words) {
  using namespace unroll::bench;
  CLI::App app("One training step or one inference of an LSTM written by hand, timed or checked.");
  Options options;
  options.form = "own";
  declare(app, options);
  app.add_option("--products", options.form, "what computes the large products: the library or OpenBLAS")
      ->check(CLI::IsMember({"own", "openblas"}));
  CLI11_PARSE(app, count, words);
  if (options.cell != "lstm" && options.cell != "custom") {
    fmt::print(stderr, "floor: there is no hand-written '{}', only lstm and custom\n", options.cell);
    return not_supported;
  }
  try {
    unroll::set_threads(options.threads);
    openblas_set_num_threads(static_cast<int>(options.threads));
    options.cell == "lstm" ? run<false>(options) : run<true>(options);
  } catch (const unroll::Error& error) {
    fmt::print(stderr, "floor: {}\n", error.what());
    return 1;
  }
}
