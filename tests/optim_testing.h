// What the tests of the optimizers share.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include <unroll/optim/adadelta.h>
#include <unroll/optim/adagrad.h>
#include <unroll/optim/adam.h>
#include <unroll/optim/adamax.h>
#include <unroll/optim/asgd.h>
#include <unroll/optim/ftrl.h>
#include <unroll/optim/lion.h>
#include <unroll/optim/nadam.h>
#include <unroll/optim/radam.h>
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

/// Every optimizer, with every option at work; where they have it, with lazy rows.
inline std::vector<std::unique_ptr<Optimizer>> all_optimizers(bool lazy = false) {
  std::vector<std::unique_ptr<Optimizer>> all;
  const auto add = [&]<class T>(T optimizer) { all.push_back(std::make_unique<T>(std::move(optimizer))); };
  add(Sgd({.rate = 0.1, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(Sgd({.rate = 0.1, .momentum = 0.9, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(Sgd({.rate = 0.1, .momentum = 0.9, .dampening = 0.5, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(Sgd({.rate = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(Adagrad({.rate = 0.1, .rate_decay = 0.1, .initial_accumulator = 0.5, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(Adadelta({.weight_decay = 0.01, .lazy_rows = lazy}));
  add(RmsProp({.rate = 0.1, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(RmsProp({.rate = 0.1, .epsilon_place = Epsilon::inside_root, .momentum = 0.5, .lazy_rows = lazy}));
  add(RmsProp({.rate = 0.1, .epsilon = 0.1, .centred = true, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(RmsProp({.rate = 0.1, .epsilon = 0.1, .momentum = 0.5, .centred = true, .lazy_rows = lazy}));
  add(Adam({.rate = 0.1, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(Adam({.rate = 0.1, .beta2 = 0.5, .amsgrad = true, .lazy_rows = lazy}));
  add(AdamW({.rate = 0.1, .lazy_rows = lazy}));
  add(Adamax({.rate = 0.1, .beta2 = 0.5, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(NAdam({.rate = 0.1, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(NAdam({.rate = 0.1, .weight_decay = 0.01, .decoupled_decay = true, .lazy_rows = lazy}));
  add(RAdam({.rate = 0.1, .beta2 = 0.8, .weight_decay = 0.01, .lazy_rows = lazy}));  // adaptive from step 6 on
  add(RAdam({.rate = 0.1, .weight_decay = 0.01, .decoupled_decay = true, .lazy_rows = lazy}));
  add(Lion({.rate = 0.1, .weight_decay = 0.01, .lazy_rows = lazy}));
  add(Ftrl({.rate = 0.1, .beta = 0.5, .l1 = 0.1, .l2 = 0.1, .weight_decay = 0.01, .lazy_rows = lazy}));
  if (!lazy) add(Asgd({.rate = 0.1, .lambda = 0.1, .t0 = 2, .weight_decay = 0.01}));  // it has no lazy rows
  return all;
}

/// On the quadratic of hand_values.h: w from 2, with gradient 3 (w − 0.25), as many steps as there are values.
template <std::size_t steps>
void check_path(Optimizer& optimizer, const std::array<double, steps>& want) {
  for (const Dtype dtype : {f64, f32}) {
    Params params(0, dtype);
    const Param w = Scope(params)("w", {1, 1}, constant(2));
    optimizer.restore(params, {{"w/steps", Array::zeros({}, f64)}});  // new again
    for (const double value : want) {
      optimizer.step(params, only(w, Array::full({1, 1}, dtype, 3 * (w.value().item() - 0.25))));
      CHECK(w.value().item() == doctest::Approx(value).epsilon(dtype == f64 ? 1e-14 : 4e-6));
    }
  }
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
