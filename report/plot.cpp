#include <unroll/report/plot.h>
#include <unroll/report/svg.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll {

Plot& Plot::curve(std::string name, std::vector<double> xs, std::vector<double> ys) {
  require(xs.size() == ys.size(), "Plot: the curve \"{}\" has {} xs and {} ys", name, xs.size(), ys.size());
  curves_.push_back({std::move(name), std::move(xs), std::move(ys)});
  return *this;
}

Plot::Axes Plot::axes(Index x_ticks, Index y_ticks) const {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  double left = infinity, right = -infinity, bottom = infinity, top = -infinity;
  bool whole_numbers = true;
  for (const Curve& curve : curves_) {
    for (Index i = 0; i < curve.xs.size(); ++i) {
      const double x = curve.xs[i], y = curve.ys[i];
      if (!shows(x, y)) continue;
      left = std::min(left, x);
      right = std::max(right, x);
      bottom = std::min(bottom, y);
      top = std::max(top, y);
      whole_numbers = whole_numbers && x == std::round(x);
    }
  }
  if (left > right) {
    left = 0;
    right = top = 1;
    bottom = y_scale_ == AxisScale::linear ? 0 : 0.1;
  }
  return {PlotAxis(left, right, {.ticks = x_ticks, .whole_numbers = whole_numbers}),
          PlotAxis(bottom, top, {.scale = y_scale_, .ticks = y_ticks, .round_out = true})};
}

void Plot::save_svg(const std::filesystem::path& path) const { save_picture(path, to_svg()); }

}  // namespace unroll
