// What the gradient checks share: the scalar Σ r∘y that stands for a result y, with a random cotangent r.
#pragma once

#include <unroll/core/ops.h>
#include <unroll/core/random.h>

namespace unroll::detail {

/// Σ r∘y in f64, element by element.
double dot(const Array& r, const Array& y);
/// Σ r ∘ (moved − y): what did not change adds no rounding of its own.
double change(const Array& r, const Array& moved, const Array& y);
/// r for a result. Errors: it is empty or not f64.
Array cotangent_for(const Tensor& y, Random& random);
/// |a − b| / max(|a|, |b|, 10⁻³ max(1, |y|))
double relative_error(double a, double b, double y);

}  // namespace unroll::detail
