#include <cmath>

#include <unroll/core/ops/element_loss.h>

namespace unroll {
namespace {

/// A function of d = x − y: f returns its value and its derivative.
template <class F>
Tensor of_difference(const char* op, const F& f, const Tensor& x, const Tensor& y, Reduce reduce,
                     const std::vector<Index>& lengths) {
  require_value(op, x);
  require_value(op, y);
  require(x.shape() == y.shape(), "{}: x is {} and y {}; they must have one shape", op, x.shape(), y.shape());
  const auto both = [&f](auto u, auto v) {
    const auto [value, slope] = f(u - v);
    return std::array{value, slope, -slope};
  };
  return detail::element_loss<2>(op, both, std::array{x, y}, reduce,
                                 detail::Layout::of_elements(op, x.shape(), lengths));
}

constexpr auto distance = [](auto d) { return std::array{abs(d), sign(d)}; };

/// Huber's loss times `factor`.
auto huber(double delta, double factor) {
  return [=](auto d) {
    const auto slope = clamp(d, -delta, delta);
    return std::array{factor * (slope * (d - 0.5 * slope)), factor * slope};
  };
}

}  // namespace

Tensor mse_loss(const Tensor& x, const Tensor& y, Reduce reduce, const std::vector<Index>& lengths) {
  return of_difference(
      "mse_loss",
      [](auto d) {
        return std::array{d * d, 2 * d};
      },
      x, y, reduce, lengths);
}

Tensor l1_loss(const Tensor& x, const Tensor& y, Reduce reduce, const std::vector<Index>& lengths) {
  return of_difference("l1_loss", distance, x, y, reduce, lengths);
}

Tensor huber_loss(const Tensor& x, const Tensor& y, Reduce reduce, const HuberOptions& options) {
  require<UsageError>(options.delta > 0 && std::isfinite(options.delta),
                      "huber_loss: a delta of {}; it is positive and finite", options.delta);
  return of_difference("huber_loss", huber(options.delta, 1), x, y, reduce, options.lengths);
}

Tensor smooth_l1_loss(const Tensor& x, const Tensor& y, Reduce reduce, const SmoothL1Options& options) {
  constexpr const char* op = "smooth_l1_loss";
  const double beta = options.beta;
  require<UsageError>(beta >= 0 && std::isfinite(beta), "{}: a beta of {}; it is finite and not negative", op, beta);
  if (beta == 0) return of_difference(op, distance, x, y, reduce, options.lengths);
  return of_difference(op, huber(beta, 1 / beta), x, y, reduce, options.lengths);
}

Tensor quantile_loss(const Tensor& x, const Tensor& y, double tau, Reduce reduce, const std::vector<Index>& lengths) {
  require<UsageError>(tau > 0 && tau < 1, "quantile_loss: a tau of {}; it lies between 0 and 1", tau);
  const auto pinball = [tau](auto d) {  // d = x − y
    using L = decltype(d);
    const L slope = where(d > 0, L(1 - tau), where(d < 0, L(-tau), L(0)));
    return std::array{where(d == 0, d, where(d > 0, L(1 - tau), L(-tau)) * d), slope};
  };
  return of_difference("quantile_loss", pinball, x, y, reduce, lengths);
}

}  // namespace unroll
