// The simple recurrent network by hand.
#pragma once

#include <unroll/bench/floor.h>

namespace unroll::bench {

/// h' = tanh(x W + b + h U). The sums are made where the outputs will be.
class RnnFloor : public Floor {
 public:
  explicit RnnFloor(const Options& o) : Floor(o, o.hidden) {
    if (train_) dz_ = Array::uninitialised({steps_, batch_, hidden_}, f32);
  }

  const Weights& grads() const { return grads_; }

  void infer() {
    for (Index t = 0; t < steps_; ++t) {
      product(t);
      each_row([&](Index r, Index) { squash(row(h_, t + 1, r)); });
    }
  }

  double forward() {
    begin_loss();
    for (Index t = 0; t < steps_; ++t) {
      product(t);
      each_row([&](Index r, Index tile) {
        squash(row(h_, t + 1, r));
        add_to_loss(tile, row(h_, t + 1, r));
      });
    }
    return end_loss();
  }

  void backward() {
    for (const Array& a : {dh_, sums_}) zero(a);
    for (Index t = steps_; t-- > 0;) {
      each_row([&](Index r, Index tile) { squash_backward(t, r, sums(tile)); });
      if (t > 0) multiply_nt(step(dz_, t), u_, {dh_, false});
    }
    weight_gradients(dz_, dz_);
    sum_tiles(0, grads_["b"]);
  }

 private:
  void product(Index t) {
    project(t, h_, (t + 1) * batch_);
    multiply(step(h_, t), u_, {step(h_, t + 1), true});
  }

  void squash(float* h) const {
    const float* b = b_.raw<float>();
    each_vector(hidden_, [=](Index j, auto n) { store(h + j, tanh(load(h + j, 1, n) + load(b + j, 1, n)), n); });
  }

  void squash_backward(Index t, Index r, float* sums) const {
    const float *h = row(h_, t + 1, r), *dh = row(dh_, 0, r);
    float* dz = row(dz_, t, r);
    const V scale = loss_scale(), one(1.0f);
    each_vector(hidden_, [=](Index j, auto n) {
      const V y = load(h + j, 1, n), d = xsimd::fma(scale, y, load(dh + j, 1, n)) * (one - y * y);
      store(dz + j, d, n);
      add_at(sums + j, d, n);
    });
  }

  Array dz_;
};

}  // namespace unroll::bench
