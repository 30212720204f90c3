#include <algorithm>
#include <utility>

#include <unroll/core/error.h>
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
    const Index opening_line = line_;
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
      require<FileError>(!at_end(), "{}, line {}: the quote that opens here is never closed", name_, opening_line);
      field += text_.substr(begin, at_ - begin);
      ++at_;
      if (at_end() || text_[at_] != '"') break;
      field += '"';
    }
    require<FileError>(at_end() || at_line_end() || text_[at_] == separator_,
                       "{}, line {}: text after a closing quote, expected '{}' or the line's end", name_, line_,
                       separator_);
    return field;
  }

  std::string_view text_;
  char separator_;
  std::string_view name_;
  Index at_ = 0;
  Index line_ = 1;
};

CsvTable read_table(const std::filesystem::path& path, CsvOptions options) {
  const std::string bytes = read_bytes(path);
  require_utf8(bytes, path);
  return parse_csv(bytes, options, path.string());
}

struct Columns {
  Index label = 0;
  Index text = 1;
  bool named = false;
};

/// The one column called `column`.
Index find_column(const std::vector<std::string>& header, std::string_view column, Index line,
                  const std::string& name) {
  const auto found = std::ranges::find(header, column);
  require<FileError>(found != header.end(), "{}, line {}: no column '{}' among {}", name, line, column, header);
  require<FileError>(std::find(found + 1, header.end(), column) == header.end(),
                     "{}, line {}: the column '{}' stands twice", name, line, column);
  return static_cast<Index>(found - header.begin());
}

Columns find_columns(const CsvTable& table, const std::string& name) {
  require<FileError>(!table.rows.empty(), "{}: blank lines only, expected labelled texts", name);
  const auto& first = table.rows.front();
  const Index line = table.lines.front();
  const auto has = [&](std::string_view column) { return std::ranges::find(first, column) != first.end(); };
  if (has("label") || has("text"))
    return {find_column(first, "label", line, name), find_column(first, "text", line, name), true};
  require<FileError>(first.size() >= 2, "{}, line {}: 1 field, expected a label and a text", name, line);
  return {};
}

/// Collects labelled texts and checks each.
class Collector {
 public:
  Collector(std::string name, const std::vector<std::string>& labels) : name_(std::move(name)), labels_(labels) {}

  void add(std::string label, std::string text, Index line) {
    require<FileError>(!is_blank(label), "{}, line {}: the label is empty", name_, line);
    require<FileError>(!is_blank(text), "{}, line {}: the text is empty", name_, line);
    require<FileError>(labels_.empty() || std::ranges::find(labels_, label) != labels_.end(),
                       "{}, line {}: label '{}' is none of {}", name_, line, label, labels_);
    rows_.push_back({std::move(label), std::move(text)});
  }

  std::vector<Labelled> take() {
    require<FileError>(!rows_.empty(), "{}: no labelled texts", name_);
    return std::move(rows_);
  }

 private:
  std::string name_;
  const std::vector<std::string>& labels_;
  std::vector<Labelled> rows_;
};

std::vector<Labelled> labelled_csv(const std::filesystem::path& path, Collector collector, ReadReport& report) {
  CsvTable table = read_table(path, {});
  const Columns columns = find_columns(table, path.string());
  for (Index i = columns.named ? 1 : 0; i < table.rows.size(); ++i) {
    auto& row = table.rows[i];
    collector.add(std::move(row[columns.label]), std::move(row[columns.text]), table.lines[i]);
  }
  report.blank_lines = table.blank_lines;
  return collector.take();
}

std::vector<Labelled> labelled_lines(const std::filesystem::path& path, Collector collector, ReadReport& report) {
  std::string bytes = read_bytes(path);
  report.latin1 = !valid_utf8(bytes);
  if (report.latin1) bytes = latin1_to_utf8(bytes);
  const std::string text = unix_line_ends(without_bom(bytes));

  std::vector<std::pair<std::string_view, Index>> lines;
  for (Index begin = 0, line = 1; begin < text.size(); ++line) {
    const Index end = std::min(text.find('\n', begin), text.size());
    const std::string_view content = std::string_view(text).substr(begin, end - begin);
    if (is_blank(content)) {
      ++report.blank_lines;
    } else {
      lines.emplace_back(content, line);
    }
    begin = end + 1;
  }
  const bool tabs =
      std::ranges::all_of(lines, [](const auto& line) { return line.first.find('\t') != std::string_view::npos; });
  for (const auto& [content, line] : lines) {
    const Index split = content.find_first_of(tabs ? "\t" : " \t");
    require<FileError>(split != std::string_view::npos, "{}, line {}: '{}' without a text, expected 'label text'",
                       path.string(), line, content);
    collector.add(std::string(content.substr(0, split)), std::string(content.substr(split + 1)), line);
  }
  return collector.take();
}

}  // namespace

CsvTable parse_csv(std::string_view text, CsvOptions options, std::string_view name) {
  require<UsageError>(options.separator != '"' && options.separator != '\n' && options.separator != '\r',
                      "csv: the separator may not be a quote or a line end");
  return CsvParser(without_bom(text), options.separator, name).parse();
}

std::vector<std::vector<std::string>> read_csv(const std::filesystem::path& path, CsvOptions options) {
  return read_table(path, options).rows;
}

std::vector<Labelled> read_labelled(const std::filesystem::path& path, const std::vector<std::string>& labels,
                                    ReadReport* report) {
  ReadReport met;
  Collector collector(path.string(), labels);
  auto rows = lower(path.extension().string()) == ".csv" ? labelled_csv(path, std::move(collector), met)
                                                         : labelled_lines(path, std::move(collector), met);
  if (report) *report = met;
  return rows;
}

}  // namespace unroll
