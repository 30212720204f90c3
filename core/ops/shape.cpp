#include <cstring>

#include <unroll/core/ops.h>

namespace unroll {
namespace {

/// A part of x from (row, col) of its matrix view. One of a covering set counts as a use of x only if `first`.
Tensor part(const char* op, const Tensor& x, Index row, Index col, const Shape& shape, bool covers = false,
            bool first = true) {
  Array value = x.value().part(row, col, shape);
  Tape* tape = Tape::current();
  const NodeId parent = tape == nullptr ? no_node : tape->find(op, x);
  if (parent == no_node) return value;
  const NodeId self = tape->add(op, shape, x.dtype());
  tape->view(self, parent, row, col, covers);
  if (first) tape->use(parent);
  return tape->tensor(std::move(value), self);
}

Shape without_first(const Shape& shape) { return Shape(shape.begin() + 1, shape.end()); }

Shape with_extent(Shape shape, Index axis, Index extent) {
  shape.set(axis, extent);
  return shape;
}

/// x [outer, n, inner] seen around one axis.
struct Around {
  Index outer = 1, n, inner = 1;
  Around(const Shape& shape, Index axis) : n(shape[axis]) {
    for (Index i = 0; i < axis; ++i) outer *= shape[i];
    for (Index i = axis + 1; i < shape.ndim(); ++i) inner *= shape[i];
  }
};

/// Copies `count` entries of an axis from `from_at` of x to `to_at` of y, both without gaps.
void copy_axis(const Array& x, Index from_at, Array& y, Index to_at, Index axis, Index count) {
  const Around a(x.shape(), axis), b(y.shape(), axis);
  dispatch(x.dtype(), [&]<class T>(T) {
    const T* from = x.raw<T>();
    T* to = y.raw<T>();
    for (Index o = 0; o < a.outer; ++o) {
      std::memcpy(to + (o * b.n + to_at) * b.inner, from + (o * a.n + from_at) * a.inner, count * a.inner * sizeof(T));
    }
  });
}

Array dense(const Array& x) { return x.contiguous() ? x : x.copy(); }

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  require_value("reshape", x);
  Array y = x.value().reshaped(shape);
  return record("reshape", std::move(y), wrt(x, [from = x.shape()](const Array& dy) { return dy.reshaped(from); }));
}

Tensor transpose(const Tensor& x, std::initializer_list<int> order) {
  using Order = xt::svector<std::size_t, Shape::max_axes>;
  require(order.size() == x.ndim(), "transpose: {} axes are named for a tensor of shape {}", order.size(), x.shape());
  Order axes, back(order.size(), order.size());
  for (const int axis : order) {
    const Index from = x.shape().axis(axis, "transpose");
    require(back[from] == order.size(), "transpose: axis {} is named twice", axis);
    back[from] = axes.size();
    axes.push_back(from);
  }
  const auto permuted = [](const Array& a, const Order& by) {
    return dispatch(a.dtype(), [&]<class T>(T) { return Array(xt::transpose(a.as<T>(), by)); });
  };
  return record("transpose", permuted(x.value(), axes), wrt(x, [=](const Array& dy) { return permuted(dy, back); }));
}

Tensor transpose(const Tensor& x) {
  switch (x.ndim()) {
    case 0:
    case 1:
      return x;
    case 2:
      return transpose(x, {1, 0});
    case 3:
      return transpose(x, {2, 1, 0});
    case 4:
      return transpose(x, {3, 2, 1, 0});
    case 5:
      return transpose(x, {4, 3, 2, 1, 0});
    default:
      return transpose(x, {5, 4, 3, 2, 1, 0});
  }
}

Tensor slice(const Tensor& x, int axis, Index from, Index to) {
  const Index a = x.shape().axis(axis, "slice");
  require(from <= to && to <= x.shape()[a], "slice: [{}, {}) of axis {} of a tensor of shape {}", from, to, axis,
          x.shape());
  const Shape shape = with_extent(x.shape(), a, to - from);
  if (a + 1 == x.ndim()) return part("slice", x, 0, from, shape);
  if (a == 0) return part("slice", x, from * without_first(x.shape()).rows(), 0, shape);
  Array y = Array::uninitialised(shape, x.dtype());
  copy_axis(dense(x.value()), from, y, 0, a, to - from);
  return record("slice", std::move(y), wrt(x, [=, full = x.shape()](const Array& dy) {
                  Array dx = Array::zeros(full, dy.dtype());
                  copy_axis(dense(dy), 0, dx, from, a, to - from);
                  return dx;
                }));
}

Tensor at(const Tensor& x, Index i) {
  require(x.ndim() > 0 && i < x.dim(0), "at: element {} of a tensor of shape {}", i, x.shape());
  const Shape shape = without_first(x.shape());
  if (x.ndim() == 1) return part("at", x, 0, i, shape);
  return part("at", x, i * shape.rows(), 0, shape);
}

std::vector<Tensor> unstack(const Tensor& x) {
  require(x.ndim() > 1, "unstack: the tensor of shape {} needs at least two axes", x.shape());
  const Shape shape = without_first(x.shape());
  std::vector<Tensor> parts;
  parts.reserve(x.dim(0));
  for (Index i = 0; i < x.dim(0); ++i) parts.push_back(part("unstack", x, i * shape.rows(), 0, shape, true, i == 0));
  return parts;
}

std::vector<Tensor> split(const Tensor& x, std::span<const Index> sizes, int axis) {
  const Index a = x.shape().axis(axis, "split");
  require(a == 0 || a + 1 == x.ndim(), "split: axis {} of {} is neither the first nor the last", axis, x.shape());
  Index total = 0;
  for (const Index size : sizes) total += size;
  require(total == x.shape()[a], "split: parts of {} do not add up to axis {} of {}", fmt::join(sizes, ", "), axis,
          x.shape());
  const bool last = a + 1 == x.ndim();
  const Index rows_each = last ? 0 : without_first(x.shape()).rows();
  std::vector<Tensor> parts;
  Index begin = 0;
  for (const Index size : sizes) {
    const Shape shape = with_extent(x.shape(), a, size);
    parts.push_back(
        part("split", x, last ? 0 : begin * rows_each, last ? begin : 0, shape, true, begin == 0 && parts.empty()));
    begin += size;
  }
  return parts;
}

void detail::split_equal(const Tensor& x, std::span<Tensor> parts) {
  require(x.ndim() > 0 && x.dim(-1) % parts.size() == 0, "split: the last axis of {} does not divide into {} parts",
          x.shape(), parts.size());
  const Index cols = x.dim(-1) / parts.size();
  const Shape shape = with_extent(x.shape(), x.ndim() - 1, cols);
  for (Index i = 0; i < parts.size(); ++i) parts[i] = part("split", x, 0, i * cols, shape, true, i == 0);
}

namespace {

/// Passes each operand its part of dy.
struct JoinRule {
  struct Operand {
    NodeId node;
    Index extent;  // along the axis
  };
  PooledList<Operand> operands;
  Index axis;
  void operator()(Tape& tape, NodeId self) {
    const Array dy = tape.take_grad(self);
    const bool own = dy.buffer()->unique() && dy.contiguous();  // then each operand may keep its part and add to it
    Index begin = 0;
    for (const auto& [node, extent] : operands) {
      const Index from = begin;
      begin += extent;
      if (node == no_node) continue;
      const Shape& shape = tape.shape_of(node);
      if (axis + 1 == dy.ndim()) {
        tape.give(node, dy.part(0, from, shape), own);
      } else if (axis == 0) {
        tape.give(node, dy.part(from * without_first(dy.shape()).rows(), 0, shape), own);
      } else {
        Array part = Array::uninitialised(shape, dy.dtype());
        copy_axis(dense(dy), from, part, 0, axis, extent);
        tape.give(node, std::move(part));
      }
    }
  }
};

Tensor joined(const char* op, Array y, std::span<const Tensor> xs, Index axis, bool stacked) {
  Tape* tape = Tape::current();
  if (tape == nullptr) return y;
  JoinRule rule{PooledList<JoinRule::Operand>(xs.size()), axis};
  bool any = false;
  for (Index i = 0; i < xs.size(); ++i) {
    const NodeId node = tape->find(op, xs[i]);
    rule.operands[i] = {node, stacked ? 1 : xs[i].shape()[axis]};
    if (node == no_node) continue;
    tape->use(node);
    any = true;
  }
  if (!any) return y;
  const NodeId self = tape->add(op, y.shape(), y.dtype());
  tape->rule(self, std::move(rule));
  return tape->tensor(std::move(y), self);
}

}  // namespace

Tensor concat(std::span<const Tensor> xs, int axis) {
  require(!xs.empty(), "concat: there is nothing to join");
  const Tensor& first = xs[0];
  const Index a = first.shape().axis(axis, "concat");
  Index total = 0;
  for (const Tensor& x : xs) {
    same_dtype("concat", first.dtype(), x.dtype());
    require(x.ndim() == first.ndim() && with_extent(x.shape(), a, 0) == with_extent(first.shape(), a, 0),
            "concat: {} and {} differ in another axis than {}", first.shape(), x.shape(), axis);
    total += x.shape()[a];
  }
  Array y = Array::uninitialised(with_extent(first.shape(), a, total), first.dtype());
  Index begin = 0;
  for (const Tensor& x : xs) {
    copy_axis(dense(x.value()), 0, y, begin, a, x.shape()[a]);
    begin += x.shape()[a];
  }
  return joined("concat", std::move(y), xs, a, false);
}

Tensor concat(std::initializer_list<Tensor> xs, int axis) { return concat(std::span(xs.begin(), xs.size()), axis); }

Tensor stack(std::span<const Tensor> xs) {
  require(!xs.empty(), "stack: there is nothing to join");
  const Shape& each = xs[0].shape();
  Shape shape{xs.size()};
  for (const auto extent : each) shape.append(extent);
  const Array& first = xs[0].value();
  bool adjacent = fast_paths();
  for (Index i = 0; i < xs.size(); ++i) {
    const Tensor& x = xs[i];
    require_value("stack", x);
    same_dtype("stack", xs[0].dtype(), x.dtype());
    require(x.shape() == each, "stack: {} and {} are not of one shape", each, x.shape());
    adjacent = adjacent && x.value().buffer() == first.buffer() && x.value().stride() == first.stride() &&
               x.value().same_place(first.part(i * first.rows(), 0, each));
  }
  if (adjacent && each.ndim() > 0) return joined("stack", first.part(0, 0, shape), xs, 0, true);
  Array y = Array::uninitialised(shape, xs[0].dtype());
  Index row = 0;
  for (const Tensor& x : xs) {
    dispatch(x.dtype(), [&]<class T>(T) {
      for (Index r = 0, rows = x.value().rows(); r < rows; ++r, ++row) {
        std::memcpy(y.raw<T>() + row * each.cols(), x.value().raw<T>() + r * x.value().stride(),
                    each.cols() * sizeof(T));
      }
    });
  }
  return joined("stack", std::move(y), xs, 0, true);
}

Tensor flip(const Tensor& x, int axis) {
  const Index a = x.shape().axis(axis, "flip");
  const auto flipped = [a](const Array& v) {
    Array y = Array::uninitialised(v.shape(), v.dtype());
    const Array from = dense(v);
    for (Index i = 0, n = v.shape()[a]; i < n; ++i) copy_axis(from, i, y, n - 1 - i, a, 1);
    return y;
  };
  return record("flip", flipped(x.value()), wrt(x, flipped));
}

Tensor flip(const Tensor& x, const std::vector<Index>& lengths) {
  require(x.ndim() >= 2 && x.dim(1) == lengths.size(), "flip: x is {} but there are {} lengths; one for each of axis 1",
          x.shape(), lengths.size());
  for (const Index length : lengths) {
    require(length <= x.dim(0), "flip: a length of {} in a batch of {} steps", length, x.dim(0));
  }
  const auto flipped = [lengths = PooledList<Index>::of(lengths)](const Array& v) {
    Array y = Array::uninitialised(v.shape(), v.dtype());
    const Array from = dense(v);
    const Index steps = v.shape()[0], batch = v.shape()[1], inner = v.size() / std::max<Index>(1, steps * batch);
    dispatch(v.dtype(), [&]<class T>(T) {
      for (Index t = 0; t < steps; ++t) {
        for (Index b = 0; b < batch; ++b) {
          const Index source = t < lengths[b] ? lengths[b] - 1 - t : t;
          std::memcpy(y.raw<T>() + (t * batch + b) * inner, from.raw<T>() + (source * batch + b) * inner,
                      inner * sizeof(T));
        }
      }
    });
    return y;
  };
  return record("flip", flipped(x.value()), wrt(x, flipped));
}

}  // namespace unroll
