#include <cmath>

#include <unroll/optim/adamax.h>

namespace unroll {

Adamax::Adamax(const AdamaxOptions& options)
    : Optimizer("Adamax", {{"first_moment"}, {"infinity_norm"}},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows}),
      beta1_(options.beta1),
      beta2_(options.beta2),
      epsilon_(options.epsilon) {
  require_option("beta1", beta1_, 1);
  require_option("beta2", beta2_, 1);
  require_option("epsilon", epsilon_);
}

void Adamax::update(const Update& update) const {
  const auto k = static_cast<double>(update.number);
  each_element<2>(update, [&]<class T>(T) {
    const auto [rate, decay, beta1, rest, beta2, epsilon] =
        factors<T>(update.rate / (1 - std::pow(beta1_, k)), update.decay, beta1_, 1 - beta1_, beta2_, epsilon_);
    return [=](T& w, T g, T& m, T& u) {
      g += decay * w;
      m = beta1 * m + rest * g;
      u = std::max(std::abs(g) + epsilon, beta2 * u);
      w -= rate * m / u;
    };
  });
}

}  // namespace unroll
