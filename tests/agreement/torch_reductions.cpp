// Reductions over all axes or some.
#include "case.h"
#include "reduction.h"

namespace unroll::agreement {
namespace {

using Reduction = std::function<Tensor(const Tensor&, List axes, bool keep)>;

/// The axes of attrs.dim: a number, a list, or null for all of them. One case leaves its axis to its name.
std::vector<int> axes_of(const Case& c, const Tensor& x) {
  if (c.name == "amax_nan") return {1};
  if (!c.attrs.contains("dim")) return all_axes(x);
  const json& dim = c.attrs["dim"];
  return dim.is_array() ? dim.get<std::vector<int>>() : std::vector<int>{dim.get<int>()};
}

void add(Tasks& tasks, const std::string& op, const Reduction& f) {
  tasks["torch/reduce/" + op] = [f](Check& check) {
    differentiate(check, [&](const Tensors& in) {
      const Tensor& x = in.at("x");
      return Tensors{
          {"y", over_axes(axes_of(check.c, x), [&](List axes) { return f(x, axes, check.c.flag("keepdim")); })}};
    });
  };
}

Tensor variance(const Tensor& x, List axes, bool keep, double correction) {
  const Tensor difference = x - mean(x, axes, true), total = sum(difference * difference, axes, keep);
  const double n = static_cast<double>(x.size()) / static_cast<double>(total.size());
  return total / (n - correction);
}

}  // namespace

void add_torch_reductions(Tasks& tasks) {
  add(tasks, "sum", [](const Tensor& x, List axes, bool keep) { return sum(x, axes, keep); });
  add(tasks, "sum_d0", [](const Tensor& x, List, bool) { return sum(x, {0}); });
  add(tasks, "mean", [](const Tensor& x, List axes, bool keep) { return mean(x, axes, keep); });
  add(tasks, "amax", [](const Tensor& x, List axes, bool keep) { return max(x, axes, keep); });
  add(tasks, "amin", [](const Tensor& x, List axes, bool keep) { return -max(-x, axes, keep); });
  tasks["torch/reduce/prod"] = [](Check& check) {
    differentiate(check, [&](const Tensors& in) {
      const Tensor& x = in.at("x");
      return Tensors{{"y", product(x, axes_of(check.c, x), check.c.flag("keepdim"))}};
    });
  };
  add(tasks, "norm2", [](const Tensor& x, List axes, bool keep) { return sqrt(sum(x * x, axes, keep)); });
  tasks["torch/reduce/var"] = [](Check& check) {
    differentiate(check, [&](const Tensors& in) {
      const Case& c = check.c;
      const Tensor& x = in.at("x");
      return Tensors{{"y", over_axes(axes_of(c, x), [&](List axes) {
                        return variance(x, axes, c.flag("keepdim"), c.attrs["correction"]);
                      })}};
    });
  };
  add(tasks, "logsumexp", [](const Tensor& x, List axes, bool keep) { return logsumexp(x, axes, keep); });
}

}  // namespace unroll::agreement
