#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include <unroll/report/plot.h>
#include <unroll/report/text_width.h>

namespace unroll {
namespace {

constexpr std::array colours{39, 208, 35, 135, 198, 37};  // of 256; readable on black and on white

/// Characters of two by four braille dots, each in the colour of the curve that was drawn last.
class Canvas {
 public:
  Canvas(Index columns, Index rows) : columns_(columns), rows_(rows), cells_(columns * rows) {}

  Index dots_across() const { return 2 * columns_; }
  Index dots_down() const { return 4 * rows_; }

  /// The straight line between two dots, both included.
  void line(Index x0, Index y0, Index x1, Index y1, Index curve) {
    const double dx = static_cast<double>(x1) - static_cast<double>(x0);
    const double dy = static_cast<double>(y1) - static_cast<double>(y0);
    const double steps = std::max({std::abs(dx), std::abs(dy), 1.0});
    for (double i = 0; i <= steps; ++i) {
      dot(static_cast<Index>(std::lround(static_cast<double>(x0) + dx * i / steps)),
          static_cast<Index>(std::lround(static_cast<double>(y0) + dy * i / steps)), curve);
    }
  }

  std::string row(Index r, bool coloured) const {
    std::string out, run;  // of cells in one colour
    Index curve = 0;
    const auto end_run = [&] {
      if (!run.empty()) out += colour_256(run, colours[curve % colours.size()], coloured);
      run.clear();
    };
    for (Index c = 0; c < columns_; ++c) {
      const Cell& cell = cells_[r * columns_ + c];
      if (cell.dots == 0 || cell.curve != curve) end_run();
      if (cell.dots == 0) {
        out += ' ';
        continue;
      }
      curve = cell.curve;
      // U+2800 plus the dots, in UTF-8.
      run += '\xE2';
      run += static_cast<char>(0xA0 + (cell.dots >> 6));
      run += static_cast<char>(0x80 + (cell.dots & 0x3F));
    }
    end_run();
    return out;
  }

 private:
  struct Cell {
    unsigned dots = 0;
    Index curve = 0;
  };

  void dot(Index x, Index y, Index curve) {
    constexpr std::array<std::array<unsigned, 2>, 4> bits{{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}};
    Cell& cell = cells_[y / 4 * columns_ + x / 2];
    cell.dots |= bits[y % 4][x % 2];
    cell.curve = curve;
  }

  Index columns_, rows_;
  std::vector<Cell> cells_;
};

Index rounded(double fraction, Index largest) {
  return static_cast<Index>(std::lround(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(largest)));
}

/// The labels centred under their columns, leaving out those that would touch the one before.
std::string label_line(const PlotAxis& axis, Index offset, Index columns, Index width) {
  std::string line;
  for (const PlotAxis::Tick& tick : axis.ticks()) {
    const Index middle = offset + rounded(axis.fraction(tick.value), columns - 1);
    const Index size = display_width(tick.label);
    const Index start = std::min(middle - std::min(middle, size / 2), width - size);
    const Index used = display_width(line);
    if (!line.empty() && start <= used) continue;
    line = pad_right(line, start) + tick.label;
  }
  return line;
}

}  // namespace

std::string Plot::to_terminal(Index width, Index height, bool coloured) const {
  width = std::max<Index>(width, 40);
  height = std::max<Index>(height, 10);
  const Index rows = height - 4;  // title, axis, its labels, its name
  const auto [x_axis, y_axis] = axes(width / 14, std::clamp<Index>(rows / 3, 2, 8));

  Index names = 0, labels = 0;
  for (const Curve& curve : curves_) names = std::max(names, std::min<Index>(display_width(curve.name), width / 4));
  for (const PlotAxis::Tick& tick : y_axis.ticks()) labels = std::max(labels, display_width(tick.label));
  const Index columns = width - labels - 2 - (names > 0 ? names + 1 : 0);  // " ┤" before, " name" behind

  Canvas canvas(columns, rows);
  std::vector<std::string> behind(rows);
  for (Index c = 0; c < curves_.size(); ++c) {
    const Curve& curve = curves_[c];
    bool pen_down = false;
    Index last_x = 0, last_y = rows * 2;
    for (Index i = 0; i < curve.xs.size(); ++i) {
      const bool visible = shows(curve.xs[i], curve.ys[i]);
      if (visible) {
        const Index x = rounded(x_axis.fraction(curve.xs[i]), canvas.dots_across() - 1);
        const Index y = rounded(1 - y_axis.fraction(curve.ys[i]), canvas.dots_down() - 1);
        canvas.line(pen_down ? last_x : x, pen_down ? last_y : y, x, y, c);
        last_x = x;
        last_y = y;
      }
      pen_down = visible;
    }
    // The free row that is nearest to the last point.
    const auto distance = [&](Index row) { return row > last_y / 4 ? row - last_y / 4 : last_y / 4 - row; };
    Index best = rows;
    for (Index row = 0; row < rows; ++row) {
      if (behind[row].empty() && (best == rows || distance(row) < distance(best))) best = row;
    }
    if (best < rows) {
      behind[best] = colour_256(clip_to_width(curve.name, names), colours[c % colours.size()], coloured);
    }
  }

  std::vector<std::string> in_front(rows, std::string(labels, ' ') + " │");
  for (const PlotAxis::Tick& tick : y_axis.ticks()) {
    const Index row = rounded(1 - y_axis.fraction(tick.value), canvas.dots_down() - 1) / 4;
    in_front[row] = pad_left(tick.label, labels) + " ┤";
  }
  std::vector<bool> ticked(columns);
  for (const PlotAxis::Tick& tick : x_axis.ticks()) ticked[rounded(x_axis.fraction(tick.value), columns - 1)] = true;
  std::string axis = std::string(labels, ' ') + " └";
  for (const bool tick : ticked) axis += tick ? "┬" : "─";

  std::string out;
  const auto add_line = [&](std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  std::string heading = bold(clip_to_width(title_, width), coloured);
  const Index heading_width = display_width(heading);
  if (!y_label_.empty() && heading_width + 4 < width) {
    heading += (title_.empty() ? "" : "  ") + dim(clip_to_width("↑ " + y_label_, width - heading_width - 2), coloured);
  }
  add_line(heading);
  for (Index r = 0; r < rows; ++r) {
    add_line(in_front[r] + canvas.row(r, coloured) + (behind[r].empty() ? "" : " " + behind[r]));
  }
  add_line(axis);
  add_line(label_line(x_axis, labels + 2, columns, width));
  const std::string name = clip_to_width(x_label_, width);
  const Index middle = labels + 2 + columns / 2, half = display_width(name) / 2;
  add_line(std::string(middle - std::min(middle, half), ' ') + dim(name, coloured));
  return out;
}

}  // namespace unroll
