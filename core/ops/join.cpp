#include <unroll/core/ops.h>
#include <unroll/core/ops/axis.h>

namespace unroll {

using detail::Around, detail::copy_axis, detail::dense, detail::with_extent, detail::without_first;

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

namespace {

/// x [outer, n] with each of its `outer` parts `times` times in a row.
Tensor repeated(const Tensor& x, Index outer, Index times, const Shape& shape) {
  const Index n = x.size() / std::max<Index>(1, outer);
  return reshape(expand(reshape(x, {outer, 1, n}), {outer, times, n}), shape);
}

}  // namespace

Tensor tile(const Tensor& x, std::span<const Index> times) {
  require_value("tile", x);
  require(times.size() == x.ndim(), "tile: {} numbers of times for a tensor of shape {}; one for each axis",
          times.size(), x.shape());
  Tensor y = x;
  for (Index axis = 0; axis < times.size(); ++axis) {
    if (times[axis] == 1) continue;
    const Around a(y.shape(), axis);
    y = repeated(y, a.outer, times[axis], with_extent(y.shape(), axis, a.n * times[axis]));
  }
  return y;
}
Tensor tile(const Tensor& x, std::initializer_list<Index> times) {
  return tile(x, std::span(times.begin(), times.size()));
}

Tensor repeat_interleave(const Tensor& x, Index times, int axis) {
  const Index a = x.shape().axis(axis, "repeat_interleave");
  const Around around(x.shape(), a);
  return repeated(x, around.outer * around.n, times, with_extent(x.shape(), a, around.n * times));
}

Tensor pad(const Tensor& x, std::span<const Padding> sizes, double value) {
  require_value("pad", x);
  require(sizes.size() == x.ndim(), "pad: {} pairs of sizes for a tensor of shape {}; one for each axis", sizes.size(),
          x.shape());
  Shape shape;
  constexpr Index most = 0xffffffff;  // beyond it the sum might come round again
  for (Index i = 0; i < x.ndim(); ++i) {
    const auto [before, after] = sizes[i];
    require(before <= most && after <= most,
            "pad: {} before and {} behind axis {} of a tensor of shape {} are too many", before, after, i, x.shape());
    shape.append(before + x.shape()[i] + after);
  }
  const Array y = Array::full(shape, x.dtype(), value);
  AxisSteps steps{};
  Index first = 0, step = 1;
  for (Index i = x.ndim(); i-- > 0; step *= shape[i]) {
    steps[i] = step;
    first += sizes[i].before * step;
  }
  // Calls f(element of x, elements of y, how many) for each row of x.
  const auto rows = [=, inner = x.shape()](const Array& of_x, const Array& of_y, auto f) {
    dispatch(of_x.dtype(), [&]<class T>(T) {
      each_row(inner, steps, [&](Index row, Index offset) {
        f(of_x.raw<T>() + row * of_x.stride(), of_y.raw<T>() + first + offset, inner.cols());
      });
    });
  };
  rows(x.value(), y, [](const auto* from, auto* to, Index n) { std::copy_n(from, n, to); });
  return record("pad", y, wrt(x, [=, inner = x.shape()](const Array& dy) {
                  const Array dx = Array::uninitialised(inner, dy.dtype());
                  rows(dx, dense(dy), [](auto* to, const auto* from, Index n) { std::copy_n(from, n, to); });
                  return dx;
                }));
}
Tensor pad(const Tensor& x, std::initializer_list<Padding> sizes, double value) {
  return pad(x, std::span(sizes.begin(), sizes.size()), value);
}

}  // namespace unroll
