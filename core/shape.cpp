#include <unroll/core/shape.h>

namespace unroll {

Index Shape::axis(int axis, const char* op) const {
  const int n = static_cast<int>(ndim_);
  require(axis >= -n && axis < n, "{}: axis {} of a tensor of shape {}", op, axis, *this);
  return static_cast<Index>(axis < 0 ? axis + n : axis);
}

std::string Shape::str() const { return fmt::format("[{}]", fmt::join(begin(), end(), ", ")); }

Shape broadcast(const char* op, const Shape& a, const Shape& b) {
  const Shape& longer = a.ndim() >= b.ndim() ? a : b;
  const Shape& shorter = a.ndim() >= b.ndim() ? b : a;
  Shape out = longer;
  const Index offset = longer.ndim() - shorter.ndim();
  for (Index i = 0; i < shorter.ndim(); ++i) {
    const Index x = longer[i + offset], y = shorter[i];
    require(x == y || x == 1 || y == 1,
            "{}: shapes {} and {} do not broadcast; each axis, from the last, must agree or be 1", op, a, b);
    out.set(i + offset, x == 1 ? y : x);
  }
  return out;
}

}  // namespace unroll
