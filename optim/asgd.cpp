#include <cmath>

#include <unroll/optim/asgd.h>

namespace unroll {

Asgd::Asgd(const AsgdOptions& options)
    : Optimizer("Asgd", {{"average"}}, {options.rate, options.weight_decay, options.decay_matrices_only, false}),
      lambda_(options.lambda),
      alpha_(options.alpha),
      t0_(options.t0) {
  require_option("lambda", lambda_);
  require_option("alpha", alpha_);
  require_option("t0", t0_);
}

void Asgd::update(const Update& update) const {
  const auto before = static_cast<double>(update.number - 1);
  const double eta = update.rate / std::pow(1 + lambda_ * update.rate * before, alpha_);
  each_element<1>(update, [&]<class T>(T) {
    const auto [rate, decay, keep, share] =
        factors<T>(eta, update.decay, 1 - lambda_ * eta, 1 / std::max(1.0, before - t0_));
    return [=](T& w, T g, T& average) {
      g += decay * w;
      w = keep * w - rate * g;
      average = share == 1 ? w : average + share * (w - average);
    };
  });
}

AppliedAverage Asgd::applied(const Params& params) const {
  OptimizerState saved = state(params);
  std::vector<Array> averages;
  for (const Param& param : params) {
    const auto average = saved.find(param.name() + "/average");
    averages.push_back(average == saved.end() ? param.value() : average->second);
  }
  return {params, averages};
}

}  // namespace unroll
