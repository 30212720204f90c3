// The table of op gradients: how ops of one and of two tensors are tried, with what operands and shapes.
#pragma once

#include "check_grad.h"

namespace unroll::testing {

/// An op of one tensor of any shape.
struct Unary {
  const char* name;
  Tensor (*f)(const Tensor&);
  double low = -2, high = 2;
};

// ---- how an operand comes about: as it is, or as a part of something

struct Operand {
  const char* name;
  Shape (*whole)(const Shape&);                 // the shape of the input
  Tensor (*part)(const Tensor&, const Shape&);  // its part of the given shape
};

inline Shape wider(Shape s, Index axis, Index factor) {
  s.set(axis, s[axis] * factor);
  return s;
}

inline const Operand operands[] = {
    {"itself", [](const Shape& s) { return s; }, [](const Tensor& x, const Shape&) { return x; }},
    {"half of a split", [](const Shape& s) { return wider(s, s.ndim() - 1, 2); },
     [](const Tensor& x, const Shape&) { return split<2>(x)[1]; }},
    {"a split beside another use", [](const Shape& s) { return wider(s, s.ndim() - 1, 3); },
     [](const Tensor& x, const Shape&) {
       auto [a, b, c] = split<3>(x);
       return b + 0.1 * split<3>(x * x)[1] + a;  // c goes unused
     }},
    {"rows of a slice", [](const Shape& s) { return wider(s, 0, 3); },
     [](const Tensor& x, const Shape& s) { return slice(x, 0, s[0], 2 * s[0]); }},
    {"overlapping slices", [](const Shape& s) { return wider(s, s.ndim() - 1, 3); },
     [](const Tensor& x, const Shape& s) {
       const Index n = s[s.ndim() - 1];
       return slice(x, -1, n / 2, n / 2 + n) + 0.5 * slice(x, -1, n, 2 * n);
     }},
    {"a reshaped one", [](const Shape& s) { return Shape{s.size()}; },
     [](const Tensor& x, const Shape& s) { return reshape(x, s); }},
    {"a view of a result", [](const Shape& s) { return wider(s, s.ndim() - 1, 2); },
     [](const Tensor& x, const Shape&) { return split<2>(x + x)[0]; }},
};

inline const std::vector<Shape> shapes = {
    {1},    {5},     {65},      {1, 1},       {3, 4},          {1, 7},
    {7, 1}, {6, 65}, {2, 1, 3}, {2, 1, 3, 2}, {2, 3, 1, 2, 3}, {2, 1, 2, 1, 3, 2}};

/// One op, of every kind of operand.
inline void check_unary(const Unary& op, const Shape& shape) {
  for (const Operand& operand : operands) {
    const auto f = [&](const Tensor& x) { return op.f(operand.part(x, shape)); };
    double low = op.low, high = op.high;
    if (low > 0 && operand.name[0] != 'i') low = 0.3, high = 0.7;  // parts may be sums of some three inputs
    check_grad_within(low, high, fmt::format("{} of {}, {}", op.name, operand.name, shape), f,
                      std::vector{operand.whole(shape)});
  }
  const auto fanned_out = [&](const Tensor& x) {
    const Tensor y = op.f(x);
    return y * y + op.f(x);
  };
  check_grad_within(op.low, op.high, fmt::format("{} with fan-out, {}", op.name, shape), fanned_out,
                    std::vector{shape});
}

/// At every shape, and empty ones.
inline void check_unary(const Unary& op) {
  for (const Shape& shape : shapes) check_unary(op, shape);
  for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{3, 0}}) {
    check_grad_within(op.low, op.high, op.name, op.f, std::vector{shape});
  }
}

/// An op of two tensors, with broadcasting.
struct Binary {
  const char* name;
  Tensor (*f)(const Tensor&, const Tensor&);
};

/// In every broadcast class, of wholes and of parts.
inline void check_binary(const Binary& op) {
  struct Classes {
    const char* name;
    Shape a, b;
  };
  const std::vector<Classes> classes = {
      {"same", {3, 4}, {3, 4}},
      {"same, odd width", {5, 65}, {5, 65}},
      {"row", {3, 4}, {4}},
      {"row [1, C]", {5, 65}, {1, 65}},
      {"column", {3, 4}, {3, 1}},
      {"column, odd width", {7, 33}, {7, 1}},
      {"4-d", {2, 3, 1, 2}, {3, 4, 1}},
      {"number", {3, 4}, {}},
      {"number [1]", {5, 13}, {1}},
      {"number [1, 1]", {3, 4}, {1, 1}},
      {"[T, 1, H]", {3, 4, 5}, {3, 1, 5}},
      {"[1, B, H]", {3, 4, 5}, {1, 4, 5}},
      {"[B, H]", {3, 4, 5}, {4, 5}},
      {"[T, B, 1]", {3, 4, 5}, {3, 4, 1}},
      {"[B, 1]", {3, 4, 5}, {4, 1}},
      {"row against column", {1, 5}, {4, 1}},
      {"each lends an axis", {3, 1, 5}, {4, 1}},
      {"5-d", {2, 1, 3, 1, 2}, {3, 2, 1}},
      {"6-d", {2, 1, 2, 1, 3, 2}, {1, 2, 1, 2, 3, 1}},
      {"no rows", {0, 4}, {4}},
      {"no columns", {3, 0}, {3, 1}},
      {"one element", {1}, {1}},
      {"numbers", {}, {}},
  };
  for (const Classes& c : classes) {
    const std::string name = fmt::format("{}, {}: {} {}", op.name, c.name, c.a, c.b);
    check_grad_within(0.5, 2.5, name, op.f, {c.a, c.b});
    check_grad_within(0.5, 2.5, name + " swapped", [&](auto b, auto a) { return op.f(a, b); }, {c.b, c.a});
    const auto fanned_out = [&](auto a, auto b) {
      const Tensor y = op.f(a, b);
      return y * y + op.f(a, b);
    };
    check_grad_within(0.5, 2.5, name + " with fan-out", fanned_out, {c.a, c.b});
    if (c.a.ndim() == 0 || c.b.ndim() == 0) continue;
    const auto halves = [&](auto x, auto y) { return op.f(split<2>(x)[1], split<2>(y)[0]); };
    check_grad_within(0.5, 2.5, name + " of splits", halves,
                      {wider(c.a, c.a.ndim() - 1, 2), wider(c.b, c.b.ndim() - 1, 2)});
    const auto slices = [&](auto x, auto y) { return op.f(slice(x, 0, c.a[0], 2 * c.a[0]), slice(y, 0, 0, c.b[0])); };
    check_grad_within(0.5, 2.5, name + " of slices", slices, {wider(c.a, 0, 2), wider(c.b, 0, 2)});
  }
  // A tensor twice in one op, and beside a part of it.
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{3, 5}, Shape{2, 3, 2}}) {
    check_grad_within(
        0.5, 2.5, op.name, [&](auto x) { return op.f(x, x); }, std::vector{shape});
  }
  check_grad_within(0.5, 2.5, op.name, [&](auto x) { return op.f(x, at(x, 1)); }, {Shape{3, 4}});
  check_grad_within(0.5, 2.5, op.name, [&](auto x) { return op.f(slice(x, 1, 0, 1), x); }, {Shape{3, 4}});
  check_grad_within(0.5, 2.5, op.name, [&](auto x) { return op.f(slice(x, 0, 0, 2), slice(x, 0, 1, 3)); },
                    {Shape{3, 5}});
  check_grad_within(0.5, 2.5, op.name, [&](auto x) { return op.f(at(x, 0), at(x, 0)); }, {Shape{3, 5}});
}

}  // namespace unroll::testing
