// Curves as a picture: an SVG file, or characters in a terminal.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <unroll/core/ids.h>
#include <unroll/report/plot_axis.h>
#include <unroll/report/terminal.h>

namespace unroll {

///     Plot plot("Penn Treebank", "epoch", "perplexity");
///     plot.curve("training", epochs, train).curve("validation", epochs, valid);
///     plot.save_svg("perplexity.svg");
///     fmt::print("{}", plot.to_terminal(terminal_width(stdout), 20));
///
/// Values that are not finite, and on a logarithmic y axis those not above 0, leave a gap in their curve. Texts are
/// UTF-8 and may hold anything.
class Plot {
 public:
  Plot(std::string title, std::string x_label, std::string y_label, AxisScale y_scale = AxisScale::linear)
      : title_(std::move(title)), x_label_(std::move(x_label)), y_label_(std::move(y_label)), y_scale_(y_scale) {}

  /// The line through the points in the order given. Errors: as many xs as ys.
  Plot& curve(std::string name, std::vector<double> xs, std::vector<double> ys);

  /// A complete SVG document with a transparent background, readable on white and on dark pages.
  std::string to_svg() const;
  /// Writes the document beside `path` and then renames it, so that `path` never holds half a picture.
  /// Errors: FileError when it cannot be written.
  void save_svg(const std::filesystem::path& path) const;
  /// The picture in braille dots: `height` lines of at most `width` columns, at least 40 by 10. Each curve's name
  /// stands at the right, level with its last point.
  std::string to_terminal(Index width, Index height, bool coloured = colour_wanted(stdout)) const;

 private:
  struct Curve {
    std::string name;
    std::vector<double> xs, ys;
  };
  struct Axes {
    PlotAxis x, y;
  };

  /// The axes around all points that can be shown; 0 … 1 if there is none.
  Axes axes(Index x_ticks, Index y_ticks) const;
  bool shows(double x, double y) const { return PlotAxis::shows(x, AxisScale::linear) && PlotAxis::shows(y, y_scale_); }

  std::string title_, x_label_, y_label_;
  AxisScale y_scale_;
  std::vector<Curve> curves_;
};

}  // namespace unroll
