#include <unroll/report/plot_axis.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace unroll {
namespace {

double nice_step(double range, Index ticks, bool whole_numbers) {
  const double rough = std::max(range / static_cast<double>(std::max<Index>(ticks, 1)), whole_numbers ? 1.0 : 0.0);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    const double step = factor * power;
    const bool fits = !whole_numbers || step == std::round(step);
    if (fits && rough <= step * 1.0001) return step;
  }
  return 10 * power;
}

/// The fewest decimals, up to 6, in which a multiple of the step is exact.
int decimals_of(double step) {
  int decimals = 0;
  for (double scaled = step; decimals < 6 && std::abs(scaled - std::round(scaled)) > 1e-6 * scaled; scaled *= 10) {
    ++decimals;
  }
  return decimals;
}

std::string linear_label(double value, double step, double largest) {
  struct Unit {
    double size;
    const char* suffix;
  };
  if (largest >= 1e15 || step < 1e-5) return fmt::format("{:g}", value);
  for (const Unit unit : {Unit{1e12, "T"}, Unit{1e9, "B"}, Unit{1e6, "M"}, Unit{1e3, "k"}}) {
    const bool long_number = largest >= unit.size && largest >= 1e4;
    if (long_number && value != 0) {
      return fmt::format("{:.{}f}{}", value / unit.size, decimals_of(step / unit.size), unit.suffix);
    }
  }
  return fmt::format("{:.{}f}", value, value == 0 && step >= 1 ? 0 : decimals_of(step));
}

std::string power_of_ten(double exponent) {
  constexpr std::array superscripts{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string out = exponent < 0 ? "10⁻" : "10";
  for (const char digit : fmt::format("{:.0f}", std::abs(exponent)))
    out += superscripts[static_cast<Index>(digit - '0')];
  return out;
}

}  // namespace

bool PlotAxis::shows(double value, AxisScale scale) {
  return std::abs(value) <= 1e300 && (scale == AxisScale::linear || value >= 1e-300);  // false for NaN
}

PlotAxis::PlotAxis(double low, double high, const Options& options) : low_(low), high_(high), scale_(options.scale) {
  if (scale_ == AxisScale::linear) {
    make_linear(options);
  } else {
    make_logarithmic(options);
  }
}

void PlotAxis::make_linear(const Options& options) {
  // A single value, or a range that doubles cannot divide, is shown in the middle of a wider one.
  const double size = std::max(std::abs(low_), std::abs(high_));
  if (high_ - low_ <= 1e-12 * size || size < 1e-300) {
    const double margin = size < 1e-300 ? 1 : 0.1 * size;
    low_ -= margin;
    high_ += margin;
  }
  const double step = nice_step(high_ - low_, options.ticks, options.whole_numbers);
  const double slack = 1e-9;  // a bound that is a tick but for rounding
  const double first = options.round_out ? std::floor(low_ / step + slack) : std::ceil(low_ / step - slack);
  const double last = options.round_out ? std::ceil(high_ / step - slack) : std::floor(high_ / step + slack);
  if (options.round_out) {
    low_ = first * step;
    high_ = last * step;
  }
  const double largest = std::max(std::abs(first), std::abs(last)) * step;
  for (double i = first; i <= last; ++i) {
    const double value = i == 0 ? 0.0 : i * step;  // never −0
    ticks_.push_back({value, linear_label(value, step, largest)});
  }
}

void PlotAxis::make_logarithmic(const Options& options) {
  const double slack = 1e-9;
  const double first = std::floor(std::log10(low_) + slack);
  double last = std::ceil(std::log10(high_) - slack);
  if (first == last) last = first + 1;
  if (options.round_out || low_ == high_) {
    low_ = std::pow(10.0, first);
    high_ = std::pow(10.0, last);
  }
  const double decades_per_tick =
      std::max(1.0, std::ceil((last - first) / static_cast<double>(std::max<Index>(options.ticks, 1))));
  const bool few_decades = last - first <= 2;
  const bool as_powers = !few_decades && std::max(std::abs(first), std::abs(last)) > 4;
  for (double decade = first; decade <= last; decade += decades_per_tick) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10.0, decade);
      const bool inside = low_ * (1 - slack) <= value && value <= high_ * (1 + slack);
      if (!inside || (factor > 1 && !few_decades)) continue;
      ticks_.push_back({value, as_powers ? power_of_ten(decade) : fmt::format("{:g}", value)});
    }
  }
}

double PlotAxis::fraction(double value) const {
  if (scale_ == AxisScale::linear) return (value - low_) / (high_ - low_);
  return (std::log(value) - std::log(low_)) / (std::log(high_) - std::log(low_));
}

}  // namespace unroll
