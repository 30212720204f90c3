#include <cmath>

#include <unroll/optim/radam.h>

namespace unroll {

RAdam::RAdam(const RAdamOptions& options)
    : Optimizer("RAdam", {{"first_moment"}, {"second_moment"}},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows,
                 options.decoupled_decay}),
      beta1_(options.beta1),
      beta2_(options.beta2),
      epsilon_(options.epsilon) {
  require_option("beta1", beta1_, 1);
  require_option("beta2", beta2_, 1);
  require_option("epsilon", epsilon_);
}

void RAdam::update(const Update& update) const {
  const auto k = static_cast<double>(update.number);
  const double power = std::pow(beta2_, k), limit = 2 / (1 - beta2_) - 1;
  const double rho = limit - 2 * k * power / (1 - power);
  const bool adaptive = rho > 5;
  double rate = update.rate / (1 - std::pow(beta1_, k));
  if (adaptive) {
    rate *= std::sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)) * std::sqrt(1 - power);
  }
  each_element<2>(update, [&]<class T>(T) {
    const auto [decay, keep, beta1, rest1, beta2, rest2, step, epsilon] =
        factors<T>(update.decay, update.keep, beta1_, 1 - beta1_, beta2_, 1 - beta2_, rate, epsilon_);
    return [=](T& w, T g, T& m, T& v) {
      g += decay * w;
      m = beta1 * m + rest1 * g;
      v = beta2 * v + rest2 * g * g;
      w = keep * w - step * m / (adaptive ? std::sqrt(v) + epsilon : T(1));
    };
  });
}

}  // namespace unroll
