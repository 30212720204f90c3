#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/labelled.h>
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
       {"0", "-0", "12.50", "1e9", "-1.5E-3", "1e+999", "true", "false", "null", "\"\"", "\"]}\"", "[]", "{}", "[ ]",
        "{ }", "[1, [2, {\"a\": [], \"b\": {}}], \"c\"]", "{\"a\": {\"a\": [{}, []]}, \"b\" : 1}"}) {
    CAPTURE(value);
    CHECK(complaint_of_value(value) == "nothing was thrown");
  }
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  CHECK(complaint_of_value(deep) == "nothing was thrown");
}

TEST_CASE("read_json_lines: errors with line, column and what was expected") {
  // The cut comes on line 2.
  CHECK(complaint("{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": \"é") ==
        "FILE, line 2, column 12: expected the string's closing quote, found the end");
  CHECK(complaint("{\"text\": \"a\", \"label\": \"b\"") == "column 27: expected ',' or '}', found the end");
  CHECK(complaint("{\"text\": \"a\", ") == "column 15: expected a key in quotes, found the end");
  CHECK(complaint("{\"text\"") == "column 8: expected ':' behind a key, found the end");
  CHECK(complaint("[\"a\"]") == "column 1: expected an object, '{', found '['");
  CHECK(complaint("\"a\"") == "column 1: expected an object, '{', found '\"'");
  CHECK(complaint("text") == "column 1: expected an object, '{', found 't'");
  CHECK(complaint("{text: 1}") == "column 2: expected a key in quotes, found 't'");
  CHECK(complaint("{\"text\" \"a\"}") == "column 9: expected ':' behind a key, found '\"'");
  CHECK(complaint("{\"é\": 1 \"text\": \"a\"}") == "column 9: expected ',' or '}', found '\"'");
  CHECK(complaint("{\"text\": \"a\", \"label\": \"b\",}") == "column 28: expected a key in quotes, found '}'");
  CHECK(complaint("{\"text\": \"a\", \"label\": \"b\"} é") ==
        "column 29: expected the end behind the object, found 'é'");

  CHECK(complaint("{\"text\": 5, \"label\": \"b\"}") == "column 10: 'text' is a number, expected a string");
  CHECK(complaint("{\"text\": null, \"label\": \"b\"}") == "column 10: 'text' is null, expected a string");
  CHECK(complaint("{\"text\": [\"a\"], \"label\": 1}") == "column 10: 'text' is a list, expected a string");
  CHECK(complaint("{\"label\": {}, \"text\": \"a\"}") ==
        "column 11: 'label' is an object, expected a string, a whole number, true or false");
  CHECK(complaint("{\"label\": 1.5, \"text\": \"a\"}") ==
        "column 11: 'label' is 1.5, expected a string, a whole number, true or false");
  CHECK(complaint("{\"text\": \"a\", \"score\": 1}") == "column 1: no key 'label' in the object");
  CHECK(complaint(" {}") == "column 2: no key 'text' in the object");
  CHECK(complaint("{\"text\": \"a\", \"label\": 1, \"text\": \"b\"}") == "column 27: the key 'text' stands twice");
  CHECK(complaint("{\"x\": 1, \"\\u0078\": 2}") == "column 10: the key 'x' stands twice");

  CHECK(complaint(R"({"text": "a\ud83dz", "label": 1})") ==
        "column 12: \\uD83D is the first half of a surrogate pair, expected \\uDC00 to \\uDFFF behind it");
  CHECK(complaint(R"({"text": "\ud83d\u0041", "label": 1})") ==
        "column 11: \\uD83D is the first half of a surrogate pair, expected \\uDC00 to \\uDFFF behind it");
  CHECK(complaint(R"({"text": "\ude00\ud83d", "label": 1})") ==
        "column 11: \\uDE00 is the second half of a surrogate pair, expected the first before it");
  CHECK(complaint(R"({"text": "\u12x4", "label": 1})") ==
        "column 15: expected four hexadecimal digits behind \\u, found 'x'");
  CHECK(complaint(R"({"text": "\q", "label": 1})") ==
        "column 12: expected one of \" \\ / b f n r t u behind a backslash, found 'q'");
  CHECK(complaint("{\"text\": \"a\tb\", \"label\": 1}") ==
        "column 12: expected control characters of a string to be written as \\u00XX, found 0x09");

  CHECK(complaint_of_value("01") == "column 8: expected no digit behind a leading 0, found '1'");
  CHECK(complaint_of_value("1.") == "column 9: expected a digit, found ','");
  CHECK(complaint_of_value("-") == "column 8: expected a digit, found ','");
  CHECK(complaint_of_value("1e") == "column 9: expected a digit, found ','");
  CHECK(complaint_of_value("+1") == "column 7: expected a value, found '+'");
  CHECK(complaint_of_value("nul") == "column 7: expected a value, found 'n'");
  CHECK(complaint_of_value("NaN") == "column 7: expected a value, found 'N'");
  CHECK(complaint_of_value("[1 2]") == "column 10: expected ',' or ']', found '2'");
  CHECK(complaint_of_value("[1,]") == "column 10: expected a value, found ']'");
  CHECK(complaint_of_value("[1}") == "column 9: expected ',' or ']', found '}'");
  CHECK(complaint_of_value("{\"a\":}") == "column 12: expected a value, found '}'");
  CHECK(complaint_of_value("{\"a\":1,}") == "column 14: expected a key in quotes, found '}'");
  CHECK(complaint_of_value("{1:1}") == "column 8: expected a key in quotes, found '1'");

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
