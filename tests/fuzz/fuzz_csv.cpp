// The rows of a file with comma-separated values are as wide as the first, and written in quotes they are the same.
#include <algorithm>

#include <unroll/data/csv.h>

#include "fuzzing.h"

using namespace unroll;
using namespace unroll::fuzzing;

namespace {

std::string in_quotes(const std::vector<std::vector<std::string>>& rows, char separator) {
  std::string text;
  for (const auto& row : rows) {
    for (Index i = 0; i < row.size(); ++i) {
      if (i > 0) text += separator;
      text += '"';
      for (const char c : row[i]) text += c == '"' ? std::string(2, c) : std::string(1, c);
      text += '"';
    }
    text += '\n';
  }
  return text;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = file("in.csv", view(data, size));
  for (const char separator : {',', ';', '\t'}) {
    const auto table = unless_refused<FileError>([&] { return read_csv_table(path, {.separator = separator}); });
    if (!table) continue;
    const std::string text = read_text(path);
    const Index lines = static_cast<Index>(std::ranges::count(text, '\n')) + 1;
    promise(table->lines.size() == table->rows.size(), "every row has its line");
    promise(std::ranges::is_sorted(table->lines, std::less_equal()), "rows begin on lines of their own");
    promise(table->rows.size() + table->blank_lines <= lines, "no line is read twice");
    for (Index i = 0; i < table->rows.size(); ++i) {
      const auto& row = table->rows[i];
      promise(table->lines[i] >= 1 && table->lines[i] <= lines, "rows begin within the file");
      promise(!row.empty() && row.size() == table->rows[0].size(), "rows are as wide as the first");
      for (const std::string& field : row) promise(valid_utf8(field), "fields are UTF-8");
    }
    const CsvTable again = parse_csv(in_quotes(table->rows, separator), {.separator = separator});
    promise(again.rows == table->rows && again.blank_lines == 0, "what is written in quotes is read again");
    if (!table->rows.empty() && table->rows[0][0] == "label") {
      unless_refused<FileError>([&] { return find_column(table->rows[0], "label"); });
    }
  }
  return 0;
}
