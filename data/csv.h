// Comma-separated values (RFC 4180).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

struct CsvOptions {
  char separator = ',';
};

struct CsvTable {
  std::vector<std::vector<std::string>> rows;
  std::vector<Index> lines;  ///< on which line, counted from 1, each row begins
  Index blank_lines = 0;     ///< skipped
};

/// The rows of a UTF-8 text; `name` stands for the file in errors. As RFC 4180 has it, a field in quotes may hold
/// separators, line ends (kept as they are) and doubled quotes, and blanks belong to the field. In a field that does
/// not begin with a quote, quotes are ordinary characters. Rows end in LF, CRLF or CR, the last one needs no end. A
/// byte order mark is dropped, a line with nothing on it is skipped and counted.
///
/// Errors: FileError with line and column (in code points) for a quote that is never closed and for text after a
/// closing quote, and with the line for a row that has not as many fields as the first one. UsageError for a separator
/// that is a quote or a line end.
CsvTable parse_csv(std::string_view text, CsvOptions options = {}, std::string_view name = "csv");

/// The rows of a file. Errors: as `parse_csv` and `read_bytes`, and FileError for bytes that are not UTF-8.
std::vector<std::vector<std::string>> read_csv(const std::filesystem::path& path, CsvOptions options = {});

/// The same, with the rows' lines and the count of blank ones.
CsvTable read_csv_table(const std::filesystem::path& path, CsvOptions options = {});

/// The one field of a header called `column`; `line` and `name` stand in errors for the place of the header.
/// Errors: FileError if there is none, with those that there are, or more than one.
Index find_column(const std::vector<std::string>& header, std::string_view column, Index line = 1,
                  std::string_view name = "csv");

}  // namespace unroll
