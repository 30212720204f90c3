#include <unroll/core/ops.h>
#include <unroll/core/ops/softmax.h>

namespace unroll {
namespace {

Array softmax_rows(const Array& x) {
  require(x.ndim() > 0 && x.cols() > 0, "softmax: the tensor of shape {} has no last axis to normalise", x.shape());
  const Array y = Array::uninitialised(x.shape(), x.dtype());
  dispatch(x.dtype(), [&]<class T>(T) {
    const Index cols = x.cols();
    for (Index r = 0, n = x.rows(); r < n; ++r) {
      const T* from = x.raw<T>() + r * x.stride();
      T* to = y.raw<T>() + r * cols;
      const T scale = 1 / detail::exp_row(from, detail::softmax_shift(from, cols), to, cols);
      for (Index c = 0; c < cols; ++c) to[c] *= scale;
    }
  });
  return y;
}

Shape kept_last(Shape shape) {
  shape.set(shape.ndim() - 1, 1);
  return shape;
}

}  // namespace

/// y = exp x / Σ exp x,   dx = y ∘ (dy − Σ dy ∘ y).
Tensor softmax(const Tensor& x) {
  const Array y = softmax_rows(x.value());
  return record("softmax", y, wrt(x, [y](const Array& dy) {
                  const Array dot = sum_to(map(
                                               "softmax", [](auto g, auto v) { return g * v; }, dy, y),
                                           kept_last(y.shape()));
                  return map(
                      "softmax", [](auto g, auto v, auto s) { return v * (g - s); }, dy, y, dot);
                }));
}

/// y = x − ln Σ exp x,   dx = dy − exp y ∘ Σ dy. The largest element is taken off first: of two large numbers only
/// their difference is exact.
Tensor log_softmax(const Tensor& x) {
  require(x.ndim() > 0 && x.dim(-1) > 0, "log_softmax: the tensor of shape {} has no last axis to normalise", x.shape());
  const Array y = Array::uninitialised(x.shape(), x.dtype());
  dispatch(x.dtype(), [&]<class T>(T) {
    const Index cols = y.cols();
    for (Index r = 0, n = y.rows(); r < n; ++r) {
      const T* from = x.value().raw<T>() + r * x.value().stride();
      T* to = y.raw<T>() + r * cols;
      const T shift = detail::softmax_shift(from, cols), total = std::log(detail::exp_row(from, shift, to, cols));
      for (Index c = 0; c < cols; ++c) to[c] = from[c] - shift - total;
    }
  });
  return record("log_softmax", y, wrt(x, [y](const Array& dy) {
                  const Array sums = sum_to(dy, kept_last(y.shape()));
                  return map(
                      "log_softmax", [](auto g, auto v, auto s) { return g - exp(v) * s; }, dy, y, sums);
                }));
}

}  // namespace unroll
