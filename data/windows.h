// Sliding windows over columns of numbers, for forecasting.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <unroll/core/ids.h>
#include <unroll/data/made_range.h>
#include <unroll/data/numeric.h>

namespace unroll {

struct WindowOptions {
  Index length = 32;                       ///< T, rows that are seen
  Index horizon = 1;                       ///< H, rows behind them that are to be foretold
  Index stride = 1;                        ///< rows from one window to the next
  Index batch = 32;                        ///< B, windows in a batch; the last one may have fewer
  std::vector<std::string> targets = {};   ///< the G columns to be foretold; none: all
  std::optional<std::uint64_t> seed = {};  ///< a random order of the windows; none: that of time
};

/// Plain arrays, row-major and time-major; `Array::of({T, B, F}, inputs.data())` makes them an array of the engine.
struct WindowBatch {
  std::vector<double> inputs;   ///< [T, B, F]
  std::vector<double> targets;  ///< [H, B, G], the rows that follow each window
  std::vector<Index> rows;      ///< [B], where each window begins
};

/// All windows of a table, as a range of batches that are made one by one. Window w begins at row w S, sees the rows
/// w S … w S + T − 1 of all columns, and its targets are the H rows behind; there are
/// ⌊(N − T − H) / S⌋ + 1 windows, and no row is made up.
///
///     for (const WindowBatch& batch : windows(table, {.length = 24, .horizon = 6, .targets = {"load"}})) …
class Windows {
 public:
  using Iterator = MadeIterator<Windows, WindowBatch>;

  /// Errors: UsageError if `length`, `horizon`, `stride` or `batch` is 0, if the table has fewer than T + H rows, and
  /// for a target that is no column or stands twice.
  Windows(NumericTable table, WindowOptions options);

  /// How many batches there are.
  Index size() const { return starts_.size() / options_.batch + (starts_.size() % options_.batch > 0); }
  /// How many windows there are.
  Index count() const { return starts_.size(); }
  Index features() const { return table_.columns(); }
  Index targets() const { return targets_.size(); }
  /// Errors: UsageError if there are not so many batches.
  WindowBatch operator[](Index k) const;

  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, size()}; }

 private:
  NumericTable table_;
  WindowOptions options_;
  std::vector<Index> targets_;  // columns
  std::vector<Index> starts_;   // first rows, in the order of the batches
};

/// Errors: as the constructor of Windows.
Windows windows(NumericTable table, WindowOptions options = {});

}  // namespace unroll
