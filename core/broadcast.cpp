#include <cstring>
#include <limits>

#include <unroll/core/broadcast.h>

namespace unroll {

bool becomes(const Shape& shape, const Shape& other) {
  if (shape.ndim() > other.ndim()) return false;
  const Index offset = other.ndim() - shape.ndim();
  for (Index i = 0; i < shape.ndim(); ++i) {
    if (shape[i] != 1 && shape[i] != other[i + offset]) return false;
  }
  return true;
}

AxisSteps steps_along(const Array& x, const Shape& shape) {
  AxisSteps steps{};
  const Index offset = shape.ndim() - x.ndim();
  Index step = x.stride();
  for (Index i = x.ndim(); i-- > 0;) {
    const bool last = i + 1 == x.ndim();
    steps[i + offset] = x.shape()[i] == 1 ? 0 : last ? 1 : step;
    if (!last) step *= x.shape()[i];
  }
  return steps;
}

Array broadcast_to(const Array& x, const Shape& shape) {
  require(becomes(x.shape(), shape), "broadcast: {} does not become {}", x.shape(), shape);
  if (x.shape() == shape) return x;
  Array y = Array::uninitialised(shape, x.dtype());
  const auto steps = steps_along(x, shape);
  const Index cols = shape.cols();
  const bool once = shape.ndim() == 0 || steps[shape.ndim() - 1] == 0;
  dispatch(x.dtype(), [&]<class T>(T) {
    each_row(shape, steps, [&](Index row, Index offset) {
      const T* from = x.raw<T>() + offset;
      T* to = y.raw<T>() + row * cols;
      if (once) {
        std::fill_n(to, cols, *from);
      } else {
        std::memcpy(to, from, cols * sizeof(T));
      }
    });
  });
  return y;
}

namespace {

/// x folded by f, from `start`, over the axes along which `shape` was broadcast to x's shape.
template <class F>
Array fold_to(const Array& x, const Shape& shape, double start, F f) {
  Array y = Array::full(shape, x.dtype(), start);
  const auto steps = steps_along(y, x.shape());
  const Index cols = x.cols();
  const bool once = x.ndim() == 0 || steps[x.ndim() - 1] == 0;
  dispatch(x.dtype(), [&]<class T>(T) {
    each_row(x.shape(), steps, [&](Index row, Index offset) {
      const T* from = x.raw<T>() + row * x.stride();
      T* to = y.raw<T>() + offset;
      if (once) {
        constexpr Index lanes = 16;  // folded side by side, then in order
        T folded[lanes];
        std::fill_n(folded, lanes, static_cast<T>(start));
        Index c = 0;
        for (; c + lanes <= cols; c += lanes) {
          for (Index l = 0; l < lanes; ++l) folded[l] = f(folded[l], from[c + l]);
        }
        for (Index l = 0; c < cols; ++c, ++l) folded[l] = f(folded[l], from[c]);
        for (const T lane : folded) *to = f(*to, lane);
      } else {
        for (Index c = 0; c < cols; ++c) to[c] = f(to[c], from[c]);
      }
    });
  });
  return y;
}

}  // namespace

Array sum_to(const Array& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  require(becomes(shape, x.shape()), "a rule returned a gradient of shape {} for an input of shape {}", x.shape(),
          shape);
  if (x.size() == shape.size()) return x.reshaped(shape);
  return fold_to(x, shape, 0, [](auto a, auto b) { return a + b; });
}

Array max_to(const Array& x, const Shape& shape) {
  return fold_to(x, shape, -std::numeric_limits<double>::infinity(),
                 [](auto a, auto b) { return b > a || b != b ? b : a; });
}

Array min_to(const Array& x, const Shape& shape) {
  return fold_to(x, shape, std::numeric_limits<double>::infinity(),
                 [](auto a, auto b) { return b < a || b != b ? b : a; });
}

Array product_to(const Array& x, const Shape& shape) {
  return fold_to(x, shape, 1, [](auto a, auto b) { return a * b; });
}

namespace fused {

Shape align(const char* op, std::span<const Array*> inputs, std::span<Steps> steps, std::span<Array> copies) {
  Shape shape = inputs[0]->shape();
  for (const Array* x : inputs) {
    require<UsageError>(x->defined(), "{}: an input has no value", op);
    same_dtype(op, inputs[0]->dtype(), x->dtype());
    if (!(x->shape() == shape)) shape = broadcast(op, shape, x->shape());
  }
  const Index cols = shape.cols();
  for (Index i = 0; i < inputs.size(); ++i) {
    const Array& x = *inputs[i];
    if (x.cols() == cols && x.rows() == shape.rows()) {  // the shape itself, or it without leading ones
      steps[i] = steps_of_whole(x);
    } else if (x.size() == 1) {
      steps[i] = {0, 0};
    } else if (x.cols() == cols && x.rows() == 1) {
      steps[i] = {0, 1};
    } else if (x.cols() == 1 && x.rows() == shape.rows()) {
      steps[i] = {x.stride(), 0};
    } else {
      copies[i] = broadcast_to(x, shape);
      inputs[i] = &copies[i];
      steps[i] = steps_of_whole(copies[i]);
    }
  }
  return shape;
}

void Loop::cut() {
  if (rows == 0 || cols == 0) {
    tiles = 0;
  } else if (rows > 1) {
    rows_per_tile = std::max<Index>(1, tile_elements / cols);
    tiles = (rows + rows_per_tile - 1) / rows_per_tile;
  } else {
    cols_per_tile = tile_elements;
    tiles = (cols + cols_per_tile - 1) / cols_per_tile;
  }
}

}  // namespace fused
}  // namespace unroll
