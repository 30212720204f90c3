// Elementwise ops against central differences, in f64 to 1e-9: shapes, broadcast classes, views as operands; and the
// same functions inside pointwise.
#include "op_gradients.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

const Unary unary_ops[] = {
    {"sin", [](const Tensor& x) { return sin(x); }},
    {"cos", [](const Tensor& x) { return cos(x); }},
    {"erf", [](const Tensor& x) { return erf(x); }},
    {"expm1", [](const Tensor& x) { return expm1(x); }},
    {"log1p", [](const Tensor& x) { return log1p(x); }, 0.2, 1.5},
    {"square", [](const Tensor& x) { return square(x); }},
    {"pow(x, 0)", [](const Tensor& x) { return pow(x, 0) + x; }},
    {"pow(x, 1)", [](const Tensor& x) { return pow(x, 1); }},
    {"pow(x, 2)", [](const Tensor& x) { return pow(x, 2); }},
    {"pow(x, 3)", [](const Tensor& x) { return pow(x, 3); }},
    {"pow(x, 4)", [](const Tensor& x) { return pow(x, 4); }},
    {"pow(x, -1)", [](const Tensor& x) { return pow(x, -1); }, 0.5, 2.5},
    {"pow(x, -2)", [](const Tensor& x) { return pow(x, -2); }, 0.5, 2.5},
    {"pow(x, 1/2)", [](const Tensor& x) { return pow(x, 0.5); }, 0.5, 2.5},
    {"pow(x, -1/2)", [](const Tensor& x) { return pow(x, -0.5); }, 0.5, 2.5},
    {"pow(x, 2.7)", [](const Tensor& x) { return pow(x, 2.7); }, 0.5, 2.5},
    {"pow(x, -1.3)", [](const Tensor& x) { return pow(x, -1.3); }, 0.5, 2.5},
    {"pow(1.7, x)", [](const Tensor& x) { return pow(1.7, x); }},
    {"pow(x, x)", [](const Tensor& x) { return pow(x, x); }, 0.5, 2.5},
    {"sign", [](const Tensor& x) { return sign(x) + x; }, 0.5, 2.5},
    {"clamp", [](const Tensor& x) { return clamp(x, -0.7, 1.1); }},
    {"clamp from below", [](const Tensor& x) { return clamp(x, 0.3, INFINITY); }},
    {"clamp from above", [](const Tensor& x) { return clamp(x, -INFINITY, 0.3) + x; }},
    {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); }},
    {"elu", [](const Tensor& x) { return elu(x, 1); }},
    {"elu 1.5", [](const Tensor& x) { return elu(x, 1.5); }},
    {"softplus", [](const Tensor& x) { return softplus(x); }},
    {"logsigmoid", [](const Tensor& x) { return logsigmoid(x); }},
    {"silu", [](const Tensor& x) { return silu(x); }},
    {"gelu", [](const Tensor& x) { return gelu(x); }},
    {"gelu_tanh", [](const Tensor& x) { return gelu_tanh(x); }},
    {"masked_fill",
     [](const Tensor& x) {
       return masked_fill(x, Tensor(Array::zeros(x.shape(), x.dtype())), 3) * masked_fill(x, x > 0.0, 0.5);
     }},
};

/// 1 at every third element of the common shape of a and b.
Tensor thirds(const Tensor& a, const Tensor& b) {
  Array mask = (0.0 * detach(a) + 0.0 * detach(b)).value().copy();
  for (Index i = 0; i < mask.size(); i += 3) mask.set_flat(i, 1);
  return mask;
}

const Binary binary_ops[] = {
    {"pow", [](const Tensor& a, const Tensor& b) { return pow(a, b); }},
    {"where", [](const Tensor& a, const Tensor& b) { return where(thirds(a, b), a, b); }},
    {"where not", [](const Tensor& a, const Tensor& b) { return where(equal(thirds(a, b), 0.0), a, b); }},
    {"where(a > b)", [](const Tensor& a, const Tensor& b) { return where(a > b, a * 2.0, b); }},
};

}  // namespace

TEST_CASE("elementwise gradients: ops of one tensor, as itself and as a part") {
  for (const Unary& op : unary_ops) check_unary(op);
}

TEST_CASE("elementwise gradients: two operands in every broadcast class") {
  for (const Binary& op : binary_ops) check_binary(op);
}

TEST_CASE("elementwise gradients: masks that broadcast, and a number in place of a tensor") {
  const Array row = Array::of({4}, std::array{1.0, 0.0, 0.0, -2.0}.data());
  const Array column = Array::of({3, 1}, std::array{0.0, 5.0, 0.0}.data());
  const Array number = Array::full({}, f64, 1);
  for (const Array& exact : {row, column, number}) {
    const auto like = [&](const Tensor& x) { return Tensor(exact.to(x.dtype())); };
    check_grad("where", [&](auto a, auto b) { return where(like(a), a, b); }, {3, 4}, {3, 4});
    check_grad("where of a row", [&](auto a, auto b) { return where(like(a), a, b); }, {3, 4}, {4});
    check_grad("where of a column", [&](auto a, auto b) { return where(like(a), a, b); }, {3, 1}, {3, 4});
    check_grad("where of numbers", [&](auto a, auto b) { return where(like(a), a, b); }, Shape{}, {1});
    check_grad("where, else a number", [&](auto a) { return where(like(a), a, 2.0) + a; }, {3, 4});
    check_grad("where, a number else", [&](auto a) { return where(like(a), 2.0, a) + a; }, {3, 4});
    check_grad("masked_fill", [&](auto a) { return masked_fill(a, like(a), 2) + a; }, {3, 4});
    check_grad("masked_fill of a row", [&](auto a) { return masked_fill(a, like(a), 2) + a; }, {4});
  }
}

TEST_CASE("elementwise gradients: inside pointwise") {
  check_grad("smooth ones of two inputs",
             [](auto a, auto b) {
               return pointwise(
                   [](auto x, auto y) {
                     return sin(x) * cos(y) + erf(x * y) + expm1(x) * log1p(square(y)) + softplus(x) * logsigmoid(y) +
                            silu(x * y) + gelu(x) * gelu_tanh(y) + pow(1.3, x) + pow(x, 2) * pow(1 + square(y), 1.5);
                   },
                   a, b);
             },
             {3, 17}, {17});
  check_grad_within(0.3, 1.9, "powers of two inputs",
                    [](auto a, auto b) {
                      return pointwise(
                          [](auto x, auto y) {
                            return std::tuple{pow(x, y) * y, pow(x * y, x), pow(y, 0.5) + pow(y, -1)};
                          },
                          a, b)[0];
                    },
                    {{3, 4}, {3, 1}});
  check_grad_within(-2, 2, "kinks",
                    [](auto a, auto b) {
                      return pointwise(
                          [](auto x, auto y) {
                            return clamp(x, -1, 1) * y + elu(x * y, 0.7) + leaky_relu(y, 0.1) * sign(x) +
                                   where(x > y, x, sin(y));
                          },
                          a, b);
                    },
                    {Shape{3, 17}, Shape{3, 17}});
}
