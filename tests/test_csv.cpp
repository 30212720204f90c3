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
using Pairs = std::vector<std::pair<std::string, std::string>>;

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

Pairs labelled(std::string_view bytes, const char* extension, const std::vector<std::string>& labels = {},
               ReadReport* report = nullptr) {
  Pairs pairs;
  for (auto& [label, text] : read_labelled(TempFile(bytes, extension).path, labels, report))
    pairs.emplace_back(label, text);
  return pairs;
}

/// The message of `read_labelled`, behind the file's name.
std::string complaint(std::string_view bytes, const char* extension, const std::vector<std::string>& labels = {}) {
  const TempFile file(bytes, extension);
  try {
    read_labelled(file.path, labels);
  } catch (const FileError& error) {
    const std::string message = error.what();
    REQUIRE(message.starts_with(file.path.string()));
    return message.substr(file.path.string().size());
  }
  return "no error";
}

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
  check("a,b\nc,\"d\ne\n", "f.csv, line 2: the quote that opens here is never closed");
  check("a,\"", "f.csv, line 1: the quote that opens here is never closed");
  check("\"a\nb\" ,c\n", "f.csv, line 2: text after a closing quote, expected ',' or the line's end");
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

TEST_CASE("read_labelled: comma-separated") {
  CHECK(labelled("\xEF\xBB\xBF\"1\",\"fun, \"\"really\"\"\n\"\r\n\"0\",\"dull\n\"\r\n", ".CSV") ==
        Pairs{{"1", "fun, \"really\"\n"}, {"0", "dull\n"}});
  CHECK(labelled("pos,good,ignored\n", ".csv") == Pairs{{"pos", "good"}});
  CHECK(labelled("text,label\ngood,pos\nbad,neg\n", ".csv") == Pairs{{"pos", "good"}, {"neg", "bad"}});
  CHECK(labelled("id,label,text\r7,1,good\r", ".csv") == Pairs{{"1", "good"}});
  ReadReport report;
  CHECK(labelled("text,label\n\ngood,pos\n\n\nbad,neg\n\n", ".csv", {"neg", "pos"}, &report) ==
        Pairs{{"pos", "good"}, {"neg", "bad"}});
  CHECK(report.blank_lines == 4);
  CHECK_FALSE(report.latin1);

  CHECK(complaint("text,score\na,1\n", ".csv") == ", line 1: no column 'label' among [\"text\", \"score\"]");
  CHECK(complaint("label,body\n1,a\n", ".csv") == ", line 1: no column 'text' among [\"label\", \"body\"]");
  CHECK(complaint("text,label,text\na,pos,b\n", ".csv") == ", line 1: the column 'text' stands twice");
  CHECK(complaint("text,label\na,pos\nb,meh\n", ".csv", {"neg", "pos"}) ==
        ", line 3: label 'meh' is none of [\"neg\", \"pos\"]");
  CHECK(complaint("text,label\na,\n", ".csv") == ", line 2: the label is empty");
  CHECK(complaint("pos,\" \n\"\n", ".csv") == ", line 1: the text is empty");
  CHECK(complaint("text,label\na,pos\nb\n", ".csv") == ", line 3: 1 field, expected 2 as in the first row");
  CHECK(complaint("text,label\n", ".csv") == ": no labelled texts");
  CHECK(complaint("\n\n\n", ".csv") == ": blank lines only, expected labelled texts");
  CHECK(complaint("xxxx", ".csv") == ", line 1: 1 field, expected a label and a text");
  CHECK(complaint("caf\xE9,b\n", ".csv") == ", line 1, column 4: 0xE9 (byte 3) is not valid UTF-8");
}

TEST_CASE("read_labelled: one text per line") {
  CHECK(labelled("0 one long string .\n1 good\r\n", ".txt") == Pairs{{"0", "one long string ."}, {"1", "good"}});
  CHECK(labelled("very good\ta b\nbad\tc\td", ".tsv") == Pairs{{"very good", "a b"}, {"bad", "c\td"}});
  CHECK(labelled("0 a\tb\n1 c\n", ".all") == Pairs{{"0", "a\tb"}, {"1", "c"}});  // not every line has a TAB
  ReadReport report;
  CHECK(labelled("\xEF\xBB\xBF"
                 "DESC What's é ?\n\n",
                 "", {}, &report) == Pairs{{"DESC", "What's é ?"}});
  CHECK(report.blank_lines == 1);
  CHECK_FALSE(report.latin1);
  CHECK(labelled("0 caf\xE9\n1 x\x85y\n", ".txt", {}, &report) == Pairs{{"0", "café"}, {"1", "x\u0085y"}});
  CHECK(report.latin1);
  CHECK(report.blank_lines == 0);

  CHECK(complaint("0 a\n1\n", ".txt") == ", line 2: '1' without a text, expected 'label text'");
  CHECK(complaint("0 a\n 1 b\n", ".txt") == ", line 2: the label is empty");
  CHECK(complaint("0\ta\n1\t \n", ".txt") == ", line 2: the text is empty");
  CHECK(complaint("0 a\n\n2 b\n", ".txt", {"0", "1"}) == ", line 3: label '2' is none of [\"0\", \"1\"]");
  CHECK(complaint(" \n\n", ".txt") == ": no labelled texts");
}
