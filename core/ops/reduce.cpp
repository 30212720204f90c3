#include <cmath>
#include <limits>

#include <unroll/core/ops/reduced.h>

namespace unroll {

using detail::ones, detail::Reduced, detail::reduced;

namespace {

Tensor scaled_sum(const char* op, const Tensor& x, const Shape& kept, const Shape& result, double factor) {
  require_value(op, x);
  Array y = sum_to(x.value(), kept);
  if (factor != 1)
    y = map(
        op, [factor](auto v) { return v * factor; }, y);
  return record(op, y.reshaped(result), wrt(x, [=, shape = x.shape()](const Array& dy) {
                  if (dy.size() == 1) return Array::repeated(shape, dy.dtype(), factor * dy.item());
                  const Array g = map(
                                      op, [factor](auto v) { return v * factor; }, dy)
                                      .reshaped(kept);
                  return broadcast_to(g, shape);
                }));
}

Tensor mean_over(const Tensor& x, const Shape& kept, const Shape& result) {
  const double n = detail::count(x.shape(), kept);
  require(n > 0, "mean: the mean over no element of a tensor of shape {}", x.shape());
  return scaled_sum("mean", x, kept, result, 1 / n);
}

/// Errors: no value, or no element for each of `kept`.
void require_elements(const char* op, const char* what, const Tensor& x, const Shape& kept) {
  require_value(op, x);
  require(detail::count(x.shape(), kept) > 0, "{}: the {} over no element of a tensor of shape {}", op, what,
          x.shape());
}

/// The largest or smallest elements, which `fold` finds.
Tensor extreme(const char* op, Array (*fold)(const Array&, const Shape&), const Tensor& x, const Shape& kept,
               const Shape& result) {
  const Array m = x.shape() == kept ? x.value() : fold(x.value(), kept);
  return record(op, m.reshaped(result), wrt(x, [=, x = x.value()](const Array& dy) {
                  const Array hit = map(
                      op, [](auto v, auto top) { return where(v == top, decltype(v)(1), decltype(v)(0)); }, x, m);
                  const Array ties = sum_to(hit, kept);
                  return map(
                      op, [](auto h, auto n, auto g) { return h * g / n; }, hit, ties, dy.reshaped(kept));
                }));
}

Tensor max_over(const Tensor& x, const Shape& kept, const Shape& result) {
  require_elements("max", "maximum", x, kept);
  return extreme("max", max_to, x, kept, result);
}
Tensor min_over(const Tensor& x, const Shape& kept, const Shape& result) {
  require_elements("min", "minimum", x, kept);
  return extreme("min", min_to, x, kept, result);
}

/// dx[i] = dy Π x[j] over j ≠ i: what comes before i times what comes after it. (y / x[i] would be wrong at 0 and ∞.)
Array others_product(const Array& x, const Array& dy, const Shape& kept) {
  const Array dx = Array::uninitialised(x.shape(), x.dtype());
  Array before = dy.reshaped(kept).copy(), after = Array::full(kept, x.dtype(), 1);
  const PooledList<Index> places(x.rows());  // where the row's products lie among the kept ones
  const AxisSteps steps = steps_along(before, x.shape());
  each_row(x.shape(), steps, [&](Index row, Index offset) { places[row] = offset; });
  const Index rows = x.rows(), cols = x.cols(), step = x.ndim() == 0 ? 0 : steps[x.ndim() - 1];
  dispatch(x.dtype(), [&]<class T>(T) {
    for (Index r = 0; r < rows; ++r) {
      const T* from = x.raw<T>() + r * x.stride();
      T *to = dx.raw<T>() + r * cols, *product = before.raw<T>() + places[r];
      for (Index c = 0; c < cols; ++c) {
        to[c] = product[c * step];
        product[c * step] *= from[c];
      }
    }
    for (Index r = rows; r-- > 0;) {
      const T* from = x.raw<T>() + r * x.stride();
      T *to = dx.raw<T>() + r * cols, *product = after.raw<T>() + places[r];
      for (Index c = cols; c-- > 0;) {
        to[c] *= product[c * step];
        product[c * step] *= from[c];
      }
    }
  });
  return dx;
}

Tensor prod_over(const Tensor& x, const Shape& kept, const Shape& result) {
  require_value("prod", x);
  const Array y = x.shape() == kept ? x.value() : product_to(x.value(), kept);
  return record("prod", y.reshaped(result),
                wrt(x, [=, x = x.value()](const Array& dy) { return others_product(x, dy, kept); }));
}

Tensor logsumexp_over(const Tensor& x, const Shape& kept, const Shape& result) {
  require_elements("logsumexp", "maximum", x, kept);
  // An infinite maximum would make inf - inf; the shift may be any finite number.
  const Array shift = map(
      "logsumexp", [](auto m) { return where(abs(m) == std::numeric_limits<double>::infinity(), decltype(m)(0), m); },
      max_to(x.value(), kept));
  const Array sums = sum_to(map(
                                "logsumexp", [](auto v, auto s) { return exp(v - s); }, x.value(), shift),
                            kept);
  const Array y = map(
      "logsumexp", [](auto total, auto s) { return log(total) + s; }, sums, shift);
  // From the shifted sum, not from y: of two large numbers only their difference is exact. Where all is -inf it is 0.
  return record("logsumexp", y.reshaped(result), wrt(x, [=, x = x.value()](const Array& dy) {
                  const Array share = map(
                      "logsumexp", [](auto g, auto total) { return g / where(total == 0, decltype(total)(1), total); },
                      dy.reshaped(kept), sums);
                  return map(
                      "logsumexp", [](auto v, auto s, auto g) { return g * exp(v - s); }, x, shift, share);
                }));
}

/// An op's two forms: over all axes, and over some.
template <class F>
Tensor over_all(const F& f, const Tensor& x) {
  return f(x, ones(x.shape()), Shape{});
}
template <class F>
Tensor over(const char* op, const F& f, const Tensor& x, const Axes& axes, bool keep) {
  const Reduced r = reduced(op, x.shape(), axes);
  return f(x, r.kept, keep ? r.kept : r.dropped);
}

Tensor sum_over(const Tensor& x, const Shape& kept, const Shape& result) {
  return scaled_sum("sum", x, kept, result, 1);
}

}  // namespace

Reduced detail::reduced(const char* op, const Shape& shape, const Axes& axes) {
  std::array<bool, max_axes> named{};
  Reduced r{shape, {}};
  for (const int axis : axes) {
    const Index a = shape.axis(axis, op);
    require(!named[a], "{}: axis {} is named twice", op, axis);
    named[a] = true;
    r.kept.set(a, 1);
  }
  for (Index i = 0; i < shape.ndim(); ++i) {
    if (!named[i]) r.dropped.append(shape[i]);
  }
  return r;
}

Tensor sum(const Tensor& x) { return over_all(sum_over, x); }
Tensor sum(const Tensor& x, const Axes& axes, bool keep) { return over("sum", sum_over, x, axes, keep); }
Tensor mean(const Tensor& x) { return over_all(mean_over, x); }
Tensor mean(const Tensor& x, const Axes& axes, bool keep) { return over("mean", mean_over, x, axes, keep); }
Tensor prod(const Tensor& x) { return over_all(prod_over, x); }
Tensor prod(const Tensor& x, const Axes& axes, bool keep) { return over("prod", prod_over, x, axes, keep); }
Tensor max(const Tensor& x) { return over_all(max_over, x); }
Tensor max(const Tensor& x, const Axes& axes, bool keep) { return over("max", max_over, x, axes, keep); }
Tensor min(const Tensor& x) { return over_all(min_over, x); }
Tensor min(const Tensor& x, const Axes& axes, bool keep) { return over("min", min_over, x, axes, keep); }
Tensor logsumexp(const Tensor& x) { return over_all(logsumexp_over, x); }
Tensor logsumexp(const Tensor& x, const Axes& axes, bool keep) {
  return over("logsumexp", logsumexp_over, x, axes, keep);
}

}  // namespace unroll
