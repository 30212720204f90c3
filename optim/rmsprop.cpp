#include <cmath>

#include <unroll/optim/rmsprop.h>

namespace unroll {
namespace {

template <class T>
struct Factors {
  T rate, decay, alpha, one_minus_alpha, epsilon;
};

template <class T>
void descend(Index n, T* __restrict w, const T* __restrict g, T* __restrict s, const Factors<T> f) {
  for (Index i = 0; i < n; ++i) {
    const T gradient = g[i] + f.decay * w[i];
    s[i] = f.alpha * s[i] + f.one_minus_alpha * gradient * gradient;
    w[i] -= f.rate * gradient / (std::sqrt(s[i]) + f.epsilon);
  }
}

}  // namespace

RmsProp::RmsProp(const RmsPropOptions& options)
    : Optimizer("RmsProp", {"mean_square"},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows}),
      alpha_(options.alpha),
      epsilon_(options.epsilon) {
  require_option("alpha", alpha_, 1);
  require_option("epsilon", epsilon_);
}

void RmsProp::update(const Update& update) const {
  dispatch(update.value.dtype(), [&]<class T>(T) {
    const Factors<T> factors{static_cast<T>(update.rate), static_cast<T>(update.decay), static_cast<T>(alpha_),
                             static_cast<T>(1 - alpha_), static_cast<T>(epsilon_)};
    T *w = update.value.writable<T>(), *s = update.moments[0].writable<T>();
    const T* g = update.grad.data<T>();
    in_pieces(update, [&](Index i, Index j, Index n) { descend(n, w + i, g + j, s + i, factors); });
  });
}

}  // namespace unroll
