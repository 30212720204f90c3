#include <cmath>

#include <unroll/optim/ftrl.h>

namespace unroll {

Ftrl::Ftrl(const FtrlOptions& options)
    : Optimizer("Ftrl", {{"sum_of_squares", options.initial_accumulator}, {"linear"}},
                {options.rate, options.weight_decay, options.decay_matrices_only, options.lazy_rows}),
      beta_(options.beta),
      l1_(options.l1),
      l2_(options.l2) {
  require_option("beta", beta_);
  require_option("l1", l1_);
  require_option("l2", l2_);
  require_option("initial_accumulator", options.initial_accumulator);
  require<UsageError>(options.initial_accumulator > 0, "Ftrl: initial_accumulator is 0; it must be above that");
}

void Ftrl::update(const Update& update) const {
  if (update.rate == 0) return;
  each_element<2>(update, [&]<class T>(T) {
    const auto [per_rate, decay, beta, l1, l2] = factors<T>(1 / update.rate, update.decay, beta_, l1_, l2_);
    return [=](T& w, T g, T& n, T& z) {
      g += decay * w;
      const T next = n + g * g, root = std::sqrt(next);
      z += g - (root - std::sqrt(n)) * per_rate * w;
      n = next;
      const T beyond = z > l1 ? z - l1 : z < -l1 ? z + l1 : z * 0;  // a NaN stays one
      w = -beyond / ((beta + root) * per_rate + l2);
    };
  });
}

}  // namespace unroll
