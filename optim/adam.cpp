#include <cmath>

#include <unroll/optim/adam.h>

namespace unroll {
namespace {

template <class T>
struct Factors {
  T decay;  // added to the gradient, times w
  T keep;   // of w, before the step
  T beta1, one_minus_beta1, beta2, one_minus_beta2;
  T rate;  // over m's bias correction
  T root;  // 1 / √(v's bias correction)
  T epsilon;
};

template <class T>
void descend(Index n, T* __restrict w, const T* __restrict g, T* __restrict m, T* __restrict v, const Factors<T> f) {
  for (Index i = 0; i < n; ++i) {
    const T gradient = g[i] + f.decay * w[i];
    m[i] = f.beta1 * m[i] + f.one_minus_beta1 * gradient;
    v[i] = f.beta2 * v[i] + f.one_minus_beta2 * gradient * gradient;
    w[i] = f.keep * w[i] - f.rate * m[i] / (f.root * std::sqrt(v[i]) + f.epsilon);
  }
}

}  // namespace

Adam::Adam(const AdamOptions& options) : Adam("Adam", options, false) {}

Adam::Adam(std::string name, const AdamOptions& options, bool decoupled_decay)
    : Optimizer(std::move(name), {"first_moment", "second_moment"},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows}),
      beta1_(options.beta1),
      beta2_(options.beta2),
      epsilon_(options.epsilon),
      decoupled_decay_(decoupled_decay) {
  require_option("beta1", beta1_, 1);
  require_option("beta2", beta2_, 1);
  require_option("epsilon", epsilon_);
}

void Adam::update(const Update& update) const {
  const auto k = static_cast<double>(update.number);
  dispatch(update.value.dtype(), [&]<class T>(T) {
    const Factors<T> factors{
        .decay = static_cast<T>(decoupled_decay_ ? 0 : update.decay),
        .keep = static_cast<T>(decoupled_decay_ ? 1 - update.rate * update.decay : 1),
        .beta1 = static_cast<T>(beta1_),
        .one_minus_beta1 = static_cast<T>(1 - beta1_),
        .beta2 = static_cast<T>(beta2_),
        .one_minus_beta2 = static_cast<T>(1 - beta2_),
        .rate = static_cast<T>(update.rate / (1 - std::pow(beta1_, k))),
        .root = static_cast<T>(1 / std::sqrt(1 - std::pow(beta2_, k))),
        .epsilon = static_cast<T>(epsilon_),
    };
    T *w = update.value.writable<T>(), *m = update.moments[0].writable<T>(), *v = update.moments[1].writable<T>();
    const T* g = update.grad.data<T>();
    in_pieces(update, [&](Index i, Index j, Index n) { descend(n, w + i, g + j, m + i, v + i, factors); });
  });
}

AdamW::AdamW(const AdamWOptions& options)
    : Adam("AdamW",
           {options.rate, options.beta1, options.beta2, options.epsilon, options.weight_decay,
            options.decay_matrices_only, options.lazy_rows},
           true) {}

}  // namespace unroll
