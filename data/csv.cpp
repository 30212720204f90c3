#include <algorithm>
#include <utility>

#include <unroll/core/error.h>
#include <unroll/data/collector.h>
#include <unroll/data/csv.h>
#include <unroll/data/text.h>

namespace unroll {
namespace {

class CsvParser {
 public:
  CsvParser(std::string_view text, char separator, std::string_view name)
      : text_(text), separator_(separator), name_(name) {}

  CsvTable parse() {
    CsvTable table;
    while (!at_end()) {
      if (at_line_end()) {
        skip_line_end();
        ++table.blank_lines;
        continue;
      }
      const Index width = table.rows.empty() ? 0 : table.rows.front().size();
      table.lines.push_back(line_);
      table.rows.push_back(row(width));
    }
    return table;
  }

 private:
  bool at_end() const { return at_ == text_.size(); }
  bool at_line_end() const { return text_[at_] == '\n' || text_[at_] == '\r'; }

  void skip_line_end() {
    at_ += text_.substr(at_).starts_with("\r\n") ? 2 : 1;
    ++line_;
  }

  /// In code points, counted from 1.
  Index column_of(Index at) const {
    const std::string_view before = text_.substr(0, at);
    return 1 + count_characters(before.substr(before.find_last_of("\r\n") + 1));
  }

  /// One row and its line end. A `width` of 0 allows any number of fields.
  std::vector<std::string> row(Index width) {
    const Index line = line_;
    std::vector<std::string> fields;
    while (true) {
      fields.push_back(!at_end() && text_[at_] == '"' ? quoted() : bare());
      if (at_end() || text_[at_] != separator_) break;
      ++at_;
      // Asked here and not at the row's end, so that a line of a million separators is refused before it fills memory.
      require<FileError>(width == 0 || fields.size() < width, "{}, line {}: more fields than the {} of the first row",
                         name_, line, width);
    }
    require<FileError>(width == 0 || fields.size() == width, "{}, line {}: {} field{}, expected {} as in the first row",
                       name_, line, fields.size(), fields.size() == 1 ? "" : "s", width);
    if (!at_end()) skip_line_end();
    return fields;
  }

  std::string bare() {
    const Index begin = at_;
    while (!at_end() && text_[at_] != separator_ && !at_line_end()) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string quoted() {
    const Index opening_line = line_, opening = at_;
    std::string field;
    while (true) {
      const Index begin = ++at_;  // behind the opening quote, or the second one of a doubled quote
      while (!at_end() && text_[at_] != '"') {
        if (at_line_end()) {
          skip_line_end();
        } else {
          ++at_;
        }
      }
      if (at_end())
        throw FileError(fmt::format("{}, line {}, column {}: the quote that opens here is never closed", name_,
                                    opening_line, column_of(opening)));
      field += text_.substr(begin, at_ - begin);
      ++at_;
      if (at_end() || text_[at_] != '"') break;
      field += '"';
    }
    if (!at_end() && !at_line_end() && text_[at_] != separator_)
      throw FileError(fmt::format("{}, line {}, column {}: text after a closing quote, expected '{}' or the line's end",
                                  name_, line_, column_of(at_), separator_));
    return field;
  }

  std::string_view text_;
  char separator_;
  std::string_view name_;
  Index at_ = 0;
  Index line_ = 1;
};

}  // namespace

CsvTable parse_csv(std::string_view text, CsvOptions options, std::string_view name) {
  require<UsageError>(options.separator != '"' && options.separator != '\n' && options.separator != '\r',
                      "csv: the separator may not be a quote or a line end");
  return CsvParser(without_bom(text), options.separator, name).parse();
}

CsvTable read_csv_table(const std::filesystem::path& path, CsvOptions options) {
  const std::string bytes = read_bytes(path);
  require_utf8(bytes, path);
  return parse_csv(bytes, options, path.string());
}

std::vector<std::vector<std::string>> read_csv(const std::filesystem::path& path, CsvOptions options) {
  return read_csv_table(path, options).rows;
}

Index find_column(const std::vector<std::string>& header, std::string_view column, Index line, std::string_view name) {
  const auto found = std::ranges::find(header, column);
  if (found == header.end()) {
    constexpr Index shown = 20;
    std::vector<std::string> columns;
    for (const std::string& other : header) {
      if (columns.size() == shown) break;
      columns.push_back(excerpt(other));
    }
    if (header.size() > shown) columns.emplace_back("…");
    throw FileError(fmt::format("{}, line {}: no column '{}' among {}", name, line, column, columns));
  }
  require<FileError>(std::find(found + 1, header.end(), column) == header.end(),
                     "{}, line {}: the column '{}' stands twice", name, line, column);
  return static_cast<Index>(found - header.begin());
}

}  // namespace unroll
