#include <cmath>
#include <limits>

#include <unroll/core/ops.h>

namespace unroll {
namespace {

/// The shape of a reduction with the reduced axes kept as 1, and without them.
struct Reduced {
  Shape kept, dropped;
};
Reduced reduced(const char* op, const Shape& shape, std::initializer_list<int> axes) {
  Reduced r{shape, {}};
  for (const int axis : axes) {
    const Index a = shape.axis(axis, op);
    require(shape[a] == 1 || r.kept[a] != 1, "{}: axis {} is named twice", op, axis);
    r.kept.set(a, 1);
  }
  for (Index i = 0; i < shape.ndim(); ++i) {
    bool named = false;
    for (const int axis : axes) named = named || shape.axis(axis, op) == i;
    if (!named) r.dropped.append(shape[i]);
  }
  return r;
}

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

Shape ones(const Shape& shape) {
  Shape s = shape;
  for (Index i = 0; i < s.ndim(); ++i) s.set(i, 1);
  return s;
}

double count(const Shape& all, const Shape& kept) {
  const double n = static_cast<double>(all.size()) / static_cast<double>(std::max<Index>(1, kept.size()));
  require(n > 0, "mean: the mean over no element of a tensor of shape {}", all);
  return n;
}

/// The largest element over the reduced axes; errors for none.
Array largest(const char* op, const Array& x, const Shape& kept) {
  require_value(op, x);
  require(x.size() > 0, "{}: the maximum over no element of a tensor of shape {}", op, x.shape());
  return x.shape() == kept ? x : max_to(x, kept);
}

Tensor max_over(const Tensor& x, const Shape& kept, const Shape& result) {
  const Array m = largest("max", x.value(), kept);
  return record("max", m.reshaped(result), wrt(x, [=, x = x.value()](const Array& dy) {
                  const Array hit = map(
                      "max", [](auto v, auto top) { return where(v == top, decltype(v)(1), decltype(v)(0)); }, x, m);
                  const Array ties = sum_to(hit, kept);
                  return map(
                      "max", [](auto h, auto n, auto g) { return h * g / n; }, hit, ties, dy.reshaped(kept));
                }));
}

Tensor logsumexp_over(const Tensor& x, const Shape& kept, const Shape& result) {
  // An infinite maximum would make inf - inf; the shift may be any finite number.
  const Array shift = map(
      "logsumexp", [](auto m) { return where(abs(m) == std::numeric_limits<double>::infinity(), decltype(m)(0), m); },
      largest("logsumexp", x.value(), kept));
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

}  // namespace

Tensor sum(const Tensor& x) { return scaled_sum("sum", x, ones(x.shape()), {}, 1); }
Tensor sum(const Tensor& x, std::initializer_list<int> axes, bool keep) {
  const Reduced r = reduced("sum", x.shape(), axes);
  return scaled_sum("sum", x, r.kept, keep ? r.kept : r.dropped, 1);
}
Tensor mean(const Tensor& x) {
  return scaled_sum("mean", x, ones(x.shape()), {}, 1 / count(x.shape(), ones(x.shape())));
}
Tensor mean(const Tensor& x, std::initializer_list<int> axes, bool keep) {
  const Reduced r = reduced("mean", x.shape(), axes);
  return scaled_sum("mean", x, r.kept, keep ? r.kept : r.dropped, 1 / count(x.shape(), r.kept));
}
Tensor max(const Tensor& x) { return max_over(x, ones(x.shape()), {}); }
Tensor max(const Tensor& x, std::initializer_list<int> axes, bool keep) {
  const Reduced r = reduced("max", x.shape(), axes);
  return max_over(x, r.kept, keep ? r.kept : r.dropped);
}
Tensor logsumexp(const Tensor& x) { return logsumexp_over(x, ones(x.shape()), {}); }
Tensor logsumexp(const Tensor& x, std::initializer_list<int> axes, bool keep) {
  const Reduced r = reduced("logsumexp", x.shape(), axes);
  return logsumexp_over(x, r.kept, keep ? r.kept : r.dropped);
}

}  // namespace unroll
