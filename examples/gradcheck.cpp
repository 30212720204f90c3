// A user's own op, and a wrong one that the gradient check catches.
#include <unroll/unroll.h>

using namespace unroll;

// An elementwise op needs no rule: the derivative is found by dual numbers.   y = x σ(x)
Tensor swish(const Tensor& x) {
  return pointwise("swish", [](auto v) { return v * sigmoid(v); }, x);
}

// Any other op is its value and one rule per input, in xtensor's expressions.   y = Σ over rows of (x − mean)²
xt::xarray<double> deviations(const Tensor& x) {
  const xt::xarray<double> mean = xt::mean(x.as<double>(), {0});
  return x.as<double>() - mean;
}

Tensor spread(const Tensor& x) {
  const xt::xarray<double> d = deviations(x);
  return record("spread", xt::sum(d * d, {0}),
                wrt(x, [d](const Array& dy) -> Array { return 2 * d * dy.as<double>(); }));
}

// The same with a mistake: the factor 2 is forgotten.
Tensor wrong_spread(const Tensor& x) {
  const xt::xarray<double> d = deviations(x);
  return record("wrong_spread", xt::sum(d * d, {0}),
                wrt(x, [d](const Array& dy) -> Array { return d * dy.as<double>(); }));
}

int main() {
  const GradcheckReport right = gradcheck(swish, {{3, 4}}), also_right = gradcheck(spread, {{5, 4}});
  const GradcheckReport wrong = gradcheck(wrong_spread, {{5, 4}});
  fmt::print("swish\n{}\nspread\n{}\nwrong_spread\n{}\n", right.str(), also_right.str(), wrong.str());
  fmt::print("{}\n", wrong.passed() ? "the mistake was missed!" : "the mistake was caught");
  return right.passed() && also_right.passed() && !wrong.passed() ? 0 : 1;
}
