// Shapes, products and selection.
#include "case.h"

namespace unroll::agreement {
namespace {

void add(Tasks& tasks, const std::string& task, const std::function<Tensor(const Tensors&, const Case&)>& f) {
  tasks["torch/" + task] = [f](Check& check) {
    differentiate(check, [&](const Tensors& in) { return Tensors{{"y", f(in, check.c)}}; });
  };
}

void add_shape(Tasks& tasks, const std::string& op, const std::function<Tensor(const Tensor&)>& f) {
  add(tasks, "shape/" + op, [f](const Tensors& in, const Case&) { return f(in.at("x")); });
}

/// The rows of a table; gradients do not reach the one that stands for padding.
Tensor embedding(const Tensors& in, const Case& c) {
  Tensor table = in.at("weight");
  if (c.attrs.contains("padding_idx")) {
    Array others = Array::full({table.dim(0), 1}, f64, 1);
    others.set_flat(c.number("padding_idx"), 0);
    table = table * Tensor(others) + detach(table) * (1 - Tensor(others));
  }
  const Ids ids(c.ids("input/idx").values());
  return reshape(rows(table, ids), c.shape("output/y"));
}

}  // namespace

void add_torch_shape(Tasks& tasks) {
  add_shape(tasks, "reshape_6_4", [](const Tensor& x) { return reshape(x, {6, 4}); });
  add_shape(tasks, "reshape_-1", [](const Tensor& x) { return reshape(x, {x.size()}); });
  add_shape(tasks, "permute_120", [](const Tensor& x) { return transpose(x, {1, 2, 0}); });
  add_shape(tasks, "unsqueeze_1", [](const Tensor& x) { return reshape(x, {2, 1, 3, 4}); });
  add_shape(tasks, "squeeze", [](const Tensor& x) { return reshape(slice(x, 1, 0, 1), {2, 4}); });
  add_shape(tasks, "slice_mid", [](const Tensor& x) { return slice(slice(x, 1, 1, 2), 2, 1, 3); });
  add_shape(tasks, "slice_neg", [](const Tensor& x) { return at(x, x.dim(0) - 1); });
  add_shape(tasks, "select_t", [](const Tensor& x) { return at(transpose(x, {1, 0, 2}), 1); });
  add_shape(tasks, "flip_0", [](const Tensor& x) { return flip(x, 0); });
  add_shape(tasks, "flip_all", [](const Tensor& x) { return flip(flip(flip(x, 0), 1), 2); });
  add_shape(tasks, "roll", [](const Tensor& x) { return concat({slice(x, 2, 3, 4), slice(x, 2, 0, 3)}, 2); });
  // a is [2, 3] and b [3, 3]; PyTorch's cases take as many rows of b as a has.
  const auto part = [](const Tensors& in) { return slice(in.at("b"), 0, 0, 2); };
  add(tasks, "shape/cat_1", [=](const Tensors& in, const Case&) {
    return concat({in.at("a"), part(in), in.at("a")}, 1);
  });
  add(tasks, "shape/cat_self", [](const Tensors& in, const Case&) { return concat({in.at("a"), in.at("a")}, 0); });
  add(tasks, "shape/stack_0", [=](const Tensors& in, const Case&) { return stack(std::vector{in.at("a"), part(in)}); });
  add(tasks, "shape/stack_last", [=](const Tensors& in, const Case&) {
    return transpose(stack(std::vector{in.at("a"), part(in)}), {1, 2, 0});
  });

  add(tasks, "index/embedding", embedding);
  add(tasks, "index/index_select",
      [](const Tensors& in, const Case& c) { return rows(in.at("x"), c.ids("input/idx")); });
  add(tasks, "index/dropout", [](const Tensors& in, const Case&) { return in.at("x"); });
  add(tasks, "index/x*detach(tanh(x)) + x", [](const Tensors& in, const Case&) {
    const Tensor& x = in.at("x");
    return x * detach(tanh(x)) + x;
  });
}

}  // namespace unroll::agreement
