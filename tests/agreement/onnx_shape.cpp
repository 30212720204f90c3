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

One squeeze_node(const NodeRun& run) {
  const std::vector<int> axes = run.integers(1, "axes");
  return {axes.empty() ? squeeze(run.in(0)) : squeeze(run.in(0), axes)};
}

/// The axes count in the result.
One unsqueeze_node(const NodeRun& run) {
  Tensor x = run.in(0);
  std::vector<int> axes = run.integers(1, "axes");
  const int n = static_cast<int>(x.ndim() + axes.size());
  for (int& axis : axes) axis = (axis + n) % n;
  std::sort(axes.begin(), axes.end());
  for (const int axis : axes) x = unsqueeze(x, axis);
  return {x};
}

One transpose_node(const NodeRun& run) {
  const Tensor& x = run.in(0);
  if (!run.attributes.contains("perm")) return {transpose(x)};
  return {transpose(x, run.attributes["perm"].get<std::vector<int>>())};
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
    const auto place = [&](int i) { return std::clamp(i < 0 ? i + extent : i, step < 0 ? -1 : 0, extent); };
    if (step > 0) {
      const int from = place(starts[k]);
      x = slice(x, axes[k], static_cast<Index>(from), static_cast<Index>(std::max(from, place(ends[k]))), step);
    } else {  // from start down to the element after end
      const int from = std::min(place(starts[k]), extent - 1), to = std::min(place(ends[k]), from);
      x = slice(x, axes[k], static_cast<Index>(to + 1), static_cast<Index>(from + 1), step);
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

/// The shape broadcasts to the input's too.
One expand_node(const NodeRun& run) {
  Shape shape;
  for (const int extent : run.integers(1)) shape.append(static_cast<Index>(extent));
  return {expand(run.in(0), broadcast("Expand", run.in(0).shape(), shape))};
}

One tile_node(const NodeRun& run) {
  const std::vector<int> times = run.integers(1);
  return {tile(run.in(0), std::vector<Index>(times.begin(), times.end()))};
}

/// A constant around the input, or what is at its edge.
One pad_node(const NodeRun& run) {
  Tensor x = run.in(0);
  const std::vector<int> pads = run.integers(1);
  std::vector<int> axes = run.integers(3);
  if (axes.empty()) axes = all_axes(x);
  const Index count = axes.size();
  std::vector<Padding> sizes(x.ndim());
  for (Index k = 0; k < count; ++k) {
    sizes[x.shape().axis(axes[k], "Pad")] = {static_cast<Index>(pads[k]), static_cast<Index>(pads[k + count])};
  }
  if (run.attributes.value("mode", "constant") == "constant") {
    return {pad(x, sizes, run.has(2) ? run.in(2).item() : 0)};
  }
  require(run.attributes["mode"] == "edge", "Pad: an unknown mode");
  for (Index axis = 0; axis < sizes.size(); ++axis) {
    const int extent = static_cast<int>(x.shape()[axis]), before = static_cast<int>(sizes[axis].before);
    std::vector<Id> ids;
    for (int i = -before; i < extent + static_cast<int>(sizes[axis].after); ++i) {
      ids.push_back(std::clamp(i, 0, extent - 1));
    }
    x = index_select(x, ids, static_cast<int>(axis));
  }
  return {x};
}

}  // namespace

void add_onnx_shape(Nodes& nodes) {
  nodes["Reshape"] = reshape_node;
  nodes["Flatten"] = flatten;
  nodes["Squeeze"] = squeeze_node;
  nodes["Unsqueeze"] = unsqueeze_node;
  nodes["Transpose"] = transpose_node;
  nodes["Slice"] = slice_node;
  nodes["Split"] = split_node;
  nodes["Concat"] = concat_node;
  nodes["Expand"] = expand_node;
  nodes["Tile"] = tile_node;
  nodes["Pad"] = pad_node;
}

}  // namespace unroll::agreement
