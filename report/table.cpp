#include <unroll/report/table.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include <unroll/core/error.h>
#include <unroll/core/ids.h>
#include <unroll/report/text_width.h>

namespace unroll {
namespace {

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(), [&](std::string_view s) { return text.starts_with(s); });
}

/// A number with an optional sign and at most a short unit: "5.1", "−3", "12 %", "4.1M", "2m 05s", but not "5-gram".
bool reads_as_number(std::string_view cell) {
  if (cell == "–" || cell == "-" || cell == "nan" || cell == "inf") return true;
  if (starts_with_any(cell, {"+", "-", "±"})) cell.remove_prefix(first_code_point(cell).bytes);
  if (cell.starts_with("−")) cell.remove_prefix(first_code_point(cell).bytes);
  const auto digits = std::min(cell.find_first_not_of("0123456789.,"), cell.size());
  if (cell.substr(0, digits).find_first_of("0123456789") == std::string_view::npos) return false;
  cell.remove_prefix(digits);
  if (starts_with_any(cell, {"e+", "e-"})) return true;
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  const auto unit = std::find_if_not(cell.begin(), cell.end(), is_letter) - cell.begin();
  cell.remove_prefix(static_cast<Index>(unit));
  return unit <= 2 && (cell.empty() || starts_with_any(cell, {" ", "%", "±", "×", "/"}));
}

std::string without_escapes(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.starts_with("\x1b[")) {
      text.remove_prefix(std::min(text.find('m'), text.size() - 1) + 1);
    } else {
      out += text.front();
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace

Table::Table(std::vector<std::string> header) : header_(std::move(header)) {}

Table& Table::row(std::vector<std::string> cells) {
  require<UsageError>(cells.size() == header_.size(), "Table: a row of {} cells under a header of {}", cells.size(),
                      header_.size());
  rows_.push_back(std::move(cells));
  return *this;
}

std::string Table::to_string() const {
  constexpr std::string_view gap = "  ";
  std::vector<Index> widths;
  std::vector<bool> numeric;
  for (Index c = 0; c < header_.size(); ++c) {
    Index width = display_width(header_[c]);
    bool numbers = false, words = false;
    for (const auto& cells : rows_) {
      width = std::max(width, display_width(cells[c]));
      const std::string text = without_escapes(cells[c]);
      if (!text.empty()) (reads_as_number(text) ? numbers : words) = true;
    }
    widths.push_back(width);
    numeric.push_back(numbers && !words);
  }
  std::string out;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (Index c = 0; c < cells.size(); ++c) {
      if (c > 0) line += gap;
      line += numeric[c] ? pad_left(cells[c], widths[c]) : pad_right(cells[c], widths[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add_line(header_);
  std::vector<std::string> rules;
  for (const Index width : widths) {
    std::string rule;
    for (Index i = 0; i < width; ++i) rule += "─";
    rules.push_back(rule);
  }
  add_line(rules);
  for (const auto& cells : rows_) add_line(cells);
  return out;
}

}  // namespace unroll
