#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/labelled.h>
#include <unroll/data/text.h>
#include <unroll/tests/temporary_folder.h>

using namespace unroll;
using namespace std::string_literals;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs read(std::string_view bytes, const JsonLinesOptions& options = {}, ReadReport* report = nullptr) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", bytes);
  Pairs pairs;
  for (const auto& [label, text] : read_json_lines(folder / "file", options, report)) pairs.emplace_back(label, text);
  return pairs;
}

/// The message of the reader, behind the file's name.
std::string complaint(std::string_view bytes, const JsonLinesOptions& options = {}) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", bytes);
  const std::string message =
      message_of<FileError>([&] { read_json_lines(folder / "file", options); }, folder / "file");
  return message.starts_with("FILE, line 1, ") ? message.substr(14) : message;
}

/// The complaint about a value of a key that is not asked for, in column 7.
std::string complaint_of_value(const std::string& value) {
  return complaint("{\"x\": " + value + ", \"text\": \"a\", \"label\": \"b\"}");
}

}  // namespace

TEST_CASE("read_json_lines") {
  CHECK(read("{\"text\": \"good\", \"label\": \"pos\"}\n{\"label\":\"neg\",\"text\":\"bad\"}") ==
        Pairs{{"pos", "good"}, {"neg", "bad"}});
  CHECK(read(" \t{ \"text\" :\t\"a b\" , \"label\" : 1 } \r\n") == Pairs{{"1", "a b"}});
  CHECK(read("{\"text\": \"a\", \"label\": -12}\n{\"text\": \"b\", \"label\": true}\n") ==
        Pairs{{"-12", "a"}, {"true", "b"}});
  CHECK(read("{\"sentence\": \"a\", \"stars\": \"5\", \"text\": 7}", {.text = "sentence", .label = "stars"}) ==
        Pairs{{"5", "a"}});
  CHECK(read("{\"text\": \"a\"}\n{\"text\": \"b\", \"label\": []}\n", {.label = ""}) == Pairs{{"", "a"}, {"", "b"}});
  ReadReport report;
  CHECK(read("\xEF\xBB\xBF\n{\"text\": \"a\", \"label\": \"1\"}\r\n \t\r\n\n", {}, &report) == Pairs{{"1", "a"}});
  CHECK(report.blank_lines == 3);
  CHECK_FALSE(report.latin1);
}

TEST_CASE("read_json_lines: escapes") {
  const auto text = [](const std::string& written) {
    return read("{\"text\": \"" + written + "\", \"label\": \"1\"}").at(0).second;
  };
  CHECK(text(R"(\"\\\/\b\f\n\r\t)") == "\"\\/\b\f\n\r\t");
  CHECK(text(R"(\u0041\u00e9\u00E9\u20ac)") == "Aéé€");
  CHECK(text(R"(\ud83d\ude00 \uD800\uDC00 \uDBFF\uDFFF)") == "😀 \U00010000 \U0010FFFF");
  CHECK(text(R"(a\u0000b)") == "a\0b"s);
  CHECK(text(R"({\"text\": \"\\u0041\"})") == R"({"text": "\u0041"})");  // JSON inside of JSON
  CHECK(text("é😀\u2028\x7F") == "é😀\u2028\x7F");
  CHECK(read(R"({"\u0074ext": "a", "label": "1"})") == Pairs{{"1", "a"}});
}

TEST_CASE("read_json_lines: what is not asked for may be any value") {
  for (const char* value :
       {"0", "-0", "12.50", "1e9", "-1.5E-3", "1e-999", "true", "false", "null", "\"\"", "\"]}\"", "[]", "{}", "[ ]",
        "{ }", "[1, [2, {\"a\": [], \"b\": {}}], \"c\"]", "{\"a\": {\"a\": [{}, []]}, \"b\" : 1}"}) {
    CAPTURE(value);
    CHECK(complaint_of_value(value) == "nothing was thrown");
  }
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  CHECK(complaint_of_value(deep) == "nothing was thrown");
}

TEST_CASE("read_json_lines: errors of JSON with line, column and what was expected") {
  // The cut comes on line 2. Behind the column stands what nlohmann's parser says, which may change with its version.
  CHECK(complaint("{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": \"é")
            .starts_with("FILE, line 2, column 12: syntax error while parsing value - invalid string"));
  const std::vector<std::pair<std::string, int>> columns{
      {"{\"text\": \"a\", \"label\": \"b\"", 27},
      {"{\"text\": \"a\", ", 15},
      {"{\"text\"", 8},
      {"{text: 1}", 3},
      {"{\"text\" \"a\"}", 11},
      {"{\"é\": 1 \"text\": \"a\"}", 14},
      {"{\"text\": \"a\", \"label\": \"b\",}", 28},
      {"{\"text\": \"a\", \"label\": \"b\"} é", 29},
      {R"({"text": "a\ud83dz", "label": 1})", 18},
      {R"({"text": "\ud83d\u0041", "label": 1})", 22},
      {R"({"text": "\ude00\ud83d", "label": 1})", 16},
      {R"({"text": "\u12x4", "label": 1})", 15},
      {R"({"text": "\q", "label": 1})", 12},
      {"{\"text\": \"a\tb\", \"label\": 1}", 12},
  };
  for (const auto& [bytes, column] : columns) {
    CAPTURE(bytes);
    const std::string message = complaint(bytes);
    CAPTURE(message);
    CHECK(message.starts_with(fmt::format("column {}: syntax error while parsing ", column)));
    CHECK_FALSE(message.ends_with(" "));
    CHECK(message.find("last read") == std::string::npos);
  }
  // A token may imitate what the parser says of it, and ends inside of a character here.
  for (const char* token : {"{\"; expected \":\xEF\xBB\xBF", "{\"; last read: '; expected \":\xEF\xBB\xBF"}) {
    const std::string message = complaint(token);
    CAPTURE(message);
    CHECK(message.find(": syntax error while parsing value") != std::string::npos);
    CHECK(valid_utf8(message));
    CHECK(message.find("; ") == std::string::npos);
  }
  for (const char* value : {"01", "1.", "-", "1e", "+1", "nul", "NaN", "[1 2]", "[1,]", "[1}", "{\"a\":}", "{\"a\":1,}",
                            "{1:1}", "'a'", "/**/1", "Infinity"}) {
    CAPTURE(value);
    CHECK(complaint_of_value(value).find(": syntax error while parsing ") != std::string::npos);
  }
  CHECK(complaint_of_value("1e999").find("1e999") != std::string::npos);  // JSON, but no double
}

TEST_CASE("read_json_lines: errors of meaning") {
  CHECK(complaint("[\"a\"]") == "FILE, line 1: the line is a list, expected an object");
  CHECK(complaint("\"a\"") == "FILE, line 1: the line is a string, expected an object");
  CHECK(complaint("5") == "FILE, line 1: the line is a number, expected an object");
  CHECK(complaint("{\"text\": 5, \"label\": \"b\"}") == "FILE, line 1: 'text' is a number, expected a string");
  CHECK(complaint("{\"text\": null, \"label\": \"b\"}") == "FILE, line 1: 'text' is null, expected a string");
  CHECK(complaint("{\"text\": [\"a\"], \"label\": 1}") == "FILE, line 1: 'text' is a list, expected a string");
  CHECK(complaint("{\"label\": {}, \"text\": \"a\"}") ==
        "FILE, line 1: 'label' is an object, expected a string, a whole number, true or false");
  CHECK(complaint("{\"label\": 1.5, \"text\": \"a\"}") ==
        "FILE, line 1: 'label' is 1.5, expected a string, a whole number, true or false");
  CHECK(complaint("{\"label\": 99999999999999999999, \"text\": \"a\"}") ==
        "FILE, line 1: 'label' is 99999999999999999999, expected a string, a whole number, true or false");
  CHECK(complaint("{\"text\": \"a\", \"score\": {\"label\": 1}}") == "FILE, line 1: no key 'label' in the object");
  CHECK(complaint(" {}") == "FILE, line 1: no key 'text' in the object");
  CHECK(complaint("{\"text\": \"a\", \"label\": 1, \"text\": \"b\"}") == "FILE, line 1: the key 'text' stands twice");
  CHECK(complaint("{\"x\": 1, \"\\u0078\": 2}") == "FILE, line 1: the key 'x' stands twice");
  CHECK(complaint("{\"text\": \" \", \"label\": 1}") == "FILE, line 1: the text is empty");
  CHECK(complaint("{\"text\": \"a\", \"label\": \"\"}") == "FILE, line 1: the label is empty");
  CHECK(complaint("{\"text\": \"a\", \"label\": 2}", {.labels = {"0", "1"}}) ==
        "FILE, line 1: label '2' is none of [\"0\", \"1\"]");
  CHECK(complaint(" \n\n") == "FILE: no labelled texts");
  CHECK(complaint("\n", {.label = ""}) == "FILE: no texts");
  CHECK(complaint("{\"text\": \"\xE9\"}") == "column 11: 0xE9 (byte 10) is not valid UTF-8");
  CHECK(complaint("") == "FILE: the file is empty");
  CHECK_THROWS_WITH_AS(read_json_lines("no/file", {.text = "a", .label = "a"}),
                       "read_json_lines: the keys are 'a' for the text and 'a' for the label, expected two of them",
                       UsageError);
}

TEST_CASE("read_json_lines: a long line in linear time") {
  const std::string escaped = [] {
    std::string text;
    for (int i = 0; i < 1'000'000; ++i) text += "\\n";
    return text;
  }();
  CHECK(read("{\"text\": \"x" + escaped + "\", \"label\": \"1\"}").at(0).second == "x" + std::string(1'000'000, '\n'));
}
