#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include <unroll/core/error.h>
#include <unroll/data/collector.h>
#include <unroll/data/numeric.h>
#include <unroll/data/text.h>

namespace unroll {
namespace {

std::string_view trimmed(std::string_view field) {
  constexpr std::string_view blanks = " \t";
  field.remove_prefix(std::min(field.find_first_not_of(blanks), field.size()));
  return field.substr(0, field.find_last_not_of(blanks) + 1);
}

/// The finite number that a field spells.
std::optional<double> number_in(std::string_view field) {
  field = trimmed(field);
  if (field.starts_with('+') && !field.starts_with("+-")) field.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// What the columns of a file are called.
std::vector<std::string> header_of(const CsvTable& csv, bool header, std::string_view name) {
  std::vector<std::string> names;
  const auto& first = csv.rows.front();
  if (!header) {
    for (Index i = 0; i < first.size(); ++i) names.push_back(fmt::format("{}", i));
    return names;
  }
  const bool numbers =
      std::ranges::all_of(first, [](const std::string& field) { return number_in(field).has_value(); });
  require<FileError>(!numbers,
                     "{}, line {}: numbers only, expected the names of the columns; a file without them is read with "
                     ".header = false",
                     name, csv.lines.front());
  for (const std::string& field : first) names.emplace_back(trimmed(field));
  return names;
}

Index find_name(const std::vector<std::string>& names, std::string_view name, const char* caller) {
  const auto found = std::ranges::find(names, name);
  require<UsageError>(found != names.end(), "{}: no column '{}' among {}", caller, name, names);
  return static_cast<Index>(found - names.begin());
}

}  // namespace

Index NumericTable::find(std::string_view name) const { return find_name(names, name, "NumericTable"); }

std::vector<double> NumericTable::column(std::string_view name) const {
  const Index place = find(name);
  std::vector<double> numbers;
  for (Index row = 0; row < rows(); ++row) numbers.push_back((*this)(row, place));
  return numbers;
}

NumericTable NumericTable::slice(Index begin, Index end) const {
  require<UsageError>(begin <= end && end <= rows(), "NumericTable: rows {} to {} of {} rows", begin, end, rows());
  const auto at = [&](Index row) { return values.begin() + static_cast<std::ptrdiff_t>(row * columns()); };
  return {names, {at(begin), at(end)}};
}

NumericTable parse_numeric_csv(std::string_view text, const NumericCsvOptions& options, std::string_view name) {
  const CsvTable csv = parse_csv(text, {.separator = options.separator}, name);
  const Index first = options.header ? 1 : 0;
  require<FileError>(csv.rows.size() > first, "{}: no rows of numbers", name);
  const std::vector<std::string> header = header_of(csv, options.header, name);
  NumericTable table;
  table.names = options.columns.empty() ? header : options.columns;
  std::vector<Index> places;
  for (const std::string& column : table.names) places.push_back(find_column(header, column, csv.lines.front(), name));
  table.values.reserve((csv.rows.size() - first) * places.size());
  for (Index row = first; row < csv.rows.size(); ++row) {
    for (Index i = 0; i < places.size(); ++i) {
      const std::string& field = csv.rows[row][places[i]];
      const auto number = number_in(field);
      if (!number)
        throw FileError(fmt::format("{}, line {}, column '{}': '{}' is no finite number", name, csv.lines[row],
                                    table.names[i], excerpt(field)));
      table.values.push_back(*number);
    }
  }
  return table;
}

NumericTable read_numeric_csv(const std::filesystem::path& path, const NumericCsvOptions& options) {
  const std::string bytes = read_bytes(path);
  require_utf8(bytes, path);
  return parse_numeric_csv(bytes, options, path.string());
}

Normalisation Normalisation::of(const NumericTable& training) {
  require<UsageError>(training.rows() > 0, "Normalisation: a table without rows");
  const auto n = static_cast<double>(training.rows());
  Normalisation norm{training.names, {}, {}};
  for (Index c = 0; c < training.columns(); ++c) {
    double sum = 0;
    bool constant = true;
    for (Index row = 0; row < training.rows(); ++row) {
      sum += training(row, c);
      constant = constant && training(row, c) == training(0, c);
    }
    const double mean = constant ? training(0, c) : sum / n;
    double largest = 0, squares = 0;  // in units of the largest, so that no square is 0 or infinite
    for (Index row = 0; row < training.rows(); ++row) largest = std::max(largest, std::abs(training(row, c) - mean));
    for (Index row = 0; row < training.rows(); ++row) {
      const double part = (training(row, c) - mean) / largest;
      squares += part * part;
    }
    norm.mean.push_back(mean);
    norm.deviation.push_back(constant ? 1.0 : largest * std::sqrt(squares / n));
  }
  return norm;
}

NumericTable Normalisation::apply(NumericTable table) const {
  for (Index c = 0; c < table.columns(); ++c) {
    const Index from = find_name(names, table.names[c], "Normalisation");
    for (Index row = 0; row < table.rows(); ++row) table(row, c) = (table(row, c) - mean[from]) / deviation[from];
  }
  return table;
}

NumericTable Normalisation::invert(NumericTable table) const {
  if (!table.names.empty()) invert(table.values, table.names);
  return table;
}

void Normalisation::invert(std::vector<double>& values, const std::vector<std::string>& columns) const {
  const auto& last_axis = columns.empty() ? names : columns;
  std::vector<Index> from;
  for (const std::string& column : last_axis) from.push_back(find_name(names, column, "Normalisation"));
  require(!from.empty() && values.size() % from.size() == 0,
          "Normalisation: an array of {} numbers has no last axis of {} columns", values.size(), from.size());
  for (Index i = 0; i < values.size(); ++i) {
    const Index c = from[i % from.size()];
    values[i] = deviation[c] * values[i] + mean[c];
  }
}

}  // namespace unroll
