// Labelled texts of comma-separated files and of lines have a label and a text each and, written again, are the same.
#include <algorithm>

#include <unroll/data/labelled.h>

#include "fuzzing.h"

using namespace unroll;
using namespace unroll::fuzzing;

namespace {

using Rows = std::vector<Labelled>;

bool same(const Rows& a, const Rows& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return x.label == y.label && x.text == y.text; });
}

void check(const Rows& rows) {
  promise(!rows.empty(), "there are texts");
  for (const auto& [label, text] : rows) {
    promise(valid_utf8(label) && valid_utf8(text), "labels and texts are UTF-8");
    promise(!is_blank(label) && !is_blank(text), "no label or text is blank");
  }
}

std::string quoted(const std::string& field) {
  std::string text = "\"";
  for (const char c : field) text += c == '"' ? std::string(2, c) : std::string(1, c);
  return text + '"';
}

/// Behind a byte order mark, so that one of the first label's own is not taken for the file's.
std::string lines(const Rows& rows, const std::string& separator, bool label_last) {
  std::string text = "\xEF\xBB\xBF";
  for (const auto& row : rows) {
    text += label_last ? row.text + separator + row.label : row.label + separator + row.text;
    text += '\n';
  }
  return text;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = [](const std::filesystem::path& path) {
    return unless_refused<FileError>([&] { return read_labelled(path); });
  };
  if (const auto rows = read(file("in.csv", view(data, size)))) {
    check(*rows);
    std::string text = "label,text\n";
    for (const auto& row : *rows) text += quoted(row.label) + "," + quoted(row.text) + "\n";
    promise(same(read_labelled(file("again.csv", text)), *rows), "what is written in quotes is read again");
  }
  const auto path = file("in.txt", view(data, size));
  if (const auto rows = read(path)) {
    check(*rows);
    promise(same(read_labelled(file("again.txt", lines(*rows, "\t", false))), *rows), "lines are read again");
    unless_refused<FileError>([&] { return read_labelled(path, {rows->front().label}); });
  }
  for (const bool label_last : {false, true}) {
    for (const std::string separator : {"\t", " ||| "}) {
      const LabelledLinesOptions options{.separator = separator, .label_last = label_last};
      const auto rows = unless_refused<FileError>([&] { return read_labelled_lines(path, options); });
      if (!rows) continue;
      check(*rows);
      const auto again = read_labelled_lines(file("again.txt", lines(*rows, separator, label_last)), options);
      promise(same(again, *rows), "lines are read again");
    }
  }
  return 0;
}
