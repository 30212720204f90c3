// Reductions over all axes or some.
#include "case.h"
#include "reduction.h"

namespace unroll::agreement {
namespace {

using Reduction = std::function<Tensor(const Tensor&, const Axes& axes, bool keep)>;

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
      return Tensors{{"y", f(x, axes_of(check.c, x), check.c.flag("keepdim"))}};
    });
  };
}

}  // namespace

void add_torch_reductions(Tasks& tasks) {
  add(tasks, "sum", [](const Tensor& x, const Axes& axes, bool keep) { return sum(x, axes, keep); });
  add(tasks, "sum_d0", [](const Tensor& x, const Axes&, bool) { return sum(x, {0}); });
  add(tasks, "mean", [](const Tensor& x, const Axes& axes, bool keep) { return mean(x, axes, keep); });
  add(tasks, "amax", [](const Tensor& x, const Axes& axes, bool keep) { return max(x, axes, keep); });
  add(tasks, "amin", [](const Tensor& x, const Axes& axes, bool keep) { return min(x, axes, keep); });
  add(tasks, "prod", [](const Tensor& x, const Axes& axes, bool keep) { return prod(x, axes, keep); });
  add(tasks, "norm2", [](const Tensor& x, const Axes& axes, bool keep) { return norm(x, axes, keep); });
  add(tasks, "logsumexp", [](const Tensor& x, const Axes& axes, bool keep) { return logsumexp(x, axes, keep); });
  tasks["torch/reduce/var"] = [](Check& check) {
    differentiate(check, [&](const Tensors& in) {
      const Case& c = check.c;
      const Tensor& x = in.at("x");
      const Correction correction = c.number("correction") == 1 ? Correction::bessel : Correction::none;
      return Tensors{{"y", var(x, axes_of(c, x), correction, c.flag("keepdim"))}};
    });
  };
  tasks["torch/reduce/max(dim)"] = [](Check& check) {  // the whole gradient goes to the index that is returned
    differentiate(check, [&](const Tensors& in) {
      const Tensor& x = in.at("x");
      const Ids largest = argmax(x, 1, true);
      return Tensors{{"y", squeeze(gather(x, largest, 1), {1})}, {"idx", numbers(argmax(x, 1))}};
    });
  };
}

}  // namespace unroll::agreement
