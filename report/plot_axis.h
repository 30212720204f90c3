// One axis of a plot: its range, its ticks and where a value falls.
#pragma once

#include <string>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

enum class AxisScale { linear, logarithmic };

class PlotAxis {
 public:
  struct Tick {
    double value;
    std::string label;
  };

  struct Options {
    AxisScale scale = AxisScale::linear;
    Index ticks = 5;             ///< about so many, at 1, 2, 2.5 or 5 times a power of ten
    bool round_out = false;      ///< widens the range until it begins and ends at a tick
    bool whole_numbers = false;  ///< no ticks between whole numbers (epochs, steps)
  };
  /// An axis over [low, high]; on a logarithmic one both are above 0.
  PlotAxis(double low, double high, const Options& options);

  const std::vector<Tick>& ticks() const { return ticks_; }
  /// 0 at the low end, 1 at the high end.
  double fraction(double value) const;
  /// Whether the value can be shown: a number up to ±1e300, and from 1e-300 on a logarithmic axis.
  static bool shows(double value, AxisScale scale);

 private:
  void make_linear(const Options& options);
  void make_logarithmic(const Options& options);

  double low_, high_;
  AxisScale scale_;
  std::vector<Tick> ticks_;
};

}  // namespace unroll
