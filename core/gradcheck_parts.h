// What the gradient checks share: the scalar Σ r∘y that stands for a result y, with a random cotangent r, and its
// differences.
#pragma once

#include <cmath>

#include <unroll/core/ops.h>
#include <unroll/core/random.h>

namespace unroll::detail {

/// Puts a parameter's value back, whatever happens.
struct Restored {
  const Param& param;
  Array value = param.value();
  ~Restored() { param.data().value = value; }
};

/// Σ r∘y in f64, element by element.
double dot(const Array& r, const Array& y);
/// Σ r ∘ (moved − y): what did not change adds no rounding of its own.
double change(const Array& r, const Array& moved, const Array& y);
/// r for a result. Errors: it is empty or not f64.
Array cotangent_for(const Tensor& y, Random& random);
/// |a − b| / max(|a|, |b|, 10⁻³ |y| within 10⁻³ … 1): never more lenient than beside max(1, |a|, |b|), and as large as
/// rounding of y asks for.
double relative_error(double a, double b, double y);

struct Difference {
  double numeric = 0;
  double error = 0;
};

/// Compares a derivative with the differences of `along`, the value at a distance from where it is to be taken.
template <class F>
Difference difference(double analytic, F along, double h, double y, double tolerance) {
  Difference best{0, std::nan("")};
  for (const double part : {1.0, 0.1, 0.01, 0.001}) {
    const double d = part * h;
    const double numeric =
        (45 * (along(d) - along(-d)) - 9 * (along(2 * d) - along(-2 * d)) + (along(3 * d) - along(-3 * d))) / (60 * d);
    const double error = relative_error(analytic, numeric, y);
    if (std::isnan(best.error) || error < best.error) best = {numeric, error};
    if (best.error <= tolerance) break;
  }
  return best;
}

}  // namespace unroll::detail
