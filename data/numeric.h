// Columns of numbers from a file, and their normalisation.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/core/ids.h>
#include <unroll/data/csv.h>

namespace unroll {

/// Numbers in named columns: [N, F], row by row.
struct NumericTable {
  std::vector<std::string> names;  ///< [F]
  std::vector<double> values;      ///< [N, F]

  Index columns() const { return names.size(); }
  Index rows() const { return names.empty() ? 0 : values.size() / names.size(); }
  double operator()(Index row, Index column) const { return values[row * columns() + column]; }
  double& operator()(Index row, Index column) { return values[row * columns() + column]; }

  /// The place of a column. Errors: UsageError if there is none of that name; it lists them.
  Index find(std::string_view name) const;
  /// The numbers of one column, from top to bottom. Errors: as `find`.
  std::vector<double> column(std::string_view name) const;
  /// Rows `begin` … `end` − 1. Errors: UsageError if there are not so many rows, or `end` is below `begin`.
  NumericTable slice(Index begin, Index end) const;
};

struct NumericCsvOptions {
  std::vector<std::string> columns = {};  ///< those to be read, in this order; none: all
  char separator = ',';
  bool header = true;  ///< the first row names the columns, blanks around names dropped; else they are "0", "1", …
};

/// The numbers of a text with comma-separated values; columns that are not asked for may hold anything. A number is
/// decimal ("1", "-2.5", "+1e-3"), may have blanks around it, and is finite. `name` stands for the file in errors.
/// Errors: FileError with line and column for what is no number, for a header in which all fields are numbers, for a
/// column that is missing or stands twice, and for a text without rows of numbers; others as `parse_csv`.
NumericTable parse_numeric_csv(std::string_view text, const NumericCsvOptions& options = {},
                               std::string_view name = "csv");

/// The same of a file. Errors: as `parse_numeric_csv` and `read_csv`.
NumericTable read_numeric_csv(const std::filesystem::path& path, const NumericCsvOptions& options = {});

/// Shifts and scales each column to mean 0 and deviation 1:
///   z = (x − m) / s      m = Σ xᵢ / N      s = √(Σ (xᵢ − m)² / N)
/// and s = 1 for a column whose numbers are all the same, which is so only shifted. Made from the part for training
/// alone, it normalises every other part by the same numbers:
///
///     const Normalisation norm = Normalisation::of(table.slice(0, 800));
///     const Windows train(norm.apply(table.slice(0, 800)), {.length = 24, .horizon = 6});
///     norm.invert(predictions, {"temperature"});             // [H, B, 1], in degrees again
struct Normalisation {
  std::vector<std::string> names;  ///< [F], the columns
  std::vector<double> mean;        ///< [F], m
  std::vector<double> deviation;   ///< [F], s

  /// Errors: UsageError for a table without rows.
  static Normalisation of(const NumericTable& training);

  /// Every column of the table by the numbers of its name. Errors: UsageError for a column that has none.
  NumericTable apply(NumericTable table) const;
  /// The inverse, x = s z + m: `invert(apply(table))` is `table` up to rounding. Errors: as `apply`.
  NumericTable invert(NumericTable table) const;
  /// The inverse for an array [..., G] whose last axis are `columns` (none: all of `names`), in place.
  /// Errors: UsageError as `apply`; ShapeError if G does not divide the array's size.
  void invert(std::vector<double>& values, const std::vector<std::string>& columns = {}) const;
};

}  // namespace unroll
