#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/csv.h>

using namespace unroll;

namespace {

using Rows = std::vector<std::vector<std::string>>;

/// A file that is gone at the end of the test.
struct TempFile {
  std::filesystem::path path;

  TempFile(std::string_view bytes, const char* extension)
      : path(std::filesystem::temp_directory_path() / fmt::format("unroll-csv-{}{}", getpid(), extension)) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  ~TempFile() { std::filesystem::remove(path); }
};

}  // namespace

// The expected rows follow from RFC 4180, and agree with Python's csv module (strict, newline='') where both read the
// text.
TEST_CASE("parse_csv: RFC 4180") {
  struct {
    const char* text;
    Rows expected;
  } const cases[] = {
      {"", {}},
      {"a,b\nc,d\n", {{"a", "b"}, {"c", "d"}}},
      {"a,b\r\nc,d", {{"a", "b"}, {"c", "d"}}},
      {"a,b\rc,d\r", {{"a", "b"}, {"c", "d"}}},
      {"\xEF\xBB\xBF\"a\",b\n", {{"a", "b"}}},
      {"\"a, b\",\"say \"\"no\"\"\"\n", {{"a, b", "say \"no\""}}},
      {"\"\"\"\",x\n\"\",\"\"\n", {{"\"", "x"}, {"", ""}}},
      {"\"one\ntwo\r\nthree\r\",x\ny,z\n", {{"one\ntwo\r\nthree\r", "x"}, {"y", "z"}}},
      {"  a  , \"b\"\n", {{"  a  ", " \"b\""}}},
      {"5\" disk,x\n", {{"5\" disk", "x"}}},
      {"a,\n,b\n,", {{"a", ""}, {"", "b"}, {"", ""}}},
      {"a\u2028b\u0085c,d\n", {{"a\u2028b\u0085c", "d"}}},
      {"\"a\"", {{"a"}}},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(parse_csv(text).rows == expected);
  }
  CHECK(parse_csv("a\tb,c\n", {.separator = '\t'}).rows == Rows{{"a", "b,c"}});
}

TEST_CASE("parse_csv: lines of the rows, and blank ones") {
  const CsvTable table = parse_csv("a,b\n\n\"c\n\r\n\",d\r\n\r\n\ne,f\n\n");
  CHECK(table.rows == Rows{{"a", "b"}, {"c\n\r\n", "d"}, {"e", "f"}});
  CHECK(table.lines == std::vector<Index>{1, 3, 8});
  CHECK(table.blank_lines == 4);
}

TEST_CASE("parse_csv: errors with their line") {
  const auto check = [](const char* text, const char* message) {
    CHECK_THROWS_WITH_AS(parse_csv(text, {}, "f.csv"), message, FileError);
  };
  check("a,b\nc,\"d\ne\n", "f.csv, line 2, column 3: the quote that opens here is never closed");
  check("a,\"", "f.csv, line 1, column 3: the quote that opens here is never closed");
  check("\"a\nb\" ,c\n", "f.csv, line 2, column 3: text after a closing quote, expected ',' or the line's end");
  check("a,b\n\nc\n", "f.csv, line 3: 1 field, expected 2 as in the first row");
  check("a,b,c\nd,e", "f.csv, line 2: 2 fields, expected 3 as in the first row");
  check("a,b\n\"x\ny\",\"\n\",\n", "f.csv, line 2: more fields than the 2 of the first row");
  CHECK_THROWS_AS(parse_csv("a", {.separator = '"'}), UsageError);
  CHECK_THROWS_AS(parse_csv("a", {.separator = '\n'}), UsageError);
}

TEST_CASE("parse_csv: large fields in linear time") {
  std::string quotes = "x,\"";
  for (int i = 0; i < 1'000'000; ++i) quotes += "\"\"";
  quotes += "\"\n";
  CHECK(parse_csv(quotes).rows.at(0).at(1) == std::string(1'000'000, '"'));
  CHECK_THROWS_AS(parse_csv("a,b\n" + std::string(1'000'000, ',')), FileError);
}

TEST_CASE("read_csv") {
  CHECK(read_csv(TempFile("\xEF\xBB\xBFé,b\r\n\"c\r\nd\",e\r\n", ".csv").path) == Rows{{"é", "b"}, {"c\r\nd", "e"}});
  const TempFile latin1("a,b\ncaf\xE9,d\n", ".csv");
  CHECK_THROWS_WITH_AS(
      read_csv(latin1.path),
      fmt::format("{}, line 2, column 4: 0xE9 (byte 7) is not valid UTF-8", latin1.path.string()).c_str(), FileError);
  const TempFile uneven("a;b\nc\n", ".csv");
  CHECK_THROWS_WITH_AS(read_csv(uneven.path, {.separator = ';'}),
                       fmt::format("{}, line 2: 1 field, expected 2 as in the first row", uneven.path.string()).c_str(),
                       FileError);
}
