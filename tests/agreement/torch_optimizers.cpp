// Trajectories of optimizers on given gradients, and clipping.
#include "optimizers.h"

#include <unroll/optim/clip.h>

namespace unroll::agreement {

std::vector<Param> declare(const Case& c, Params& params, const std::string& role, const std::string& prefix) {
  std::vector<Param> all;
  for (Index i = 0; c.has(fmt::format("{}/{}{}", role, prefix, i)); ++i) {
    const Array start = c.array(fmt::format("{}/{}{}", role, prefix, i));
    all.push_back(Scope(params)("p" + std::to_string(i), start.shape(), zero));
    all.back().set(start);
  }
  return all;
}

void run_trajectory(Check& check, const std::function<void(Params&, Grads)>& step) {
  const Case& c = check.c;
  Params params(0, f64);
  const std::vector<Param> all = declare(c, params, "param", "p");
  std::vector<Array> gradients, path;
  for (Index i = 0; i < all.size(); ++i) {
    gradients.push_back(c.array(fmt::format("input/g{}", i)));
    path.push_back(Array::zeros(gradients[i].shape(), f64));
  }
  for (Index k = 0; k < gradients[0].dim(0); ++k) {
    Grads grads;
    for (Index i = 0; i < all.size(); ++i) {
      const Shape& shape = all[i].shape();
      grads.insert(all[i], gradients[i].part(k * shape.rows(), 0, shape).copy());
    }
    step(params, grads);
    for (Index i = 0; i < all.size(); ++i) {
      const Array now = all[i].value();
      for (Index j = 0; j < now.size(); ++j) path[i].set_flat(k * now.size() + j, now.flat(j));
    }
  }
  for (Index i = 0; i < all.size(); ++i) check.compare(fmt::format("step/p{}", i), path[i]);
}

namespace {

/// A group of parameters has a rate and a decay of its own; one with betas of its own is an optimizer of its own too,
/// which is given its parameter's gradient alone.
void run_optimizer(Check& check) {
  const json& effective = check.c.attrs["effective"];
  const std::string name = check.c.op.substr(std::string("optim.").size());
  if (effective.is_array()) {
    std::vector<std::unique_ptr<Optimizer>> groups;
    for (const json& settings : effective) {
      json common = settings;
      common["lr"] = check.c.attrs["lr"];
      common["weight_decay"] = 0;
      groups.push_back(torch_optimizer(name, common));
      const double rate = settings["lr"], base = common["lr"];
      groups.back()->group(fmt::format("p{}", groups.size() - 1),
                           {.rate_factor = rate / base, .weight_decay = settings["weight_decay"].get<double>()});
    }
    return run_trajectory(check, [&](Params& params, const Grads& grads) {
      for (Index i = 0; i < groups.size(); ++i) {
        const Param& own = params[fmt::format("p{}", i)];
        Grads part;
        part.insert(own, grads[own]);
        groups[i]->step(params, part);
      }
    });
  }
  const auto optimizer = torch_optimizer(name, effective);
  run_trajectory(check, [&](Params& params, Grads grads) {
    if (effective.value("maximize", false)) grads *= -1;
    optimizer->step(params, grads);
  });
}

void run_clip(Check& check) {
  const Case& c = check.c;
  Params params(0, f64);
  const std::vector<Param> all = declare(c, params, "input", "g");
  Grads grads;
  for (const Param& p : all) grads.insert(p, p.value());
  Grads clipped;
  if (c.op == "clip_grad_norm_") {
    const double p = std::stod(c.attrs["norm_type"].get<std::string>());
    check.compare("output/total_norm", Array::full({}, f64, grads.norm(p)));
    clipped = clip(grads, c.attrs["max_norm"], p);
  } else {
    clipped = clip_value(grads, c.attrs["clip_value"]);
  }
  for (Index i = 0; i < all.size(); ++i) check.compare(fmt::format("output/g{}", i), clipped[all[i]]);
}

}  // namespace

std::unique_ptr<Optimizer> torch_optimizer(const std::string& name, const json& a) {
  if (name == "SGD") {
    return std::make_unique<Sgd>(SgdOptions{.rate = a["lr"],
                                            .momentum = a["momentum"],
                                            .dampening = a["dampening"],
                                            .nesterov = a["nesterov"],
                                            .weight_decay = a["weight_decay"]});
  }
  if (name == "Adagrad") {
    return std::make_unique<Adagrad>(AdagradOptions{.rate = a["lr"],
                                                    .rate_decay = a["lr_decay"],
                                                    .initial_accumulator = a["initial_accumulator_value"],
                                                    .epsilon = a["eps"],
                                                    .weight_decay = a["weight_decay"]});
  }
  if (name == "Adadelta") {
    return std::make_unique<Adadelta>(
        AdadeltaOptions{.rate = a["lr"], .rho = a["rho"], .epsilon = a["eps"], .weight_decay = a["weight_decay"]});
  }
  if (name == "RMSprop") {
    return std::make_unique<RmsProp>(RmsPropOptions{.rate = a["lr"],
                                                    .alpha = a["alpha"],
                                                    .epsilon = a["eps"],
                                                    .momentum = a["momentum"],
                                                    .centred = a["centered"],
                                                    .weight_decay = a["weight_decay"]});
  }
  const auto with_betas = [&]<class Options>(Options options) {
    options.rate = a["lr"];
    options.beta1 = a["betas"][0];
    options.beta2 = a["betas"][1];
    options.epsilon = a["eps"];
    options.weight_decay = a["weight_decay"];
    return options;
  };
  if (name == "Adam") return std::make_unique<Adam>(with_betas(AdamOptions{.amsgrad = a["amsgrad"]}));
  if (name == "AdamW") return std::make_unique<AdamW>(with_betas(AdamWOptions{.amsgrad = a["amsgrad"]}));
  if (name == "Adamax") return std::make_unique<Adamax>(with_betas(AdamaxOptions{}));
  const bool decoupled = a.value("decoupled_weight_decay", false);
  if (name == "NAdam") {
    const double psi = a["momentum_decay"];
    return std::make_unique<NAdam>(with_betas(NAdamOptions{.momentum_decay = psi, .decoupled_decay = decoupled}));
  }
  if (name == "RAdam") return std::make_unique<RAdam>(with_betas(RAdamOptions{.decoupled_decay = decoupled}));
  throw UsageError("no optimizer like PyTorch's " + name);
}

void add_torch_optimizers(Tasks& tasks) {
  for (const char* name : {"SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "Adadelta", "NAdam", "Adamax", "RAdam"}) {
    tasks[fmt::format("torch/optim/optim.{}", name)] = run_optimizer;
  }
  tasks["torch/clip/clip_grad_norm_"] = run_clip;
  tasks["torch/clip/clip_grad_value_"] = run_clip;
}

}  // namespace unroll::agreement
