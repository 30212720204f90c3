// ONNX's operators on shapes.
#include <algorithm>

#include "onnx_nodes.h"
#include "reduction.h"

namespace unroll::agreement {
namespace {

using One = std::vector<Tensor>;

/// 0 copies the extent of the input, −1 is what is left.
One reshape_node(const NodeRun& run) {
  const Tensor& x = run.in(0);
  Shape shape;
  Index known = 1, open = Shape::max_axes;
  for (const int extent : run.integers(1)) {
    const bool copies = extent == 0 && run.integer("allowzero", 0) == 0;
    if (extent == -1) open = shape.ndim();
    shape.append(extent == -1 ? 1 : copies ? x.dim(static_cast<int>(shape.ndim())) : static_cast<Index>(extent));
    known *= shape[shape.ndim() - 1];
  }
  if (open < Shape::max_axes) shape.set(open, x.size() / known);
  return {reshape(x, shape)};
}

One flatten(const NodeRun& run) {
  const Tensor& x = run.in(0);
  const int axis = run.integer("axis", 1), n = static_cast<int>(x.ndim());
  Index rows = 1;
  for (int i = 0; i < (axis < 0 ? axis + n : axis); ++i) rows *= x.dim(i);
  return {reshape(x, {rows, x.size() / rows})};
}

One squeeze(const NodeRun& run) {
  const Tensor& x = run.in(0);
  std::vector<Index> drop;
  for (const int axis : run.integers(1, "axes")) drop.push_back(x.shape().axis(axis, "Squeeze"));
  Shape shape;
  for (Index i = 0; i < x.ndim(); ++i) {
    if (std::find(drop.begin(), drop.end(), i) == drop.end()) shape.append(x.dim(static_cast<int>(i)));
  }
  return {reshape(x, shape)};
}

/// The axes count in the result.
One unsqueeze(const NodeRun& run) {
  const Tensor& x = run.in(0);
  const std::vector<int> axes = run.integers(1, "axes");
  const int n = static_cast<int>(x.ndim() + axes.size());
  Shape shape;
  for (int i = 0, from = 0; i < n; ++i) {
    const bool added = std::any_of(axes.begin(), axes.end(), [&](int axis) { return (axis + n) % n == i; });
    shape.append(added ? 1 : x.dim(from++));
  }
  return {reshape(x, shape)};
}

One transpose_node(const NodeRun& run) {
  const Tensor& x = run.in(0);
  if (!run.attributes.contains("perm")) return {transpose(x)};
  return {over_axes(run.attributes["perm"].get<std::vector<int>>(),
                    [&](std::initializer_list<int> order) { return transpose(x, order); })};
}

/// Ends beyond an axis mean its end; a negative number counts from the back.
One slice_node(const NodeRun& run) {
  Tensor x = run.in(0);
  const std::vector<int> starts = run.integers(1, "starts"), ends = run.integers(2, "ends"),
                         steps = run.integers(4, "steps");
  std::vector<int> axes = run.integers(3, "axes");
  if (axes.empty()) axes = all_axes(x);
  for (Index k = 0; k < starts.size(); ++k) {
    const int extent = static_cast<int>(x.dim(axes[k])), step = k < steps.size() ? steps[k] : 1;
    require(step == 1 || step == -1, "slice: a step of {}", step);
    const auto place = [&](int i) { return std::clamp(i < 0 ? i + extent : i, step < 0 ? -1 : 0, extent); };
    if (step == 1) {
      x = slice(x, axes[k], static_cast<Index>(place(starts[k])), static_cast<Index>(place(ends[k])));
    } else {  // from start down to the element after end
      const int from = std::min(place(starts[k]), extent - 1), to = place(ends[k]);
      x = flip(slice(x, axes[k], static_cast<Index>(to + 1), static_cast<Index>(from + 1)), axes[k]);
    }
  }
  return {x};
}

One split_node(const NodeRun& run) {
  const Tensor& x = run.in(0);
  const int axis = run.integer("axis", 0);
  std::vector<Index> sizes;
  for (const int size : run.integers(1, "split")) sizes.push_back(static_cast<Index>(size));
  if (sizes.empty()) {  // equal parts, the last one smaller
    const Index parts = run.outputs.size(), extent = x.dim(axis), each = (extent + parts - 1) / parts;
    for (Index k = 0; k < parts; ++k) sizes.push_back(std::min(each, extent - k * each));
  }
  const bool ends = axis == -1 || axis == 0 || static_cast<Index>(axis) + 1 == x.ndim();
  if (ends) return split(x, sizes, axis);
  One parts;
  Index from = 0;
  for (const Index size : sizes) {
    parts.push_back(slice(x, axis, from, from + size));
    from += size;
  }
  return parts;
}

One concat_node(const NodeRun& run) {
  One parts;
  for (Index i = 0; i < run.inputs.size(); ++i) parts.push_back(run.in(i));
  return {concat(parts, run.integer("axis", 0))};
}

/// Broadcast to a shape: what adding zeros of that shape does.
One expand(const NodeRun& run) {
  Shape shape;
  for (const int extent : run.integers(1)) shape.append(static_cast<Index>(extent));
  return {run.in(0) + Tensor::zeros(shape, f64)};
}

/// Whole slices along one axis.
One gather(const NodeRun& run) {
  const Tensor& x = run.in(0);
  const int axis = run.integer("axis", 0);
  One parts;
  for (const int i : run.integers(1)) {
    const Index k = static_cast<Index>(i < 0 ? i + static_cast<int>(x.dim(axis)) : i);
    parts.push_back(slice(x, axis, k, k + 1));
  }
  return {concat(parts, axis)};
}

One tile(const NodeRun& run) {
  Tensor x = run.in(0);
  const std::vector<int> times = run.integers(1);
  for (Index axis = 0; axis < times.size(); ++axis) {
    x = concat(One(static_cast<Index>(times[axis]), x), static_cast<int>(axis));
  }
  return {x};
}

}  // namespace

void add_onnx_shape(Nodes& nodes) {
  nodes["Reshape"] = reshape_node;
  nodes["Flatten"] = flatten;
  nodes["Squeeze"] = squeeze;
  nodes["Unsqueeze"] = unsqueeze;
  nodes["Transpose"] = transpose_node;
  nodes["Slice"] = slice_node;
  nodes["Split"] = split_node;
  nodes["Concat"] = concat_node;
  nodes["Expand"] = expand;
  nodes["Gather"] = gather;
  nodes["Tile"] = tile;
}

}  // namespace unroll::agreement
