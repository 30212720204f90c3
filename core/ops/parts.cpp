#include <unroll/core/ops.h>
#include <unroll/core/ops/axis.h>

namespace unroll {

using detail::Around, detail::copy_axis, detail::dense, detail::with_extent, detail::without_first;

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

/// The elements first, first + step, … of an axis of `whole`, as many as `parts` has of it: to there or from there.
struct Stepped {
  Index axis, first;
  int step;

  template <class F>
  void each(const Array& whole, const Array& parts, F f) const {
    const Around w(whole.shape(), axis), p(parts.shape(), axis);
    dispatch(whole.dtype(), [&]<class T>(T) {
      for (Index o = 0; o < p.outer; ++o) {
        for (Index i = 0; i < p.n; ++i) {
          const auto at =
              static_cast<Index>(static_cast<std::ptrdiff_t>(first) + static_cast<std::ptrdiff_t>(i) * step);
          f(whole.raw<T>() + (o * w.n + at) * w.inner, parts.raw<T>() + (o * p.n + i) * p.inner, p.inner);
        }
      }
    });
  }
};

}  // namespace

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

Tensor slice(const Tensor& x, int axis, Index from, Index to, int step) {
  const Index a = x.shape().axis(axis, "slice");
  require(from <= to && to <= x.shape()[a] && step != 0,
          "slice: [{}, {}) in steps of {}, of axis {} of a tensor of shape {}", from, to, step, axis, x.shape());
  if (step == 1) return slice(x, axis, from, to);
  const auto width = static_cast<Index>(std::abs(static_cast<std::ptrdiff_t>(step)));
  const Stepped steps{a, step > 0 || from == to ? from : to - 1, step};
  const Array y = Array::uninitialised(with_extent(x.shape(), a, (to - from + width - 1) / width), x.dtype());
  steps.each(dense(x.value()), y, [](const auto* all, auto* part, Index n) { std::copy_n(all, n, part); });
  return record("slice", y, wrt(x, [=, full = x.shape()](const Array& dy) {
                  const Array dx = Array::zeros(full, dy.dtype());
                  steps.each(dx, dense(dy), [](auto* all, const auto* part, Index n) { std::copy_n(part, n, all); });
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

}  // namespace unroll
