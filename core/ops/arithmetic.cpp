#include <unroll/core/ops.h>

namespace unroll {
namespace {

Tensor constant(double value, const Tensor& partner) { return Tensor::scalar(value, partner.dtype()); }

/// Where the result of an elementwise op may be written: over an operand of the result's shape that nobody else holds.
Array result_place(Tensor& a, Tensor& b, const Shape& shape) {
  for (Tensor* x : {&b, &a}) {
    if (x->shape() == shape && x->value().reusable() && fast_paths()) {
      Array place = x->value();
      if (place.buffer()->packs != nullptr) drop_packs(place.buffer());
      return place;
    }
  }
  return Array::uninitialised(shape, a.dtype());
}

template <class F>
Array sum_of(const char* op, const F& f, Tensor& a, Tensor& b) {
  const fused::Operands<2> x(op, {&a.value(), &b.value()});
  const Array y = result_place(a, b, x.shape);
  dispatch(y.dtype(), [&]<class T>(T) { detail::apply<T, 2, 1>(f, x, {&y}, false); });
  return y;
}

/// One gradient passed to both operands: a sum's, or a difference's up to the sign.
template <bool Minus>
struct SumRule {
  NodeId a, b;
  void operator()(Tape& tape, NodeId self) {
    const Array dy = tape.grad(self);
    if (a != no_node) tape.give_broadcast(a, dy);
    if (b == no_node) return;
    if constexpr (Minus) {
      const Dest whole{Array::uninitialised(dy.shape(), dy.dtype()), false};
      map_into(
          whole, [](auto g) { return -g; }, dy);
      tape.give_broadcast(b, whole.into);
    } else {
      tape.give_broadcast(b, dy);
    }
  }
};

template <bool Minus, class F>
Tensor add_or_subtract(const char* op, const F& f, Tensor a, Tensor b) {
  Array y = sum_of(op, f, a, b);
  Tape* tape = Tape::current();
  if (tape == nullptr) return detail::observed() ? detail::told(op, std::move(y), a, b) : Tensor(std::move(y));
  const NodeId na = tape->find(op, a), nb = tape->find(op, b);
  if (na == no_node && nb == no_node)
    return detail::observed() ? detail::told(op, std::move(y), a, b) : Tensor(std::move(y));
  const NodeId self = tape->add(op, y.shape(), y.dtype());
  const auto use = [&](NodeId node, const Tensor& x) {
    if (node != no_node) tape->use(node, x.value().rows() == 1 && x.value().cols() == y.cols());
  };
  use(na, a);
  use(nb, b);
  if (na != no_node && a.shape() == y.shape()) {
    tape->forwards_to(self, na);
  } else if (!Minus && nb != no_node && b.shape() == y.shape()) {
    tape->forwards_to(self, nb);
  }
  tape->rule(self, SumRule<Minus>{na, nb});
  if (detail::observed()) [[unlikely]]
    return detail::told(op, tape->tensor(std::move(y), self), a, b);
  return tape->tensor(std::move(y), self);
}

}  // namespace

Tensor operator+(Tensor a, Tensor b) {
  return add_or_subtract<false>(
      "add", [](auto x, auto y) { return x + y; }, std::move(a), std::move(b));
}

Tensor operator-(Tensor a, Tensor b) {
  return add_or_subtract<true>(
      "subtract", [](auto x, auto y) { return x - y; }, std::move(a), std::move(b));
}

Tensor operator*(Tensor a, Tensor b) {
  const auto times = [](auto x, auto y) { return x * y; };
  return record("multiply", map("multiply", times, a.value(), b.value()),
                wrt_each(a, [=, b = b.value()](const Array& dy, const Dest& da) { map_into(da, times, dy, b); }),
                wrt_each(b, [=, a = a.value()](const Array& dy, const Dest& db) { map_into(db, times, dy, a); }));
}

Tensor operator/(Tensor a, Tensor b) {
  const auto over = [](auto x, auto y) { return x / y; };
  const Array y = map("divide", over, a.value(), b.value());
  return record("divide", y,
                wrt_each(a, [=, b = b.value()](const Array& dy, const Dest& da) { map_into(da, over, dy, b); }),
                wrt_each(b, [=, b = b.value()](const Array& dy, const Dest& db) {
                  map_into(
                      db, [](auto g, auto q, auto d) { return -g * q / d; }, dy, y, b);
                }));
}

Tensor operator-(Tensor a) { return a * -1.0; }

Tensor operator+(Tensor a, double b) {
  return record("add",
                map(
                    "add", [b](auto x) { return x + b; }, a.value()),
                wrt(a, [](const Array& dy) { return dy; }));
}
Tensor operator+(double a, Tensor b) { return std::move(b) + a; }
Tensor operator-(Tensor a, double b) { return std::move(a) + -b; }
Tensor operator-(double a, Tensor b) {
  Tensor c = constant(a, b);
  return std::move(c) - std::move(b);
}
Tensor operator*(Tensor a, double b) {
  const auto scale = [b](auto x) { return x * b; };
  return record("multiply", map("multiply", scale, a.value()),
                wrt(a, [scale](const Array& dy, const Dest& da) { map_into(da, scale, dy); }));
}
Tensor operator*(double a, Tensor b) { return std::move(b) * a; }
Tensor operator/(Tensor a, double b) {
  const auto over = [b](auto x) { return x / b; };
  return record("divide", map("divide", over, a.value()),
                wrt(a, [over](const Array& dy, const Dest& da) { map_into(da, over, dy); }));
}
Tensor operator/(double a, Tensor b) {
  Tensor c = constant(a, b);
  return std::move(c) / std::move(b);
}

Tensor max(const Tensor& a, const Tensor& b) {
  return pointwise(
      "max", [](auto x, auto y) { return max(x, y); }, a, b);
}
Tensor min(const Tensor& a, const Tensor& b) {
  return pointwise(
      "min", [](auto x, auto y) { return min(x, y); }, a, b);
}

}  // namespace unroll
