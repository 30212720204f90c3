#include <cmath>

#include <unroll/core/gradcheck.h>
#include <unroll/core/gradcheck_parts.h>

namespace unroll {
namespace {

double root_mean_square(const Array& x) {
  return std::sqrt(detail::dot(x, x) / static_cast<double>(std::max<Index>(1, x.size())));
}

/// a + factor · b, all f64 and without gaps.
Array moved(const Array& a, double factor, const Array& b) {
  return map(
      "check_directions", [factor](auto x, auto d) { return x + factor * d; }, a, b);
}

}  // namespace

GradcheckReport check_directions(Params& params, const std::function<Tensor()>& f, const DirectionOptions& options) {
  require<UsageError>(options.directions > 0, "check_directions: there is no direction to try");
  Random random(options.seed + 1);
  Array cotangent, start;
  Grads grads;
  {
    Tape tape;
    const Tensor y = f();
    cotangent = detail::cotangent_for(y, random);
    start = y.value();
    grads = tape.backward(y, cotangent);
  }
  const double y = detail::dot(cotangent, start);
  GradcheckReport report;
  for (const Param& param : params) {
    if (param.frozen()) continue;
    const detail::Restored restored{param};
    const Array& at = restored.value;
    const double h = options.step * std::max(1.0, root_mean_square(at));
    GradcheckRow row{param.name(), param.shape()};
    for (Index k = 0; k < options.directions && !std::isnan(row.error); ++k) {
      Array direction = normal(1)(at.shape(), random);
      direction = moved(Array::zeros(at.shape(), f64), 1 / root_mean_square(direction), direction);
      const auto along = [&](double distance) {
        param.set(moved(at, distance, direction));
        return detail::change(cotangent, f().value(), start);
      };
      const double analytic = grads.contains(param) ? detail::dot(grads[param], direction) : 0;
      const auto [numeric, error] = detail::difference(analytic, along, h, y, options.tolerance);
      if (k > 0 && error <= row.error) continue;  // a NaN is the worst of all
      row.element = k;
      row.analytic = analytic;
      row.numeric = numeric;
      row.error = error;
    }
    row.passed = row.error <= options.tolerance;
    report.rows.push_back(std::move(row));
  }
  return report;
}

}  // namespace unroll
