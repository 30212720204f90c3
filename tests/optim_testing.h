// What the tests of the optimizers share.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include <unroll/optim/adam.h>
#include <unroll/optim/rmsprop.h>
#include <unroll/optim/sgd.h>

namespace unroll::optim_testing {

/// Numbers without a pattern, the same at every call, in (-1, 1).
inline double noise(Index i) { return std::sin(12.9898 * static_cast<double>(i) + 1); }

inline Array noisy(const Shape& shape, Dtype dtype, Index seed) {
  Array a = Array::uninitialised(shape, dtype);
  for (Index i = 0; i < a.size(); ++i) a.set_flat(i, noise(i + 1000 * seed));
  return a;
}

inline bool same_bits(const Array& a, const Array& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  for (Index i = 0; i < a.size(); ++i) {
    if (a.flat(i) != b.flat(i)) return false;
  }
  return true;
}

inline Grads only(const Param& param, Array grad) {
  Grads grads;
  grads.insert(param, std::move(grad));
  return grads;
}

/// Every optimizer, with every option at work.
inline std::vector<std::unique_ptr<Optimizer>> all_optimizers() {
  std::vector<std::unique_ptr<Optimizer>> all;
  all.push_back(std::make_unique<Sgd>(SgdOptions{.rate = 0.1, .weight_decay = 0.01}));
  all.push_back(std::make_unique<Sgd>(SgdOptions{.rate = 0.1, .momentum = 0.9, .weight_decay = 0.01}));
  all.push_back(std::make_unique<RmsProp>(RmsPropOptions{.rate = 0.1, .weight_decay = 0.01}));
  all.push_back(std::make_unique<Adam>(AdamOptions{.rate = 0.1, .weight_decay = 0.01}));
  all.push_back(std::make_unique<AdamW>(AdamWOptions{.rate = 0.1}));
  return all;
}

/// A matrix and a vector of sizes that fill no register, one of them more than one piece of a step's work.
struct Model {
  explicit Model(Dtype dtype)
      : params(1, dtype),
        w((params / "layer")("w", {331, 101}, normal(1))),
        b((params / "layer")("b", {37}, normal(1))) {}
  /// Steps number `first`, …: the gradients belong to the step.
  void train(Optimizer& optimizer, Index first, Index count) {
    for (Index k = first; k < first + count; ++k) {
      Grads grads = only(w, noisy(w.shape(), w.dtype(), k));
      grads.insert(b, noisy(b.shape(), b.dtype(), k + 100));
      optimizer.step(params, grads);
    }
  }
  Params params;
  Param w, b;
};

}  // namespace unroll::optim_testing
