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
  return rows(table, c.ids("input/idx"));
}

}  // namespace

void add_torch_shape(Tasks& tasks) {
  add_shape(tasks, "reshape_6_4", [](const Tensor& x) { return reshape(x, {6, 4}); });
  add_shape(tasks, "reshape_-1", [](const Tensor& x) { return reshape(x, {x.size()}); });
  add_shape(tasks, "permute_120", [](const Tensor& x) { return transpose(x, {1, 2, 0}); });
  add_shape(tasks, "unsqueeze_1", [](const Tensor& x) { return unsqueeze(x, 1); });
  add_shape(tasks, "squeeze", [](const Tensor& x) { return squeeze(slice(x, 1, 0, 1)); });
  add_shape(tasks, "slice_mid", [](const Tensor& x) { return slice(slice(x, 1, 1, 2), 2, 1, 3); });
  add_shape(tasks, "slice_neg", [](const Tensor& x) { return at(x, x.dim(0) - 1); });
  add_shape(tasks, "select_t", [](const Tensor& x) { return at(transpose(x, {1, 0, 2}), 1); });
  add_shape(tasks, "flip_0", [](const Tensor& x) { return flip(x, 0); });
  add_shape(tasks, "flip_all", [](const Tensor& x) { return flip(flip(flip(x, 0), 1), 2); });
  add_shape(tasks, "roll", [](const Tensor& x) { return concat({slice(x, 2, 3, 4), slice(x, 2, 0, 3)}, 2); });
  add_shape(tasks, "cumsum_1", [](const Tensor& x) { return cumsum(x, 1); });
  add_shape(tasks, "slice_step2", [](const Tensor& x) { return slice(x, 2, 0, 4, 2); });
  add_shape(tasks, "pad_const", [](const Tensor& x) { return pad(x, {{0, 0}, {0, 1}, {1, 2}}); });
  add_shape(tasks, "transpose_matmul", [](const Tensor& x) { return matmul(transpose(x, {0, 2, 1}), x); });
  add_shape(tasks, "tril", [](const Tensor& x) {
    Array below = Array::zeros({3, 4}, f64);
    for (Index i = 0; i < 3; ++i) {
      for (Index j = 0; j <= i; ++j) below.set_flat(i * 4 + j, 1);
    }
    return x * Tensor(below);
  });
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

  add(tasks, "matmul/matmul", [](const Tensors& in, const Case&) { return matmul(in.at("a"), in.at("b")); });

  add(tasks, "index/embedding", embedding);
  add(tasks, "index/index_select", [](const Tensors& in, const Case& c) {
    return index_select(in.at("x"), c.ids("input/idx"), static_cast<int>(c.number("dim")));
  });
  add(tasks, "index/masked_fill", [](const Tensors& in, const Case& c) {
    return in.at("x") * (1 - in.at("m")) + c.attrs["value"].get<double>() * in.at("m");
  });
  add(tasks, "index/gather", [](const Tensors& in, const Case& c) {
    return gather(in.at("x"), c.ids("input/idx"), static_cast<int>(c.number("dim")));
  });
  add(tasks, "index/index_add", [](const Tensors& in, const Case& c) {  // one index for a whole row
    const Tensor& source = in.at("src");
    std::vector<Id> ids;
    for (const Id id : c.ids("input/idx")) ids.insert(ids.end(), source.dim(1), id);
    return scatter_add(in.at("x"), Ids(ids, source.shape()), source, 0);
  });
  add(tasks, "index/layer_norm",
      [](const Tensors& in, const Case& c) { return layer_norm(in.at("x"), in.at("w"), in.at("b"), c.attrs["eps"]); });
  tasks["torch/index/where(c, sqrt(x), 0)"] = [](Check& check) {  // what is not taken has the derivative 0
    differentiate(check,
                  [](const Tensors& in) {
                    const auto root = [](auto chosen, auto v) { return where(chosen > 0.5, sqrt(v), 0.0); };
                    return Tensors{{"y", pointwise("where", root, in.at("c"), in.at("x"))}};
                  },
                  {{"grad/x", Array::zeros({3}, f64)}});
  };
  add(tasks, "index/dropout", [](const Tensors& in, const Case&) { return in.at("x"); });
  add(tasks, "index/x*detach(tanh(x)) + x", [](const Tensors& in, const Case&) {
    const Tensor& x = in.at("x");
    return x * detach(tanh(x)) + x;
  });
}

}  // namespace unroll::agreement
