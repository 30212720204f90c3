#include <unroll/core/ops.h>

namespace unroll {
namespace {

/// 1 where it holds, 0 elsewhere.
constexpr auto as_number = [](auto x, auto condition) { return where(condition, decltype(x)(1), decltype(x)(0)); };

/// The gradient of what `where` takes where the mask is not 0, or where it is 0.
template <bool Chosen>
auto taken(const Tensor& mask) {
  return [mask = mask.value()](const Array& dy, const Dest& dx) {
    map_into(
        dx,
        [](auto g, auto m) {
          const decltype(g) zero(0);
          return Chosen ? where(m != 0, g, zero) : where(m != 0, zero, g);
        },
        dy, mask);
  };
}

}  // namespace

#define UNROLL_COMPARISON(NAME, OP, TEXT)                                                 \
  Tensor NAME(const Tensor& a, const Tensor& b) {                                         \
    return map(                                                                           \
        TEXT, [](auto x, auto y) { return as_number(x, x OP y); }, a.value(), b.value()); \
  }                                                                                       \
  Tensor NAME(const Tensor& a, double b) {                                                \
    return map(                                                                           \
        TEXT, [b](auto x) { return as_number(x, x OP decltype(x)(b)); }, a.value());      \
  }
UNROLL_COMPARISON(operator<, <, "less")
UNROLL_COMPARISON(operator>, >, "greater")
UNROLL_COMPARISON(operator<=, <=, "less_equal")
UNROLL_COMPARISON(operator>=, >=, "greater_equal")
UNROLL_COMPARISON(equal, ==, "equal")
UNROLL_COMPARISON(not_equal, !=, "not_equal")
#undef UNROLL_COMPARISON

Tensor operator<(double a, const Tensor& b) { return b > a; }
Tensor operator>(double a, const Tensor& b) { return b < a; }
Tensor operator<=(double a, const Tensor& b) { return b >= a; }
Tensor operator>=(double a, const Tensor& b) { return b <= a; }

Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b) {
  const auto choose = [](auto m, auto x, auto y) { return where(m != 0, x, y); };
  return record("where", map("where", choose, mask.value(), a.value(), b.value()), wrt_each(a, taken<true>(mask)),
                wrt_each(b, taken<false>(mask)));
}
Tensor where(const Tensor& mask, const Tensor& a, double b) { return where(mask, a, Tensor::scalar(b, a.dtype())); }
Tensor where(const Tensor& mask, double a, const Tensor& b) { return where(mask, Tensor::scalar(a, b.dtype()), b); }
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  const auto fill = [value](auto v, auto m) { return where(m != 0, decltype(v)(value), v); };
  return record("masked_fill", map("masked_fill", fill, x.value(), mask.value()), wrt_each(x, taken<false>(mask)));
}

}  // namespace unroll
