// The gradient tables' common part: an op of one tensor at every shape, of a tensor as it is and of parts of something.
#pragma once

#include "check_grad.h"

namespace unroll::testing {

struct Unary {
  const char* name;
  Tensor (*f)(const Tensor&);
  double low = -2, high = 2;
  bool has_kinks = false;
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
       return b + sum(x * x) * 0.01 + a;  // c goes unused
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
    {1}, {5}, {65}, {1, 1}, {3, 4}, {1, 7}, {7, 1}, {6, 65}, {2, 1, 3}, {2, 3, 1, 2, 3}, {2, 1, 2, 1, 3, 2}};

inline void check_unary(const Unary& op, const Shape& shape) {
  for (const Operand& operand : operands) {
    const auto f = [&](const Tensor& x) { return op.f(operand.part(x, shape)); };
    double low = op.low, high = op.high;
    if (low > 0 && operand.name[0] != 'i') low = 0.3, high = 0.7;  // parts may be sums of some three inputs
    check_grad_within(low, high, fmt::format("{} of {}, {}", op.name, operand.name, shape), f,
                      std::vector{operand.whole(shape)}, op.has_kinks);
  }
}

}  // namespace unroll::testing
