// The LSTM by hand, with and without peepholes.
#pragma once

#include <unroll/bench/floor.h>

namespace unroll::bench {

///   z = x W + b + h U
///   i = σ(zᵢ + pᵢ∘c)   f = σ(z_f + p_f∘c)   c' = f∘c + i∘tanh(z_g)   o = σ(zₒ + pₒ∘c')   h' = o∘tanh(c')
/// Without peepholes the products with p are missing. In training the gates take the place of z, and its gradient
/// theirs.
template <bool Peepholes>
class LstmFloor : public Floor {
 public:
  explicit LstmFloor(const Options& o)
      : Floor(o, (Peepholes ? 7 : 4) * o.hidden),
        z_(Array::uninitialised({block_, batch_, 4 * hidden_}, f32)),
        c_(Array::zeros({train_ ? steps_ + 1 : 1, batch_, hidden_}, f32)) {
    if (train_) dc_ = Array::uninitialised({batch_, hidden_}, f32);
  }

  const Weights& grads() const { return grads_; }

  void infer() {
    zero(c_);
    for (Index t = 0; t < steps_; ++t) {
      product(t);
      each_row([&](Index r, Index) {
        gates<false>(row(z_, t % block_, r), row(c_, 0, r), row(c_, 0, r), row(h_, t + 1, r));
      });
    }
  }

  double forward() {
    begin_loss();
    for (Index t = 0; t < steps_; ++t) {
      product(t);
      each_row([&](Index r, Index tile) {
        gates<true>(row(z_, t, r), row(c_, t, r), row(c_, t + 1, r), row(h_, t + 1, r));
        add_to_loss(tile, row(h_, t + 1, r));
      });
    }
    return end_loss();
  }

  void backward() {
    for (const Array& a : {dh_, dc_, sums_}) zero(a);
    for (Index t = steps_; t-- > 0;) {
      each_row([&](Index r, Index tile) { gates_backward(t, r, sums(tile)); });
      if (t > 0) multiply_nt(step(z_, t), u_, {dh_, false});
    }
    weight_gradients(z_, z_);
    sum_tiles(0, grads_["b"]);
    if constexpr (Peepholes) sum_tiles(4 * hidden_, grads_["P"]);
  }

 private:
  void product(Index t) {
    project(t, z_, 0);
    multiply(step(h_, t), u_, {step(z_, t % block_), true});
  }

  const float* peepholes() const { return Peepholes ? weights_.at("P").template raw<float>() : nullptr; }

  template <bool Keep>
  void gates(float* z, const float* old_c, float* new_c, float* new_h) const {
    const Index H = hidden_;
    const float *b = b_.raw<float>(), *p = peepholes();
    each_vector(H, [=](Index j, auto n) {
      const V c = load(old_c + j, 1, n);
      V zi = load(z + j, 1, n) + load(b + j, 1, n), zf = load(z + H + j, 1, n) + load(b + H + j, 1, n);
      V zo = load(z + 3 * H + j, 1, n) + load(b + 3 * H + j, 1, n);
      if constexpr (Peepholes) {
        zi = xsimd::fma(load(p + j, 1, n), c, zi);
        zf = xsimd::fma(load(p + H + j, 1, n), c, zf);
      }
      const V i = sigmoid(zi), f = sigmoid(zf), g = tanh(load(z + 2 * H + j, 1, n) + load(b + 2 * H + j, 1, n));
      const V next = xsimd::fma(f, c, i * g);
      if constexpr (Peepholes) zo = xsimd::fma(load(p + 2 * H + j, 1, n), next, zo);
      const V o = sigmoid(zo);
      if constexpr (Keep) {
        store(z + j, i, n);
        store(z + H + j, f, n);
        store(z + 2 * H + j, g, n);
        store(z + 3 * H + j, o, n);
      }
      store(new_c + j, next, n);
      store(new_h + j, o * tanh(next), n);
    });
  }

  void gates_backward(Index t, Index r, float* sums) const {
    const Index H = hidden_;
    const float *old_c = row(c_, t, r), *new_c = row(c_, t + 1, r), *new_h = row(h_, t + 1, r), *p = peepholes();
    float *z = row(z_, t, r), *dh = row(dh_, 0, r), *dc = row(dc_, 0, r);
    const V scale = loss_scale(), one(1.0f);
    each_vector(H, [=](Index j, auto n) {
      const V i = load(z + j, 1, n), f = load(z + H + j, 1, n), g = load(z + 2 * H + j, 1, n);
      const V o = load(z + 3 * H + j, 1, n), c = load(old_c + j, 1, n), next = load(new_c + j, 1, n);
      const V squashed = tanh(next), d = xsimd::fma(scale, load(new_h + j, 1, n), load(dh + j, 1, n));
      const V dzo = d * squashed * o * (one - o);
      V dnext = xsimd::fma(d * o, one - squashed * squashed, load(dc + j, 1, n));
      if constexpr (Peepholes) dnext = xsimd::fma(dzo, load(p + 2 * H + j, 1, n), dnext);
      const V dzi = dnext * g * i * (one - i), dzf = dnext * c * f * (one - f), dzg = dnext * i * (one - g * g);
      V dold = dnext * f;
      if constexpr (Peepholes) {
        dold = xsimd::fma(dzi, load(p + j, 1, n), xsimd::fma(dzf, load(p + H + j, 1, n), dold));
        add_at(sums + 4 * H + j, dzi * c, n);
        add_at(sums + 5 * H + j, dzf * c, n);
        add_at(sums + 6 * H + j, dzo * next, n);
      }
      store(dc + j, dold, n);
      store(z + j, dzi, n);
      store(z + H + j, dzf, n);
      store(z + 2 * H + j, dzg, n);
      store(z + 3 * H + j, dzo, n);
      add_at(sums + j, dzi, n);
      add_at(sums + H + j, dzf, n);
      add_at(sums + 2 * H + j, dzg, n);
      add_at(sums + 3 * H + j, dzo, n);
    });
  }

  Array z_, c_, dc_;
};

}  // namespace unroll::bench
