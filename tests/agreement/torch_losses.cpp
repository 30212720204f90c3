// Losses and softmax.
#include "losses.h"

#include <algorithm>
#include <cmath>

#include "reduction.h"

namespace unroll::agreement {

Tensor class_rows(const Tensor& x) {
  const Index n = x.dim(0), classes = x.dim(1), others = x.size() / std::max<Index>(1, n * classes);
  if (x.ndim() == 2) return x;
  return reshape(transpose(reshape(x, {n, classes, others}), {0, 2, 1}), {n * others, classes});
}

Tensor reduced(const Tensor& losses, const std::string& reduction) {
  if (reduction == "none") return losses;
  return reduction == "sum" ? sum(losses) : mean(losses);
}

Tensor negative_log_likelihood(const Tensor& log_probabilities, const std::vector<int>& targets, const Shape& shape,
                               const ClassLoss& options) {
  const Tensor all = class_rows(log_probabilities);
  const Index classes = all.dim(1);
  const auto weight_of = [&](Index c) { return options.weight.empty() ? 1 : options.weight.at(c); };
  // Only the rows that count are read, so that what is ignored may hold anything.
  std::vector<Id> kept, classes_of_kept, places;
  std::vector<double> weights;
  for (Index i = 0; i < targets.size(); ++i) {
    const bool counts = targets[i] != options.ignored;
    places.push_back(counts ? static_cast<Id>(kept.size()) : -1);
    if (!counts) continue;
    kept.push_back(static_cast<Id>(i));
    classes_of_kept.push_back(targets[i]);
    weights.push_back(weight_of(static_cast<Index>(targets[i])));
  }
  const Tensor p = rows(all, kept), w = Array::of({weights.size()}, weights.data());
  Tensor losses = -(w * pick(p, classes_of_kept));
  if (options.smoothing > 0) {
    std::vector<double> shares;
    for (Index c = 0; c < classes; ++c) shares.push_back(weight_of(c) / static_cast<double>(classes));
    const Tensor spread = sum(p * Tensor(Array::of({classes}, shares.data())), {1});
    losses = (1 - options.smoothing) * losses - options.smoothing * spread;
  }
  if (options.reduction == "sum") return sum(losses);
  if (options.reduction == "mean") return sum(losses) / sum(w);
  for (Id& place : places) {
    if (place < 0) place = static_cast<Id>(kept.size());
  }
  const Tensor with_none = concat({losses, Tensor::zeros({1}, f64)}, 0);
  return reshape(rows(reshape(with_none, {kept.size() + 1, 1}), places), shape);
}

Tensor class_cross_entropy(const Tensor& logits, const std::vector<int>& targets, const Shape& shape,
                           const ClassLoss& options) {
  const bool ignores =
      std::any_of(targets.begin(), targets.end(), [&](int target) { return target == options.ignored; });
  if (options.reduction == "none" || ignores || options.smoothing > 0 || !options.weight.empty()) {
    return negative_log_likelihood(log_softmax(class_rows(logits)), targets, shape, options);
  }
  return cross_entropy(class_rows(logits), Ids(std::vector<Id>(targets.begin(), targets.end())),
                       options.reduction == "sum" ? Reduce::sum : Reduce::per_token);
}

namespace {

ClassLoss options_of(const Case& c) {
  ClassLoss options{.reduction = c.attrs.value("reduction", "mean"),
                    .smoothing = c.attrs.value("label_smoothing", 0.0)};
  options.ignored = c.attrs.value("ignore_index", -100);  // PyTorch's default
  if (c.has("input/weight")) options.weight = c.values("input/weight");
  return options;
}

/// The mean over the rows, as PyTorch has it for targets that are probabilities.
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& targets, const ClassLoss& options) {
  const double classes = static_cast<double>(logits.dim(1));
  const Tensor q = (1 - options.smoothing) * targets + options.smoothing / classes;
  const Tensor losses = -sum(q * log_softmax(logits), {1});
  return reduced(losses, options.reduction);
}

Tensors run_cross_entropy(const Tensors& in, const Case& c) {
  const ClassLoss options = options_of(c);
  if (c.place("input/target").type == 'd') {
    return {{"loss", soft_cross_entropy(in.at("logits"), in.at("target"), options)}};
  }
  return {{"loss", class_cross_entropy(in.at("logits"), c.integers("input/target"), c.shape("input/target"), options)}};
}

/// Σ or mean by unroll's own loss; single ones, and weighted ones, as (1 − y) z + (1 + (w − 1) y) ln(1 + exp(−z)).
Tensors run_bce(const Tensors& in, const Case& c) {
  const Tensor &z = in.at("x"), &y = in.at("y");
  const std::string reduction = c.attrs["reduction"];
  if (reduction != "none" && !c.has("input/pos_weight")) {
    const Tensor total = bce_with_logits(z, y.value(), Reduce::sum);
    return {{"loss", reduction == "sum" ? total : total / static_cast<double>(z.size())}};
  }
  const Tensor w = c.has("input/pos_weight") ? in.at("pos_weight") : Tensor::scalar(1, f64);
  const Tensor positive = relu(-z) + log(1 + exp(-abs(z)));
  return {{"loss", reduced((1 - y) * z + (1 + (w - 1) * y) * positive, reduction)}};
}

/// Quadratic up to `delta` and linear beyond, with the slope delta.
Tensor huber(const Tensor& difference, double delta) {
  const Tensor size = abs(difference), small = min(size, Tensor::scalar(delta, f64));
  return small * (size - 0.5 * small);
}

Tensors run_kl(const Tensors& in, const Case& c) {
  Array entropy = in.at("q").value().copy();  // q ln q, and 0 at 0
  for (Index i = 0; i < entropy.size(); ++i) {
    const double q = entropy.flat(i);
    entropy.set_flat(i, q > 0 ? q * std::log(q) : 0);
  }
  return {{"loss", reduced(Tensor(entropy) - in.at("q") * in.at("logp"), c.attrs["reduction"])}};
}

using Loss = std::function<Tensors(const Tensors& in, const Case& c)>;

void add(Tasks& tasks, const std::string& op, const Loss& f) {
  tasks["torch/loss/" + op] = [f](Check& check) {
    differentiate(check, [&](const Tensors& in) { return f(in, check.c); });
  };
}

/// A loss that is a function of x − y, element by element.
void add_of_difference(Tasks& tasks, const std::string& op,
                       const std::function<Tensor(const Tensor&, const Case&)>& f) {
  add(tasks, op, [f](const Tensors& in, const Case& c) {
    return Tensors{{"loss", reduced(f(in.at("x") - in.at("y"), c), c.attrs["reduction"])}};
  });
}

}  // namespace

void add_torch_losses(Tasks& tasks) {
  add(tasks, "cross_entropy", run_cross_entropy);
  add(tasks, "nll_loss", [](const Tensors& in, const Case& c) {
    const auto targets = c.integers("input/target");
    return Tensors{{"loss", negative_log_likelihood(in.at("logp"), targets, c.shape("input/target"), options_of(c))}};
  });
  add(tasks, "bce_with_logits", run_bce);
  add(tasks, "kl_div", run_kl);
  add_of_difference(tasks, "mse", [](const Tensor& d, const Case&) { return d * d; });
  add_of_difference(tasks, "l1", [](const Tensor& d, const Case&) { return abs(d); });
  add_of_difference(tasks, "huber",
                    [](const Tensor& d, const Case& c) { return huber(d, c.attrs.value("delta", 1.0)); });
  add_of_difference(tasks, "smooth_l1", [](const Tensor& d, const Case& c) {
    const double beta = c.attrs.value("beta", 1.0);
    return huber(d, beta) / beta;
  });

  add(tasks, "softmax", [](const Tensors& in, const Case& c) {
    return Tensors{{"y", along(in.at("x"), c.attrs["dim"], [](const Tensor& x) { return softmax(x); })}};
  });
  add(tasks, "log_softmax", [](const Tensors& in, const Case& c) {
    return Tensors{{"y", along(in.at("x"), c.attrs["dim"], [](const Tensor& x) { return log_softmax(x); })}};
  });
  add(tasks, "logsumexp", [](const Tensors& in, const Case& c) {
    return Tensors{{"y", logsumexp(in.at("x"), {c.attrs["dim"].get<int>()})}};
  });
}

}  // namespace unroll::agreement
