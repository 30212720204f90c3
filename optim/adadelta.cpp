#include <cmath>

#include <unroll/optim/adadelta.h>

namespace unroll {

Adadelta::Adadelta(const AdadeltaOptions& options)
    : Optimizer("Adadelta", {{"mean_square"}, {"mean_square_change"}},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows}),
      rho_(options.rho),
      epsilon_(options.epsilon) {
  require_option("rho", rho_, 1);
  require_option("epsilon", epsilon_);
}

void Adadelta::update(const Update& update) const {
  each_element<2>(update, [&]<class T>(T) {
    const auto [rate, decay, rho, rest, epsilon] = factors<T>(update.rate, update.decay, rho_, 1 - rho_, epsilon_);
    return [=](T& w, T g, T& s, T& d) {
      g += decay * w;
      s = rho * s + rest * g * g;
      const T change = g * std::sqrt(d + epsilon) / std::sqrt(s + epsilon);
      d = rho * d + rest * change * change;
      w -= rate * change;
    };
  });
}

}  // namespace unroll
