#include <cmath>

#include <unroll/optim/adam.h>

namespace unroll {

Adam::Adam(const AdamOptions& options) : Adam("Adam", options, false) {}

Adam::Adam(std::string name, const AdamOptions& options, bool decoupled_decay)
    : Optimizer(std::move(name),
                [&] {
                  std::vector<Moment> moments{{"first_moment"}, {"second_moment"}};
                  if (options.amsgrad) moments.push_back({"largest_second_moment"});
                  return moments;
                }(),
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows, decoupled_decay}),
      beta1_(options.beta1),
      beta2_(options.beta2),
      epsilon_(options.epsilon),
      amsgrad_(options.amsgrad) {
  require_option("beta1", beta1_, 1);
  require_option("beta2", beta2_, 1);
  require_option("epsilon", epsilon_);
}

void Adam::set_beta1(double beta1) {
  require_option("beta1", beta1, 1);
  beta1_ = beta1;
}

void Adam::update(const Update& update) const {
  const auto k = static_cast<double>(update.number);
  const auto element = [&]<class T>(T) {
    const auto [decay, keep, beta1, rest1, beta2, rest2] =
        factors<T>(update.decay, update.keep, beta1_, 1 - beta1_, beta2_, 1 - beta2_);
    const auto [rate, root, epsilon] =
        factors<T>(update.rate / (1 - std::pow(beta1_, k)), 1 / std::sqrt(1 - std::pow(beta2_, k)), epsilon_);
    return [=](T& w, T g, T& m, T& v, auto&... largest) {
      g += decay * w;
      m = beta1 * m + rest1 * g;
      v = beta2 * v + rest2 * g * g;
      T square = v;
      ((square = largest = std::max(v, largest)), ...);  // a NaN in v stays one
      w = keep * w - rate * m / (root * std::sqrt(square) + epsilon);
    };
  };
  amsgrad_ ? each_element<3>(update, element) : each_element<2>(update, element);
}

AdamW::AdamW(const AdamWOptions& options)
    : Adam("AdamW",
           {.rate = options.rate,
            .beta1 = options.beta1,
            .beta2 = options.beta2,
            .epsilon = options.epsilon,
            .amsgrad = options.amsgrad,
            .weight_decay = options.weight_decay,
            .decay_matrices_only = options.decay_matrices_only,
            .lazy_rows = options.lazy_rows},
           true) {}

}  // namespace unroll
