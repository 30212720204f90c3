#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/labelled.h>
#include <unroll/tests/temporary_folder.h>

using namespace unroll;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs pairs_of(const std::vector<Labelled>& rows) {
  Pairs pairs;
  for (const auto& [label, text] : rows) pairs.emplace_back(label, text);
  return pairs;
}

Pairs labelled(std::string_view bytes, const std::string& extension, const std::vector<std::string>& labels = {},
               ReadReport* report = nullptr) {
  const TemporaryFolder folder;
  write_bytes(folder / ("file" + extension), bytes);
  return pairs_of(read_labelled(folder / ("file" + extension), labels, report));
}

/// The message of `read_labelled`, behind the file's name.
std::string complaint(std::string_view bytes, const std::string& extension,
                      const std::vector<std::string>& labels = {}) {
  const TemporaryFolder folder;
  const auto path = folder / ("file" + extension);
  write_bytes(path, bytes);
  const std::string message = message_of<FileError>([&] { read_labelled(path, labels); }, path);
  return message.starts_with("FILE") ? message.substr(4) : message;
}

Pairs lines(std::string_view bytes, const LabelledLinesOptions& options, ReadReport* report = nullptr) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", bytes);
  return pairs_of(read_labelled_lines(folder / "file", options, report));
}

std::string lines_complaint(std::string_view bytes, const LabelledLinesOptions& options) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", bytes);
  return message_of<FileError>([&] { read_labelled_lines(folder / "file", options); }, folder / "file");
}

}  // namespace

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

TEST_CASE("read_labelled: the name of a file may be any bytes") {
  CHECK(labelled("pos good\n", ".\xE9t\xE9") == Pairs{{"pos", "good"}});
}

TEST_CASE("read_labelled: .jsonl") {
  ReadReport report;
  CHECK(labelled("{\"label\": \"pos\", \"text\": \"good\"}\n\n", ".jsonl", {"pos"}, &report) == Pairs{{"pos", "good"}});
  CHECK(report.blank_lines == 1);
  CHECK(complaint("{\"label\": \"pos\", \"text\": \"good\"}\n", ".JSONL", {"neg"}) ==
        ", line 1: label 'pos' is none of [\"neg\"]");
}

TEST_CASE("read_labelled: a long line is not quoted in full") {
  CHECK(complaint(std::string(1'000'000, 'x'), ".txt") ==
        ", line 1: '" + std::string(60, 'x') + "…' without a text, expected 'label text'");
  CHECK(complaint("text,label\na," + std::string(1'000'000, 'x'), ".csv", {"pos"}) ==
        ", line 2: label '" + std::string(60, 'x') + "…' is none of [\"pos\"]");
}

TEST_CASE("read_labelled_lines: a separator of one's own") {
  CHECK(lines("pos\tgood film\nneg\tbad\tfilm\n", {}) == Pairs{{"pos", "good film"}, {"neg", "bad\tfilm"}});
  CHECK(lines("very good ||| a | b\r\n\r\nbad ||| c ||| d", {.separator = " ||| "}) ==
        Pairs{{"very good", "a | b"}, {"bad", "c ||| d"}});
  CHECK(lines("So, so good.,1\nSad.,0\n", {.separator = ",", .label_last = true, .labels = {"0", "1"}}) ==
        Pairs{{"1", "So, so good."}, {"0", "Sad."}});
  CHECK(lines("1→é\n", {.separator = "→"}) == Pairs{{"1", "é"}});
  ReadReport report;
  CHECK(lines("\xEF\xBB\xBF"
              "1:a\n\n \n0:b",
              {.separator = ":"}, &report) == Pairs{{"1", "a"}, {"0", "b"}});
  CHECK(report.blank_lines == 2);
  CHECK_FALSE(report.latin1);
  CHECK(lines("1:caf\xE9\n", {.separator = ":"}, &report) == Pairs{{"1", "café"}});
  CHECK(report.latin1);
}

TEST_CASE("read_labelled_lines: errors") {
  CHECK(lines_complaint("1:a\n\nb\n", {.separator = ":"}) == "FILE, line 3: no ':' in 'b', expected 'label:text'");
  CHECK(lines_complaint("a 1\n", {.separator = ";", .label_last = true}) ==
        "FILE, line 1: no ';' in 'a 1', expected 'text;label'");
  CHECK(lines_complaint("1:a\n:b\n", {.separator = ":"}) == "FILE, line 2: the label is empty");
  CHECK(lines_complaint("1:a\n2: \n", {.separator = ":"}) == "FILE, line 2: the text is empty");
  CHECK(lines_complaint("1:a\n2:b\n", {.separator = ":", .labels = {"1"}}) ==
        "FILE, line 2: label '2' is none of [\"1\"]");
  CHECK(lines_complaint(" \n", {}) == "FILE: no labelled texts");
  CHECK(lines_complaint("", {}) == "FILE: the file is empty");
  CHECK_THROWS_WITH_AS(read_labelled_lines("no/file", {.separator = ""}),
                       "read_labelled_lines: the separator is '', expected a text without line ends", UsageError);
  CHECK_THROWS_AS(read_labelled_lines("no/file", {.separator = "a\n"}), UsageError);
}
