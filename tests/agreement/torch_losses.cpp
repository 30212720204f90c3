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

namespace {

Reduce reduction_of(const std::string& name) { return name == "sum" ? Reduce::sum : Reduce::per_token; }

/// loss(rows, targets, reduce) over all rows of classes, or over each row alone.
template <class F>
Tensor of_classes(const Tensor& x, const std::vector<int>& targets, const Shape& shape, const std::string& reduction,
                  F loss) {
  const Tensor all = class_rows(x);
  if (reduction != "none")
    return loss(all, Ids(std::vector<Id>(targets.begin(), targets.end())), reduction_of(reduction));
  return each(targets.size(), shape,
              [&](Index i) { return loss(slice(all, 0, i, i + 1), Ids{targets[i]}, Reduce::sum); });
}

}  // namespace

Tensor negative_log_likelihood(const Tensor& log_probabilities, const std::vector<int>& targets, const Shape& shape,
                               const ClassLoss& options) {
  return of_classes(log_probabilities, targets, shape, options.reduction,
                    [&](const Tensor& p, const Ids& ids, Reduce reduce) {
                      return nll_loss(p, ids, reduce, {.ignore = options.ignored, .weights = options.weight});
                    });
}

Tensor class_cross_entropy(const Tensor& logits, const std::vector<int>& targets, const Shape& shape,
                           const ClassLoss& options) {
  return of_classes(logits, targets, shape, options.reduction, [&](const Tensor& z, const Ids& ids, Reduce reduce) {
    return cross_entropy(z, ids, reduce,
                         {.ignore = options.ignored, .smoothing = options.smoothing, .weights = options.weight});
  });
}

namespace {

ClassLoss options_of(const Case& c) {
  ClassLoss options{.reduction = c.attrs.value("reduction", "mean"),
                    .smoothing = c.attrs.value("label_smoothing", 0.0)};
  options.ignored = c.attrs.value("ignore_index", -100);  // PyTorch's default
  if (c.has("input/weight")) options.weight = c.values("input/weight");
  return options;
}

Tensors run_cross_entropy(const Tensors& in, const Case& c) {
  const ClassLoss options = options_of(c);
  const Tensor& z = in.at("logits");
  if (c.place("input/target").type != 'd') {
    return {{"loss", class_cross_entropy(z, c.integers("input/target"), c.shape("input/target"), options)}};
  }
  const CrossEntropyOptions soft{.smoothing = options.smoothing, .weights = options.weight};
  return {{"loss", cross_entropy(z, in.at("target"), reduction_of(options.reduction), soft)}};
}

Tensors run_bce(const Tensors& in, const Case& c) {
  const Tensor &z = in.at("x"), &y = in.at("y");
  const std::string reduction = c.attrs["reduction"];
  std::vector<double> positive;
  if (c.has("input/pos_weight")) positive = c.values("input/pos_weight");
  if (reduction != "none") {
    return {{"loss", bce_with_logits(z, y.value(), reduction_of(reduction), {.positive_weight = positive})}};
  }
  const Tensor all = reshape(z, {z.size()}), targets = reshape(y, {y.size()});
  return {{"loss", each(z.size(), z.shape(), [&](Index i) {
             std::vector<double> own;
             if (!positive.empty()) own.push_back(positive[i % positive.size()]);
             return bce_with_logits(slice(all, 0, i, i + 1), slice(targets, 0, i, i + 1).value(), Reduce::sum,
                                    {.positive_weight = own});
           })}};
}

/// PyTorch's mean is over the elements, ours over the distributions.
Tensors run_kl(const Tensors& in, const Case& c) {
  const Tensor &l = in.at("logp"), &q = in.at("q");
  if (c.attrs["reduction"] == "none") {
    const Tensor all = reshape(l, {l.size(), 1}), targets = reshape(q, {q.size(), 1});
    return {{"loss", each(l.size(), l.shape(), [&](Index i) {
               return kl_divergence(slice(all, 0, i, i + 1), slice(targets, 0, i, i + 1), Reduce::sum);
             })}};
  }
  const Tensor total = kl_divergence(l, q, Reduce::sum);
  return {{"loss", c.attrs["reduction"] == "sum" ? total : total / static_cast<double>(l.size())}};
}

using Loss = std::function<Tensors(const Tensors& in, const Case& c)>;

void add(Tasks& tasks, const std::string& op, const Loss& f) {
  tasks["torch/loss/" + op] = [f](Check& check) {
    differentiate(check, [&](const Tensors& in) { return f(in, check.c); });
  };
}

/// A loss of single numbers x and y; f(x, y, reduce, case).
template <class F>
void add_of_numbers(Tasks& tasks, const std::string& op, F f) {
  add(tasks, op, [f](const Tensors& in, const Case& c) {
    const Tensor &x = in.at("x"), &y = in.at("y");
    const std::string reduction = c.attrs["reduction"];
    if (reduction != "none") return Tensors{{"loss", f(x, y, reduction_of(reduction), c)}};
    const Tensor xs = reshape(x, {x.size()}), ys = reshape(y, {y.size()});
    return Tensors{{"loss", each(x.size(), x.shape(), [&](Index i) {
                      return f(slice(xs, 0, i, i + 1), slice(ys, 0, i, i + 1), Reduce::sum, c);
                    })}};
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
  using T = const Tensor&;
  add_of_numbers(tasks, "mse", [](T x, T y, Reduce reduce, const Case&) { return mse_loss(x, y, reduce); });
  add_of_numbers(tasks, "l1", [](T x, T y, Reduce reduce, const Case&) { return l1_loss(x, y, reduce); });
  add_of_numbers(tasks, "huber", [](T x, T y, Reduce reduce, const Case& c) {
    return huber_loss(x, y, reduce, {.delta = c.attrs.value("delta", 1.0)});
  });
  add_of_numbers(tasks, "smooth_l1", [](T x, T y, Reduce reduce, const Case& c) {
    return smooth_l1_loss(x, y, reduce, {.beta = c.attrs.value("beta", 1.0)});
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
