// The GRU by hand, with the reset after the product.
#pragma once

#include <unroll/bench/floor.h>

namespace unroll::bench {

/// The columns of `a`, `count` further to the right; those that leave come in on the left.
inline Array rotated(const Array& a, Index count) {
  const Array result = Array::uninitialised(a.shape(), a.dtype());
  const Index cols = a.cols();
  for (Index r = 0; r < a.rows(); ++r) {
    const float* from = a.raw<float>() + r * cols;
    std::rotate_copy(from, from + (cols - count), from + cols, result.raw<float>() + r * cols);
  }
  return result;
}

///   r, z = σ(x W + b + h U)   m = h Un + bn   n = tanh(x Wn + b_n + r∘m)   h' = n + z∘(h − n)
/// The columns of W and b are turned from r z n to n r z. What a training step keeps lies side by side as n r z m, and
/// the gradients in its place: their first three quarters are those by x W + b, the last three those by h U.
class GruFloor : public Floor {
 public:
  explicit GruFloor(const Options& o)
      : Floor(o, 4 * o.hidden),
        bn_(weights_.at("bn")),
        z_(Array::uninitialised({block_, batch_, (train_ ? 4 : 3) * hidden_}, f32)),
        by_state_(Array::uninitialised({batch_, 3 * hidden_}, f32)) {
    for (Array* a : {&w_, &b_}) *a = rotated(*a, hidden_);
  }

  Weights grads() const {
    Weights result = grads_;
    for (const auto* name : {"W", "b"}) result[name] = rotated(result[name], 2 * hidden_);
    return result;
  }

  void infer() {
    for (Index t = 0; t < steps_; ++t) {
      product(t);
      each_row([&](Index r, Index) { gates<false>(t, r); });
    }
  }

  double forward() {
    begin_loss();
    for (Index t = 0; t < steps_; ++t) {
      product(t);
      each_row([&](Index r, Index tile) {
        gates<true>(t, r);
        add_to_loss(tile, row(h_, t + 1, r));
      });
    }
    return end_loss();
  }

  void backward() {
    for (const Array& a : {dh_, sums_}) zero(a);
    const Shape three_gates{steps_, batch_, 3 * hidden_};
    const Array by_input = z_.part(0, 0, three_gates), by_state = z_.part(0, hidden_, three_gates);
    for (Index t = steps_; t-- > 0;) {
      each_row([&](Index r, Index tile) { gates_backward(t, r, sums(tile)); });
      if (t > 0) multiply_nt(step(by_state, t), u_, {dh_, true});
    }
    weight_gradients(by_input, by_state);
    sum_tiles(0, grads_["b"]);
    sum_tiles(3 * hidden_, grads_["bn"]);
  }

 private:
  void product(Index t) {
    project(t, z_, 0);
    multiply(step(h_, t), u_, {by_state_, false});
  }

  template <bool Keep>
  void gates(Index t, Index sequence) const {
    const Index H = hidden_;
    const float *b = b_.raw<float>(), *bn = bn_.raw<float>();
    const float *old_h = row(h_, t, sequence), *hu = row(by_state_, 0, sequence);
    float *kept = row(z_, t % block_, sequence), *new_h = row(h_, t + 1, sequence);
    each_vector(H, [=](Index j, auto n) {
      const auto sum = [&](Index gate, Index of_state) {
        return load(kept + gate * H + j, 1, n) + load(b + gate * H + j, 1, n) + load(hu + of_state * H + j, 1, n);
      };
      const V reset = sigmoid(sum(1, 0)), keep = sigmoid(sum(2, 1));
      const V inner = load(hu + 2 * H + j, 1, n) + load(bn + j, 1, n);
      const V candidate = tanh(xsimd::fma(reset, inner, load(kept + j, 1, n) + load(b + j, 1, n)));
      if constexpr (Keep) {
        store(kept + j, candidate, n);
        store(kept + H + j, reset, n);
        store(kept + 2 * H + j, keep, n);
        store(kept + 3 * H + j, inner, n);
      }
      store(new_h + j, xsimd::fma(keep, load(old_h + j, 1, n) - candidate, candidate), n);
    });
  }

  void gates_backward(Index t, Index sequence, float* sums) const {
    const Index H = hidden_;
    const float *old_h = row(h_, t, sequence), *new_h = row(h_, t + 1, sequence);
    float *kept = row(z_, t, sequence), *dh = row(dh_, 0, sequence);
    const V scale = loss_scale(), one(1.0f);
    each_vector(H, [=](Index j, auto n) {
      const V candidate = load(kept + j, 1, n), reset = load(kept + H + j, 1, n), keep = load(kept + 2 * H + j, 1, n);
      const V inner = load(kept + 3 * H + j, 1, n);
      const V d = xsimd::fma(scale, load(new_h + j, 1, n), load(dh + j, 1, n));
      const V dn = d * (one - keep) * (one - candidate * candidate);
      const V dz = d * (load(old_h + j, 1, n) - candidate) * keep * (one - keep);
      const V dr = dn * inner * reset * (one - reset), dm = dn * reset;
      store(dh + j, d * keep, n);
      store(kept + j, dn, n);
      store(kept + H + j, dr, n);
      store(kept + 2 * H + j, dz, n);
      store(kept + 3 * H + j, dm, n);
      add_at(sums + j, dn, n);
      add_at(sums + H + j, dr, n);
      add_at(sums + 2 * H + j, dz, n);
      add_at(sums + 3 * H + j, dm, n);
    });
  }

  const Array& bn_;
  Array z_, by_state_;
};

}  // namespace unroll::bench
