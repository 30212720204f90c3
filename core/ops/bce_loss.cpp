#include <unroll/core/ops/element_loss.h>

namespace unroll {
namespace {

constexpr const char* op = "bce_with_logits";

/// ln(1 + exp −|z|), σ(z) and 1 − σ(z), all to full relative accuracy.
template <class L>
struct Halves {
  L log, yes, no;
  explicit Halves(L z) {
    const L e = exp(-abs(z)), inverse = 1 / (1 + e);
    log = log1p(e);
    yes = where(z < 0, e, L(1)) * inverse;
    no = where(z < 0, L(1), e) * inverse;
  }
};

/// u |z|, and 0 where u is, even if z is infinite: what is certain and right costs nothing.
template <class L>
L missed(L u, L z) {
  return where(u == 0, L(0), u * abs(z));
}

/// Every axis, from the last, agrees or is 1.
bool broadcasts(const Shape& from, const Shape& to) {
  for (Index k = 1; k <= from.ndim(); ++k) {
    if (k > to.ndim() || (from[from.ndim() - k] != 1 && from[from.ndim() - k] != to[to.ndim() - k])) return false;
  }
  return true;
}

Array row_of(const std::vector<double>& numbers, Dtype dtype) {
  return Array::of({numbers.size()}, numbers.data()).to(dtype);
}

}  // namespace

/// Plain: u |z| + ln(1 + exp −|z|) with u = y for z < 0 and 1 − y else,   dz = σ(z) − y.
/// With weights w and positive weights p: w (u |z| + v ln(1 + exp −|z|)) with v = 1 + (p − 1) y, and u = p y for z < 0,
/// dz = w (1 − y − v (1 − σ(z))).
Tensor bce_with_logits(const Tensor& logits, const Array& targets, Reduce reduce, const BceOptions& options) {
  require_value(op, logits);
  const Shape& shape = logits.shape();
  require(shape == targets.shape(), "bce_with_logits: logits are {} and targets {}; they must have one shape", shape,
          targets.shape());
  const detail::Layout layout = detail::Layout::of_elements(op, shape, options.lengths);
  const std::vector<double>& positive = options.positive_weight;
  if (!options.weights.defined() && positive.empty()) {
    const auto plain = [](auto z, auto y) {
      const Halves half(z);
      return std::array{missed(where(z < 0, y, 1 - y), z) + half.log, where(z < 0, half.yes - y, (1 - y) - half.no)};
    };
    return detail::element_loss<1>(op, plain, std::array<Tensor, 2>{logits, targets}, reduce, layout);
  }
  require(positive.size() <= 1 || (logits.ndim() > 0 && positive.size() == logits.dim(-1)),
          "bce_with_logits: there are {} positive weights for logits {}; one, or one for each of the last axis",
          positive.size(), shape);
  const Array one = Array::full({}, logits.dtype(), 1);
  const Array w = options.weights.defined() ? options.weights : one;
  require(broadcasts(w.shape(), shape), "bce_with_logits: logits are {} and weights {}, which do not broadcast to them",
          shape, w.shape());
  const Array p = positive.empty() ? one : row_of(positive, logits.dtype());
  const auto weighted = [](auto z, auto y, auto w, auto p) {
    const Halves half(z);
    const auto v = 1 + (p - 1) * y;
    return std::array{w * (missed(where(z < 0, p * y, 1 - y), z) + v * half.log), w * ((1 - y) - v * half.no)};
  };
  const std::array<Tensor, 4> inputs{logits, targets, broadcast_to(w, shape), broadcast_to(p, shape)};
  return detail::element_loss<1>(op, weighted, inputs, reduce, layout);
}

}  // namespace unroll
