#include <unroll/core/ops/reduced.h>

namespace unroll {

using detail::ones, detail::Reduced, detail::reduced;

namespace {

/// x − mean and Σ (x − mean)² / (n − correction).
struct Spread {
  Array centred, variance;
  double divisor;
};
Spread spread(const char* op, const Tensor& x, const Shape& kept, Correction correction) {
  require_value(op, x);
  const double n = detail::count(x.shape(), kept), divisor = n - (correction == Correction::bessel ? 1 : 0);
  require(divisor > 0, "{}: over {} elements{} of a tensor of shape {} there is no variance", op, n,
          correction == Correction::bessel ? ", less one," : "", x.shape());
  const Array sums = sum_to(x.value(), kept);
  const Array centred = map(
      op, [n](auto v, auto total) { return v - total / n; }, x.value(), sums);
  const Array squares = map(
      op, [](auto d) { return d * d; }, centred);
  const Array variance = map(
      op, [divisor](auto total) { return total / divisor; }, sum_to(squares, kept));
  return {centred, variance, divisor};
}

/// dx = 2 dy (x − mean) / divisor: the mean moves too, but Σ (x − mean) = 0.
Tensor var_over(const Tensor& x, const Shape& kept, const Shape& result, Correction correction) {
  const Spread s = spread("var", x, kept, correction);
  return record("var", s.variance.reshaped(result),
                wrt(x, [kept, centred = s.centred, factor = 2 / s.divisor](const Array& dy) {
                  return map(
                      "var", [factor](auto d, auto g) { return d * (g * factor); }, centred, dy.reshaped(kept));
                }));
}

/// dx = dy d / (y · divisor) for y = √(Σ d² / divisor), with 0 where y = 0.
Tensor root_of_squares(const char* op, const Tensor& x, const Array& d, const Array& y, const Shape& kept,
                       const Shape& result, double divisor) {
  return record(op, y.reshaped(result), wrt(x, [=](const Array& dy) {
                  const Array share = map(
                      op, [divisor](auto g, auto v) { return where(v == 0, decltype(v)(0), g / (v * divisor)); },
                      dy.reshaped(kept), y);
                  return map(
                      op, [](auto e, auto s) { return e * s; }, d, share);
                }));
}

Array root(const char* op, const Array& x) {
  return map(
      op, [](auto v) { return sqrt(v); }, x);
}

Tensor stddev_over(const Tensor& x, const Shape& kept, const Shape& result, Correction correction) {
  const Spread s = spread("stddev", x, kept, correction);
  return root_of_squares("stddev", x, s.centred, root("stddev", s.variance), kept, result, s.divisor);
}

Tensor norm_over(const Tensor& x, const Shape& kept, const Shape& result) {
  require_value("norm", x);
  const Array squares = map(
      "norm", [](auto v) { return v * v; }, x.value());
  return root_of_squares("norm", x, x.value(), root("norm", sum_to(squares, kept)), kept, result, 1);
}

}  // namespace

Tensor var(const Tensor& x, Correction correction) { return var_over(x, ones(x.shape()), {}, correction); }
Tensor var(const Tensor& x, const Axes& axes, Correction correction, bool keep) {
  const Reduced r = reduced("var", x.shape(), axes);
  return var_over(x, r.kept, keep ? r.kept : r.dropped, correction);
}
Tensor stddev(const Tensor& x, Correction correction) { return stddev_over(x, ones(x.shape()), {}, correction); }
Tensor stddev(const Tensor& x, const Axes& axes, Correction correction, bool keep) {
  const Reduced r = reduced("stddev", x.shape(), axes);
  return stddev_over(x, r.kept, keep ? r.kept : r.dropped, correction);
}
Tensor norm(const Tensor& x) { return norm_over(x, ones(x.shape()), {}); }
Tensor norm(const Tensor& x, const Axes& axes, bool keep) {
  const Reduced r = reduced("norm", x.shape(), axes);
  return norm_over(x, r.kept, keep ? r.kept : r.dropped);
}

}  // namespace unroll
