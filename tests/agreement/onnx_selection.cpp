// ONNX's operators that select by indices, and that return some.
#include "onnx_nodes.h"
#include "reduction.h"

namespace unroll::agreement {
namespace {

using One = std::vector<Tensor>;

/// The indices of an input, in its shape; negative ones count from the back of an axis of so many elements.
Ids ids_of(const NodeRun& run, Index input, Index extent) {
  std::vector<Id> ids;
  for (const int i : run.integers(input)) ids.push_back(i < 0 ? i + static_cast<Id>(extent) : i);
  return {ids, run.in(input).shape()};
}

One argmax_node(const NodeRun& run) {
  const Tensor& x = run.in(0);
  const int axis = run.integer("axis", 0);
  const bool keep = run.integer("keepdims", 1) == 1, last = run.integer("select_last_index", 0) == 1;
  if (!last) return {numbers(argmax(x, axis, keep))};
  return {static_cast<double>(x.dim(axis) - 1) - Tensor(numbers(argmax(flip(x, axis), axis, keep)))};
}

One gather_node(const NodeRun& run) {
  const int axis = run.integer("axis", 0);
  return {index_select(run.in(0), ids_of(run, 1, run.in(0).dim(axis)), axis)};
}

One gather_elements(const NodeRun& run) {
  const int axis = run.integer("axis", 0);
  return {gather(run.in(0), ids_of(run, 1, run.in(0).dim(axis)), axis)};
}

/// Without a reduction the indices are different ones, and the updates take the elements' place. For the larger and the
/// smaller the updates come one after the other along the axis, so that each meets what the others have left.
One scatter_elements(const NodeRun& run) {
  Tensor x = run.in(0);
  const Tensor& updates = run.in(2);
  const int axis = run.integer("axis", 0);
  const Ids ids = ids_of(run, 1, x.dim(axis));
  const Tensor nothing = Tensor::zeros(x.shape(), f64);
  const std::string reduction = run.attributes.value("reduction", "none");
  if (reduction == "add") return {scatter_add(x, ids, updates, axis)};
  if (reduction == "none") {
    const Tensor hit = scatter_add(nothing, ids, Tensor::full(updates.shape(), 1, f64), axis);
    return {scatter_add(x * (1 - hit), ids, updates, axis)};
  }
  require(updates.ndim() == 2 && axis == 1, "ScatterElements: other than the columns of a matrix");
  for (Index k = 0; k < updates.dim(1); ++k) {
    const Tensor update = slice(updates, 1, k, k + 1);
    Ids column(std::vector<Id>(update.size()), update.shape());
    for (Index i = 0; i < column.size(); ++i) column[i] = ids(i, k);
    const Tensor hit = scatter_add(nothing, column, Tensor::full(update.shape(), 1, f64), 1),
                 value = scatter_add(nothing, column, update, 1);
    x = x * (1 - hit) + (reduction == "max" ? max(x, value) : min(x, value)) * hit;
  }
  return {x};
}

/// Two values, for elsewhere and for the index; an index outside the classes is nowhere: the class after the last one.
One one_hot_node(const NodeRun& run) {
  const auto classes = static_cast<Index>(run.in(1).item());
  const double off = run.in(2).value().flat(0), on = run.in(2).value().flat(1);
  Ids ids = ids_of(run, 0, classes);
  for (Index i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || static_cast<Index>(ids[i]) >= classes) ids[i] = static_cast<Id>(classes);
  }
  const Tensor hot = slice(one_hot(ids, classes + 1, f64), -1, 0, classes);
  std::vector<int> order = all_axes(hot);
  order.pop_back();
  order.insert(order.begin() + static_cast<std::ptrdiff_t>(hot.shape().axis(run.integer("axis", -1), "OneHot")), -1);
  return {off + (on - off) * transpose(hot, order)};
}

}  // namespace

void add_onnx_selection(Nodes& nodes) {
  nodes["ArgMax"] = argmax_node;
  nodes["Gather"] = gather_node;
  nodes["GatherElements"] = gather_elements;
  nodes["ScatterElements"] = scatter_elements;
  nodes["OneHot"] = one_hot_node;
}

}  // namespace unroll::agreement
