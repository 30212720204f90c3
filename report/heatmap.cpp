#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include <unroll/core/error.h>
#include <unroll/report/heatmap.h>
#include <unroll/report/svg.h>
#include <unroll/report/text_width.h>

namespace unroll {

Heatmap::Heatmap(std::string title, std::vector<std::string> columns, std::vector<std::string> rows,
                 std::vector<double> values)
    : title_(std::move(title)), columns_(std::move(columns)), rows_(std::move(rows)), values_(std::move(values)) {
  require(values_.size() == columns_.size() * rows_.size(), "Heatmap: {} values for {} rows and {} columns",
          values_.size(), rows_.size(), columns_.size());
}

double Heatmap::value(Index row, Index column) const {
  const double v = values_[row * columns_.size() + column];
  return std::isnan(v) ? 0 : std::clamp(v, 0.0, 1.0);
}

void Heatmap::save_svg(const std::filesystem::path& path) const { save_picture(path, to_svg()); }

std::string Heatmap::to_svg() const {
  constexpr double cell = 26, letter = 8, top = 40;  // in user units
  const auto widest = [](const std::vector<std::string>& names) {
    Index width = 0;
    for (const std::string& name : names) width = std::max(width, display_width(name));
    return static_cast<double>(width);
  };
  const double left = 24 + letter * widest(rows_), below = 24 + letter * widest(columns_);
  const double right = left + cell * static_cast<double>(columns_.size());
  const double bottom = top + cell * static_cast<double>(rows_.size());
  std::string svg;
  const auto add = [&]<class... Args>(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(svg), text, std::forward<Args>(args)...);
    svg += '\n';
  };
  const double width = std::max(right + 20, left + 10 * static_cast<double>(display_width(title_)) + 20);
  add(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}" role="img">)",
      width, bottom + below);
  add("<title>{}</title>", xml_escaped(title_));
  add(R"(<g font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13" fill="#7a828c">)");
  add(R"(<text x="{:.0f}" y="24" font-size="16" font-weight="600">{}</text>)", left, xml_escaped(title_));
  add(R"(<rect x="{:.0f}" y="{:.0f}" width="{:.0f}" height="{:.0f}" fill="none" stroke="#7a828c" stroke-opacity="0.4"/>)",
      left, top, right - left, bottom - top);
  for (Index r = 0; r < rows_.size(); ++r) {
    const double y = top + cell * static_cast<double>(r);
    add(R"(<text x="{:.0f}" y="{:.1f}" text-anchor="end">{}</text>)", left - 8, y + cell / 2 + 4.5,
        xml_escaped(rows_[r]));
    for (Index c = 0; c < columns_.size(); ++c) {
      if (value(r, c) < 0.005) continue;
      add(R"(<rect x="{0:.0f}" y="{1:.0f}" width="{2}" height="{2}" fill="#2f81f7" fill-opacity="{3:.2f}"/>)",
          left + cell * static_cast<double>(c) + 1, y + 1, cell - 2, value(r, c));
    }
  }
  for (Index c = 0; c < columns_.size(); ++c) {
    const double x = left + cell * (static_cast<double>(c) + 0.5) + 4.5;
    add(R"svg(<text transform="translate({:.1f} {:.1f}) rotate(-90)" text-anchor="end">{}</text>)svg", x, bottom + 8,
        xml_escaped(columns_[c]));
  }
  svg += "</g>\n</svg>\n";
  return svg;
}

std::string Heatmap::to_terminal(bool coloured) const {
  constexpr std::array<const char*, 5> blocks{" ", "░", "▒", "▓", "█"};
  Index width = 0;
  for (const std::string& name : rows_) width = std::max(width, display_width(name));
  std::string text = title_.empty() ? "" : bold(title_, coloured) + "\n";
  for (Index r = 0; r < rows_.size(); ++r) {
    text += pad_left(rows_[r], width) + " │";
    for (Index c = 0; c < columns_.size(); ++c) {
      const char* block = blocks[static_cast<Index>(std::lround(value(r, c) * 4))];
      text += fmt::format("{0}{0}", block);
    }
    text += "│\n";
  }
  // The names of the columns, a character a line.
  std::vector<std::vector<std::string>> names;
  Index longest = 0;
  for (const std::string& name : columns_) {
    auto& letters = names.emplace_back();
    for (std::string_view rest = name; !rest.empty();) {
      const Index bytes = first_code_point(rest).bytes;
      letters.emplace_back(rest.substr(0, bytes));
      rest.remove_prefix(bytes);
    }
    longest = std::max(longest, letters.size());
  }
  for (Index line = 0; line < longest; ++line) {
    std::string below = pad_left("", width) + "  ";
    for (const auto& letters : names) below += pad_right(line < letters.size() ? letters[line] : "", 2);
    while (below.ends_with(' ')) below.pop_back();
    text += below + "\n";
  }
  return text;
}

}  // namespace unroll
