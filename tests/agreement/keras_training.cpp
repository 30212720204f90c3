// Keras' optimizers and losses.
#include <cmath>

#include <unroll/optim/ftrl.h>
#include <unroll/optim/lion.h>

#include "losses.h"
#include "optimizers.h"

namespace unroll::agreement {
namespace {

double number(const Case& c, const char* attr) { return c.attrs.value(attr, 0.0); }

/// Keras' Adam in ours. Its ε stands beside √v before the correction of v, so it is ε / √(1 − β₂ᵏ) beside ours; and it
/// corrects with β rounded to f32, which the rate makes up for. So each step has an optimizer of its own, which goes on
/// from the state of the last one.
void run_adam(Check& check) {
  const Case& c = check.c;
  AdamWOptions options{
      .beta1 = number(c, "beta_1"), .beta2 = number(c, "beta_2"), .weight_decay = number(c, "weight_decay")};
  require<UsageError>(options.weight_decay == 0 || c.op == "keras.AdamW", "Adam: no decoupled decay");
  const double rounded1 = static_cast<float>(options.beta1), rounded2 = static_cast<float>(options.beta2);
  OptimizerState state;
  double step = 0;
  run_trajectory(check, [&](Params& params, Grads grads) {
    ++step;
    const double theirs = std::sqrt(1 - std::pow(rounded2, step)) / (1 - std::pow(rounded1, step));
    const double correction = std::sqrt(1 - std::pow(options.beta2, step));
    const double factor = theirs * (1 - std::pow(options.beta1, step)) / correction;
    options.rate = number(c, "learning_rate") * factor;
    options.epsilon = number(c, "epsilon") / correction;
    AdamWOptions now = options;
    now.weight_decay = options.weight_decay / factor;
    AdamW optimizer(now);
    if (!state.empty()) optimizer.restore(params, state);
    const double limit = number(c, "global_clipnorm");
    if (limit > 0) grads *= std::min(1.0, limit / grads.norm());  // without the 1e-6 of PyTorch and clip
    optimizer.step(params, grads);
    state = optimizer.state(params);
  });
}

std::unique_ptr<Optimizer> keras_optimizer(const Case& c) {
  const double rate = number(c, "learning_rate"), beta1 = number(c, "beta_1"), beta2 = number(c, "beta_2"),
               epsilon = number(c, "epsilon"), momentum = number(c, "momentum");
  const std::string name = c.op.substr(std::string("keras.").size());
  if (name == "SGD") {
    return std::make_unique<Sgd>(SgdOptions{.rate = rate, .momentum = momentum, .nesterov = c.flag("nesterov")});
  }
  if (name == "RMSprop") {
    return std::make_unique<RmsProp>(RmsPropOptions{.rate = rate,
                                                    .alpha = number(c, "rho"),
                                                    .epsilon = epsilon,
                                                    .epsilon_place = Epsilon::inside_root,
                                                    .momentum = momentum,
                                                    .centred = c.flag("centered")});
  }
  if (name == "Adamax") {  // its ε is added to u, where it changes less than the tolerance
    return std::make_unique<Adamax>(AdamaxOptions{rate, beta1, beta2, epsilon});
  }
  if (name == "Nadam") { return std::make_unique<NAdam>(NAdamOptions{rate, beta1, beta2, epsilon, 1}); }
  if (name == "Lion") return std::make_unique<Lion>(LionOptions{rate, beta1, beta2});
  if (name == "Ftrl") {
    require<UsageError>(number(c, "learning_rate_power") == -0.5, "Ftrl: another power than the root");
    return std::make_unique<Ftrl>(FtrlOptions{.rate = rate,
                                              .beta = number(c, "beta"),
                                              .l1 = number(c, "l1_regularization_strength"),
                                              .l2 = 2 * number(c, "l2_regularization_strength"),
                                              .initial_accumulator = number(c, "initial_accumulator_value")});
  }
  throw UsageError("no optimizer like Keras' " + name);
}

void run_optimizer(Check& check) {
  const auto optimizer = keras_optimizer(check.c);
  run_trajectory(check, [&](Params& params, const Grads& grads) { optimizer->step(params, grads); });
}

/// Means over all targets; one class may count nothing.
void run_loss(Check& check) {
  const Case& c = check.c;
  ClassLoss options{.reduction = c.attrs["reduction"], .smoothing = number(c, "label_smoothing")};
  if (c.attrs.contains("ignore_class")) options.ignored = c.attrs["ignore_class"].get<int>();
  differentiate(check, [&](const Tensors& in) {
    const auto targets = c.integers("input/target");
    return Tensors{{"loss", class_cross_entropy(in.at("logits"), targets, c.shape("input/target"), options)}};
  });
}

}  // namespace

void add_keras_training(Tasks& tasks) {
  for (const char* name : {"SGD", "RMSprop", "Adam", "AdamW", "Adamax", "Nadam", "Ftrl", "Lion"}) {
    tasks[fmt::format("keras/keras_optim/keras.{}", name)] = run_optimizer;
  }
  tasks["keras/keras_loss/CategoricalCrossentropy"] = run_loss;
  tasks["keras/keras_loss/SparseCategoricalCrossentropy"] = run_loss;
  tasks["keras/keras_optim/keras.Adam"] = run_adam;
  tasks["keras/keras_optim/keras.AdamW"] = run_adam;
}

}  // namespace unroll::agreement
