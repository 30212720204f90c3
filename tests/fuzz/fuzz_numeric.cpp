// Columns of numbers are finite and, written out, the same bits again.
#include <bit>
#include <cmath>

#include <unroll/data/numeric.h>

#include "fuzzing.h"

using namespace unroll;
using namespace unroll::fuzzing;

namespace {

std::string written(const NumericTable& table, bool header) {
  std::string text;
  for (Index i = 0; header && i < table.columns(); ++i) {
    text += i > 0 ? ",\"" : "\"";
    for (const char c : table.names[i]) text += c == '"' ? std::string(2, c) : std::string(1, c);
    text += '"';
  }
  if (header) text += '\n';
  for (Index row = 0; row < table.rows(); ++row) {
    for (Index i = 0; i < table.columns(); ++i) text += fmt::format("{}{}", i > 0 ? "," : "", table(row, i));
    text += '\n';
  }
  return text;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (Index i = 0; i < a.size(); ++i) {
    if (std::bit_cast<std::uint64_t>(a[i]) != std::bit_cast<std::uint64_t>(b[i])) return false;
  }
  return true;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = file("in.csv", view(data, size));
  const auto read = [&](const NumericCsvOptions& options) {
    return unless_refused<FileError>([&] { return read_numeric_csv(path, options); });
  };
  read({.columns = {"b", "a"}, .separator = ';'});
  for (const bool header : {true, false}) {
    const auto table = read({.header = header});
    if (!table) continue;
    promise(table->rows() > 0 && table->values.size() == table->rows() * table->columns(), "the table is full");
    for (const std::string& name : table->names) promise(valid_utf8(name), "names are UTF-8");
    for (const double value : table->values) promise(std::isfinite(value), "numbers are finite");
    const NumericTable again = parse_numeric_csv(written(*table, header), {.header = header});
    promise(again.names == table->names && same_bits(again.values, table->values), "what is written is read again");
    const Normalisation norm = Normalisation::of(*table);
    promise(norm.invert(norm.apply(*table)).rows() == table->rows(), "a table can be normalised");
  }
  return 0;
}
