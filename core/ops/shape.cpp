#include <unroll/core/ops.h>
#include <unroll/core/ops/axis.h>

namespace unroll {

using detail::copy_axis, detail::dense;

Tensor reshape(const Tensor& x, const Shape& shape) {
  require_value("reshape", x);
  Array y = x.value().reshaped(shape);
  return record("reshape", std::move(y), wrt(x, [from = x.shape()](const Array& dy) { return dy.reshaped(from); }));
}

Tensor transpose(const Tensor& x, const Axes& order) {
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
  std::vector<int> order(x.ndim());
  for (Index i = 0; i < order.size(); ++i) order[i] = static_cast<int>(order.size() - 1 - i);
  return order.size() < 2 ? x : transpose(x, order);
}

Tensor squeeze(const Tensor& x) {
  Shape shape;
  for (const Index extent : x.shape()) {
    if (extent != 1) shape.append(extent);
  }
  return reshape(x, shape);
}

Tensor squeeze(const Tensor& x, const Axes& axes) {
  std::array<bool, max_axes> dropped{};
  for (const int axis : axes) {
    const Index a = x.shape().axis(axis, "squeeze");
    require(x.shape()[a] == 1, "squeeze: axis {} of a tensor of shape {} has another extent than 1", axis, x.shape());
    require(!dropped[a], "squeeze: axis {} is named twice", axis);
    dropped[a] = true;
  }
  Shape shape;
  for (Index i = 0; i < x.ndim(); ++i) {
    if (!dropped[i]) shape.append(x.shape()[i]);
  }
  return reshape(x, shape);
}

Tensor unsqueeze(const Tensor& x, int axis) {
  const int n = static_cast<int>(x.ndim()) + 1;
  require(axis >= -n && axis < n, "unsqueeze: axis {} of the result of {} axes, from a tensor of shape {}", axis, n,
          x.shape());
  const auto place = static_cast<Index>(axis < 0 ? axis + n : axis);
  Shape shape(x.shape().begin(), x.shape().begin() + place);
  shape.append(1);
  for (Index i = place; i < x.ndim(); ++i) shape.append(x.shape()[i]);
  return reshape(x, shape);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  require_value("expand", x);
  require(becomes(x.shape(), shape), "expand: {} does not become {}; each axis, from the last, must agree or be 1",
          x.shape(), shape);
  return record("expand", broadcast_to(x.value(), shape), wrt(x, [](const Array& dy) { return dy; }));
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
