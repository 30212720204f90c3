#include <algorithm>
#include <optional>
#include <utility>

#include <unroll/core/error.h>
#include <unroll/data/collector.h>
#include <unroll/data/csv.h>
#include <unroll/data/labelled.h>
#include <unroll/data/text.h>

namespace unroll {
namespace {

struct Columns {
  Index label = 0;
  Index text = 1;
  bool named = false;
};

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

std::vector<Labelled> labelled_csv(const std::filesystem::path& path, Collector collector, ReadReport& report) {
  CsvTable table = read_csv_table(path);
  const Columns columns = find_columns(table, path.string());
  for (Index i = columns.named ? 1 : 0; i < table.rows.size(); ++i) {
    auto& row = table.rows[i];
    collector.add(std::move(row[columns.label]), std::move(row[columns.text]), table.lines[i]);
  }
  report.blank_lines = table.blank_lines;
  return collector.take();
}

struct Line {
  std::string_view content;
  Index number;
};

/// The lines of a file that are not blank, as views into `text`.
std::vector<Line> lines_of(const std::filesystem::path& path, std::string& text, ReadReport& report) {
  std::string bytes = read_bytes(path);
  report.latin1 = !valid_utf8(bytes);
  if (report.latin1) bytes = latin1_to_utf8(bytes);
  text = unix_line_ends(without_bom(bytes));
  std::vector<Line> lines;
  report.blank_lines = for_each_line(text, [&](std::string_view content, Index number) {
    lines.push_back({content, number});
  });
  return lines;
}

std::vector<Labelled> labelled_lines(const std::filesystem::path& path, Collector collector, ReadReport& report) {
  std::string text;
  const std::vector<Line> lines = lines_of(path, text, report);
  const bool tabs =
      std::ranges::all_of(lines, [](const Line& line) { return line.content.find('\t') != std::string_view::npos; });
  for (const auto& [content, number] : lines) {
    const Index split = content.find_first_of(tabs ? "\t" : " \t");
    if (split == std::string_view::npos)
      throw FileError(fmt::format("{}, line {}: '{}' without a text, expected 'label text'", path.string(), number,
                                  excerpt(content)));
    collector.add(std::string(content.substr(0, split)), std::string(content.substr(split + 1)), number);
  }
  return collector.take();
}

}  // namespace

std::string excerpt(std::string_view text) {
  constexpr Index longest = 60;
  Index end = 0;
  for (Index count = 0; end < text.size() && count < longest; ++count) end += character_at(text, end).size();
  return std::string(text.substr(0, end)) + (end < text.size() ? "…" : "");
}

std::vector<Labelled> read_labelled(const std::filesystem::path& path, const std::vector<std::string>& labels,
                                    ReadReport* report) {
  std::string extension = path.extension().string();  // of any bytes
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (extension == ".jsonl") return read_json_lines(path, {.labels = labels}, report);
  ReadReport met;
  Collector collector(path.string(), labels);
  auto rows = extension == ".csv" ? labelled_csv(path, std::move(collector), met)
                                  : labelled_lines(path, std::move(collector), met);
  if (report) *report = met;
  return rows;
}

std::vector<Labelled> read_labelled_lines(const std::filesystem::path& path, const LabelledLinesOptions& options,
                                          ReadReport* report) {
  const std::string& separator = options.separator;
  require<UsageError>(!separator.empty() && separator.find_first_of("\r\n") == std::string::npos,
                      "read_labelled_lines: the separator is '{}', expected a text without line ends", separator);
  ReadReport met;
  Collector collector(path.string(), options.labels);
  std::string text;
  for (const auto& [content, number] : lines_of(path, text, met)) {
    const Index split = options.label_last ? content.rfind(separator) : content.find(separator);
    if (split == std::string_view::npos)
      throw FileError(fmt::format("{}, line {}: no '{}' in '{}', expected '{}'", path.string(), number, separator,
                                  excerpt(content),
                                  options.label_last ? "text" + separator + "label" : "label" + separator + "text"));
    std::string before(content.substr(0, split));
    std::string after(content.substr(split + separator.size()));
    if (options.label_last) std::swap(before, after);
    collector.add(std::move(before), std::move(after), number);
  }
  if (report) *report = met;
  return collector.take();
}

}  // namespace unroll
