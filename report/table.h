// Small aligned tables of text, for every program's results.
#pragma once

#include <string>
#include <vector>

namespace unroll {

///     Table table({"model", "accuracy"});
///     table.row({"naive Bayes", "0.785"}).row({"BiLSTM", "0.778 ± 0.004"});
///     fmt::print("{}", table.to_string());
///
/// A column whose filled cells all read as numbers ("0.785", "12,345", "+3 %", "4.1M", "2m 05s", "–") is right-aligned.
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  /// Cells may hold colour escapes. Errors: as many cells as the header has.
  Table& row(std::vector<std::string> cells);
  /// Header, a line, and the rows, each ended by a newline; no blanks at the ends of lines.
  std::string to_string() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace unroll
