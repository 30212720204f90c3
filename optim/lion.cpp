#include <unroll/optim/lion.h>

namespace unroll {

Lion::Lion(const LionOptions& options)
    : Optimizer("Lion", {{"momentum"}},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows, true}),
      beta1_(options.beta1),
      beta2_(options.beta2) {
  require_option("beta1", beta1_, 1);
  require_option("beta2", beta2_, 1);
}

void Lion::update(const Update& update) const {
  each_element<1>(update, [&]<class T>(T) {
    const auto [rate, keep, beta1, rest1, beta2, rest2] =
        factors<T>(update.rate, update.keep, beta1_, 1 - beta1_, beta2_, 1 - beta2_);
    return [=](T& w, T g, T& m) {
      const T c = beta1 * m + rest1 * g;
      w = keep * w - rate * (c > 0 ? T(1) : c < 0 ? T(-1) : c);
      m = beta2 * m + rest2 * g;
    };
  });
}

}  // namespace unroll
