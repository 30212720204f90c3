// Comma-separated values (RFC 4180), and files of labelled texts.
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
/// Errors: FileError with the line for a quote that is never closed, for text after a closing quote, and for a row that
/// has not as many fields as the first one. UsageError for a separator that is a quote or a line end.
CsvTable parse_csv(std::string_view text, CsvOptions options = {}, std::string_view name = "csv");

/// The rows of a file. Errors: as `parse_csv` and `read_bytes`, and FileError for bytes that are not UTF-8.
std::vector<std::vector<std::string>> read_csv(const std::filesystem::path& path, CsvOptions options = {});

struct Labelled {
  std::string label, text;
};

/// What a reader did without being asked.
struct ReadReport {
  bool latin1 = false;    ///< the file was not UTF-8 and was decoded as Latin-1
  Index blank_lines = 0;  ///< skipped
};

/// The labelled texts of a file, in its order.
///
/// A `.csv` is comma-separated values in UTF-8. A first row with a field `label` or `text` names the columns and must
/// have each of the two once; without such a row the first field is the label and the second the text.
///
/// A file of any other name has one text per line, with its label before the first TAB if every line has one, else
/// before the first blank. If it is not UTF-8 it is decoded as Latin-1.
///
/// `labels` are those that may occur (none: any). `report`, if given, tells what was met on the way.
/// Errors: FileError with the line for a label or text that is missing or empty, for a label that may not occur, and
/// for a file without texts; others as `read_csv`.
std::vector<Labelled> read_labelled(const std::filesystem::path& path, const std::vector<std::string>& labels = {},
                                    ReadReport* report = nullptr);

}  // namespace unroll
