#include <cmath>

#include <unroll/optim/nadam.h>

namespace unroll {

NAdam::NAdam(const NAdamOptions& options)
    : Optimizer("NAdam",
                {{"first_moment"}, {"second_moment"}, {.name = "momentum_product", .start = 1, .number = true}},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows,
                 options.decoupled_decay}),
      beta1_(options.beta1),
      beta2_(options.beta2),
      epsilon_(options.epsilon),
      momentum_decay_(options.momentum_decay) {
  require_option("beta1", beta1_, 1);
  require_option("beta2", beta2_, 1);
  require_option("epsilon", epsilon_);
  require_option("momentum_decay", momentum_decay_);
}

void NAdam::update(const Update& update) const {
  const auto mu = [&](double k) { return beta1_ * (1 - 0.5 * std::pow(0.96, k * momentum_decay_)); };
  const auto k = static_cast<double>(update.number);
  const double now = mu(k), next = mu(k + 1);
  const double product = update.moments[2].item() * now;
  update.moments[2].set_flat(0, product);
  each_element<2>(update, [&]<class T>(T) {
    const auto [decay, keep, beta1, rest1, beta2, rest2] =
        factors<T>(update.decay, update.keep, beta1_, 1 - beta1_, beta2_, 1 - beta2_);
    const auto [rate_m, rate_g, root, epsilon] =
        factors<T>(update.rate * next / (1 - product * next), update.rate * (1 - now) / (1 - product),
                   1 / std::sqrt(1 - std::pow(beta2_, k)), epsilon_);
    return [=](T& w, T g, T& m, T& v) {
      g += decay * w;
      m = beta1 * m + rest1 * g;
      v = beta2 * v + rest2 * g * g;
      w = keep * w - (rate_m * m + rate_g * g) / (root * std::sqrt(v) + epsilon);
    };
  });
}

}  // namespace unroll
