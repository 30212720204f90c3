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

/// Groups of parameters with settings of their own are an optimizer each, which is given its parameter's gradient
/// alone.
void run_optimizer(Check& check) {
  const json& effective = check.c.attrs["effective"];
  std::vector<std::unique_ptr<Optimizer>> groups;
  for (const json& settings : effective.is_array() ? effective : json::array({effective})) {
    groups.push_back(torch_optimizer(check.c.op.substr(std::string("optim.").size()), settings));
  }
  run_trajectory(check, [&](Params& params, Grads grads) {
    if (effective.is_object() && effective.value("maximize", false)) grads *= -1;
    if (groups.size() == 1) return groups[0]->step(params, grads);
    for (Index i = 0; i < groups.size(); ++i) {
      Grads own;
      own.insert(*(params.begin() + static_cast<std::ptrdiff_t>(i)),
                 grads[*(params.begin() + static_cast<std::ptrdiff_t>(i))]);
      groups[i]->step(params, own);
    }
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
    require(c.attrs["norm_type"] == "2.0", "clip: the norm is {}", c.attrs["norm_type"].get<std::string>());
    check.compare("output/total_norm", Array::full({}, f64, grads.norm()));
    clipped = clip(grads, c.attrs["max_norm"]);
  } else {
    clipped = clip_value(grads, c.attrs["clip_value"]);
  }
  for (Index i = 0; i < all.size(); ++i) check.compare(fmt::format("output/g{}", i), clipped[all[i]]);
}

}  // namespace

std::unique_ptr<Optimizer> torch_optimizer(const std::string& name, const json& a) {
  const auto refuse = [&](const char* option, double otherwise = 0) {
    const json value = a.value(option, json(otherwise));
    const double is = value.is_boolean() ? static_cast<double>(value.get<bool>()) : value.get<double>();
    require(is == otherwise, "{}: no option {} = {}", name, option, is);
  };
  if (name == "SGD") {
    refuse("dampening");
    refuse("nesterov");
    return std::make_unique<Sgd>(
        SgdOptions{.rate = a["lr"], .momentum = a["momentum"], .weight_decay = a["weight_decay"]});
  }
  if (name == "Adam") {
    refuse("amsgrad");
    return std::make_unique<Adam>(AdamOptions{.rate = a["lr"],
                                              .beta1 = a["betas"][0],
                                              .beta2 = a["betas"][1],
                                              .epsilon = a["eps"],
                                              .weight_decay = a["weight_decay"]});
  }
  if (name == "AdamW") {
    refuse("amsgrad");
    return std::make_unique<AdamW>(AdamWOptions{.rate = a["lr"],
                                                .beta1 = a["betas"][0],
                                                .beta2 = a["betas"][1],
                                                .epsilon = a["eps"],
                                                .weight_decay = a["weight_decay"]});
  }
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
