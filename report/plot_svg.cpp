#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include <unroll/report/plot.h>
#include <unroll/report/svg.h>
#include <unroll/report/text_width.h>

namespace unroll {
namespace {

// All in user units of the SVG. The colours have a contrast of at least 3 both on white and on near-black.
constexpr double width = 720, height = 420;
constexpr double right = 24, bottom = 56;
constexpr double letter = 8;  // about the width of a letter at 13 units, rather more
constexpr std::array colours{"#2f81f7", "#e5701f", "#1f9d61", "#b06be0", "#e0487e", "#1a9ab0"};

}  // namespace

std::string Plot::to_svg() const {
  const auto [x_axis, y_axis] = axes(7, 5);
  std::string svg;
  const auto add = [&]<class... Args>(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(svg), text, std::forward<Args>(args)...);
    svg += '\n';
  };

  Index labels = 0;
  for (const PlotAxis::Tick& tick : y_axis.ticks()) labels = std::max(labels, display_width(tick.label));
  const double left = 40 + letter * static_cast<double>(labels);

  // The legend is one row or more under the title, so that it never hides a curve.
  struct Entry {
    double x, y;
  };
  std::vector<Entry> legend;
  double top = title_.empty() ? 20 : 46;
  Entry next{left, top};
  for (const Curve& curve : curves_) {
    const double space = 44 + letter * static_cast<double>(display_width(curve.name));
    if (next.x > left && next.x + space > width - right) next = {left, next.y + 20};
    legend.push_back(next);
    next.x += space;
  }
  if (!curves_.empty()) top = next.y + 20;

  const auto x_of = [&](double x) { return left + x_axis.fraction(x) * (width - left - right); };
  const auto y_of = [&](double y) { return height - bottom - y_axis.fraction(y) * (height - bottom - top); };

  add(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img">)", width,
      height);
  add("<title>{}</title>", xml_escaped(title_));
  add(R"(<g font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13" fill="#7a828c">)");
  if (!title_.empty()) {
    add(R"(<text x="{}" y="26" font-size="16" font-weight="600">{}</text>)", left, xml_escaped(title_));
  }

  for (const PlotAxis::Tick& tick : y_axis.ticks()) {
    const double y = y_of(tick.value);
    add(R"(<path d="M{} {:.1f}H{}" stroke="#7a828c" stroke-opacity="0.22"/>)", left, y, width - right);
    add(R"(<text x="{}" y="{:.1f}" text-anchor="end">{}</text>)", left - 10, y + 4.5, xml_escaped(tick.label));
  }
  for (const PlotAxis::Tick& tick : x_axis.ticks()) {
    const double x = x_of(tick.value);
    add(R"(<path d="M{:.1f} {:.1f}V{}" stroke="#7a828c" stroke-opacity="0.22"/>)", x, top, height - bottom);
    add(R"(<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>)", x, height - bottom + 20, xml_escaped(tick.label));
  }
  add(R"(<path d="M{0} {1:.1f}V{2}H{3}" fill="none" stroke="#7a828c"/>)", left, top, height - bottom, width - right);
  add(R"(<text x="{}" y="{}" text-anchor="middle">{}</text>)", (left + width - right) / 2, height - 14,
      xml_escaped(x_label_));
  add(R"svg(<text transform="translate(20 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>)svg",
      (top + height - bottom) / 2, xml_escaped(y_label_));

  for (Index c = 0; c < curves_.size(); ++c) {
    const Curve& curve = curves_[c];
    const char* colour = colours[c % colours.size()];
    // After the last colour they come again, dashed.
    const std::string dashes =
        c < colours.size() ? "" : fmt::format(R"( stroke-dasharray="{} 5")", 3 * (c / colours.size()) + 3);
    const bool few_points = curve.xs.size() <= 30;
    std::string path, points;
    bool pen_down = false;
    for (Index i = 0; i < curve.xs.size(); ++i) {
      if (!shows(curve.xs[i], curve.ys[i])) {
        pen_down = false;
        continue;
      }
      const double x = x_of(curve.xs[i]), y = y_of(curve.ys[i]);
      // "h0" makes the round cap show a point that stands alone between two gaps.
      path += fmt::format("{}{:.1f} {:.1f}{}", pen_down ? "L" : "M", x, y, pen_down ? "" : "h0");
      if (few_points) points += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="3"/>)", x, y);
      pen_down = true;
    }
    if (!path.empty()) {
      add(R"(<path d="{}" fill="none" stroke="{}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"{}/>)",
          path, colour, dashes);
    }
    if (!points.empty()) add(R"(<g fill="{}">{}</g>)", colour, points);
    const auto [x, y] = legend[c];
    add(R"(<path d="M{:.1f} {:.1f}h20" stroke="{}" stroke-width="3" stroke-linecap="round"{}/>)", x + 2, y - 4.5,
        colour, dashes);
    add(R"(<text x="{:.1f}" y="{:.1f}">{}</text>)", x + 30, y, xml_escaped(curve.name));
  }
  svg += "</g>\n</svg>\n";
  return svg;
}

}  // namespace unroll
