// Files of labelled texts: comma-separated, one text per line, or one JSON object per line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

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
/// A `.jsonl` is read by `read_json_lines`.
///
/// A file of any other name has one text per line, with its label before the first TAB if every line has one, else
/// before the first blank. If it is not UTF-8 it is decoded as Latin-1.
///
/// `labels` are those that may occur (none: any). `report`, if given, tells what was met on the way.
/// Errors: FileError with the line for a label or text that is missing or empty, for a label that may not occur, and
/// for a file without texts; others as `read_csv` and `read_json_lines`.
std::vector<Labelled> read_labelled(const std::filesystem::path& path, const std::vector<std::string>& labels = {},
                                    ReadReport* report = nullptr);

struct LabelledLinesOptions {
  std::string separator = "\t";          ///< what stands between the two: any text on one line, such as " ||| "
  bool label_last = false;               ///< `text<separator>label`, cut at the last separator of the line
  std::vector<std::string> labels = {};  ///< those that may occur; none: any
};

/// The labelled texts of a file with one `label<separator>text` per line, cut at the first separator. Line ends,
/// Latin-1, blank lines and errors as in `read_labelled`; UsageError for a separator that is empty or has a line end.
std::vector<Labelled> read_labelled_lines(const std::filesystem::path& path, const LabelledLinesOptions& options = {},
                                          ReadReport* report = nullptr);

struct JsonLinesOptions {
  std::string text = "text";             ///< the key of the text
  std::string label = "label";           ///< the key of the label; empty: there are no labels, and they are left empty
  std::vector<std::string> labels = {};  ///< those that may occur; none: any
};

/// The labelled texts of a file with one JSON object (RFC 8259) per line, in UTF-8. The text is a string; the label is
/// a string, a whole number, or true or false, whose spelling is kept (1 and "1" are the same label). Other keys are
/// skipped, whatever their value. Blank lines are skipped and counted.
/// Errors: FileError with line, column (in code points) and what was expected for a line that is not JSON, and with the
/// line for one that is no object, a key that is missing, of another type or there twice in the line's object, a number
/// beyond doubles, a text or label that is blank, a label that may not occur, a file without texts; others as
/// `read_text`.
/// UsageError if the two keys are the same, or that of the text is empty.
std::vector<Labelled> read_json_lines(const std::filesystem::path& path, const JsonLinesOptions& options = {},
                                      ReadReport* report = nullptr);

}  // namespace unroll
