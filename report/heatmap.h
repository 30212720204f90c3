// A table of weights as a picture: which word of a sentence another one attends to.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <unroll/core/ids.h>
#include <unroll/report/terminal.h>

namespace unroll {

///     Heatmap map("Attention", source_words, target_words, weights);
///     map.save_svg("attention.svg");
///     fmt::print("{}", map.to_terminal());
///
/// Values are shown from 0 (empty) to 1 (full); others as the nearer of the two, NaN as 0.
class Heatmap {
 public:
  /// `values` are [rows, columns], row by row. Errors: ShapeError for another number of values.
  Heatmap(std::string title, std::vector<std::string> columns, std::vector<std::string> rows,
          std::vector<double> values);

  /// A complete SVG document with a transparent background, readable on white and on dark pages.
  std::string to_svg() const;
  /// Errors: FileError when it cannot be written; `path` never holds half a picture.
  void save_svg(const std::filesystem::path& path) const;
  /// A line for each row: its name and a block for each column, darker for more; the columns' names stand below, from
  /// top to bottom.
  std::string to_terminal(bool coloured = colour_wanted(stdout)) const;

 private:
  double value(Index row, Index column) const;

  std::string title_;
  std::vector<std::string> columns_, rows_;
  std::vector<double> values_;
};

}  // namespace unroll
