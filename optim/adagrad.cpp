#include <cmath>

#include <unroll/optim/adagrad.h>

namespace unroll {

Adagrad::Adagrad(const AdagradOptions& options)
    : Optimizer("Adagrad", {{"sum_of_squares", options.initial_accumulator}},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows}),
      rate_decay_(options.rate_decay),
      epsilon_(options.epsilon) {
  require_option("rate_decay", rate_decay_);
  require_option("initial_accumulator", options.initial_accumulator);
  require_option("epsilon", epsilon_);
}

void Adagrad::update(const Update& update) const {
  const auto before = static_cast<double>(update.number - 1);
  each_element<1>(update, [&]<class T>(T) {
    const auto [rate, decay, epsilon] = factors<T>(update.rate / (1 + before * rate_decay_), update.decay, epsilon_);
    return [=](T& w, T g, T& s) {
      g += decay * w;
      s += g * g;
      w -= rate * g / (std::sqrt(s) + epsilon);
    };
  });
}

}  // namespace unroll
