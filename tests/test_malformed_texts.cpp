// Text files that no reader should fall over, each through the reader of its kind.
#include <doctest/doctest.h>

#include <map>

#include <unroll/core/error.h>
#include <unroll/data/batches.h>
#include <unroll/data/labelled.h>
#include <unroll/data/text.h>
#include <unroll/data/vocab.h>

#include <unroll/tests/allocations.h>
#include <unroll/tests/malformed_files.h>
#include <unroll/tests/temporary_folder.h>

using namespace unroll;
using namespace unroll::testing;
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> task_labels{"neg", "pos"};

/// What the reader of this kind of file makes of it, as [text, label] pairs or as one text.
nlohmann::json read(const fs::path& path, const std::vector<std::string>& labels = task_labels) {
  const fs::path kind = path.extension();
  nlohmann::json all = nlohmann::json::array();
  if (kind == ".csv" || kind == ".jsonl") {
    for (const auto& [label, text] : read_labelled(path, labels)) all.push_back({text, label});
  } else if (kind == ".vocab") {
    const Vocab vocab = Vocab::read(path);
    for (const std::string& token : vocab.tokens()) all.push_back(token);
  } else {
    all = read_text(path);
  }
  return all;
}

/// How the errors go on behind the file's name.
const std::map<std::string, std::string> complaints{
    {"bad_only_newlines.csv", ": blank lines only, expected labelled texts"},
    {"bad_only_bom.csv", ": the file is empty"},
    {"bad_missing_label_column.csv", ", line 1: no column 'label' among [\"text\", \"score\"]"},
    {"bad_dup_column.csv", ", line 1: the column 'text' stands twice"},
    {"bad_unknown_label.csv", ", line 3: label 'meh' is none of [\"neg\", \"pos\"]"},
    {"bad_empty_label.csv", ", line 2: the label is empty"},
    {"bad_too_few_fields.csv", ", line 3: 1 field, expected 2"},
    {"bad_utf8.csv", ", line 2, column 4: 0xE9 (byte 14) is not valid UTF-8"},
    {"bad_utf8_cut_eof.csv", ", line 2, column 2: 0xF0 (byte 12) is not valid UTF-8"},
    {"bad_utf8_overlong.csv", ", line 2, column 1: 0xC0 (byte 11) is not valid UTF-8"},
    {"bad_utf8_surrogate.csv", ", line 2, column 1: 0xED (byte 11) is not valid UTF-8"},
    {"bad_utf16le.csv", ": UTF-16; convert it to UTF-8 first"},
    {"bad_utf16be.csv", ", line 1: a NUL byte (byte 0); this is UTF-16 or no text at all, expected UTF-8"},
    {"bad_nul.csv", ", line 2: a NUL byte (byte 12); this is UTF-16 or no text at all, expected UTF-8"},
    {"bad_gzip.csv", ": compressed by gzip; unpack it first"},
    {"big_no_newline_50MB.csv", ", line 1: 1 field, expected a label and a text"},
    {"big_commas_1M.csv", ", line 2: more fields than the 2 of the first row"},
    {"bad_empty.txt", ": the file is empty"},
    {"bad_utf8.txt", ", line 2, column 3: 0xEF"},
    {"bad_cut.jsonl", ", line 2, column "},
    {"bad_array.jsonl", ", line 1: the line is a list, expected an object"},
    {"bad_type.jsonl", ", line 1: 'text' is a number, expected a string"},
    {"bad_dup_key.jsonl", ", line 1: the key 'text' stands twice"},
    {"bad_lone_surrogate.jsonl", ", line 1, column "},
    {"bad_dup.vocab", ", line 3: 'the' stands on line 2 already"},
    {"bad_blank.vocab", ", line 2: a blank line, expected a token"},
};

}  // namespace

TEST_CASE("malformed texts: every file as wanted") {
  const TemporaryFolder folder;
  const std::vector<FileCase> cases = file_cases("text");
  REQUIRE(cases.size() == 50);
  std::size_t refused = 0;
  for (const FileCase& c : cases) {
    CAPTURE(c.file);
    CAPTURE(c.why);
    const auto path = folder / c.file;
    const std::string bytes = c.bytes();
    write_bytes(path, bytes);
    const bool inferred = c.file == "ok_numeric_label.csv";
    const Index before = heap_bytes();
    reset_heap_peak();
    nlohmann::json got;
    const std::string message =
        message_of<FileError>([&] { got = read(path, inferred ? std::vector<std::string>{} : task_labels); }, path);
    CAPTURE(message.substr(0, 200));
    if (const auto wanted = complaints.find(c.file); wanted != complaints.end()) {
      ++refused;
      CHECK(c.wanted == "reject");
      CHECK(message.starts_with("FILE" + wanted->second));
      CHECK(message.size() < 1000);
      CHECK(got.is_null());
      CHECK(heap_peak() - before <= 3 * bytes.size() + 100'000);
    } else {
      CHECK(c.wanted != "reject");
      CHECK(message == "nothing was thrown");
      if (!c.rows.is_null()) CHECK(got == c.rows);
    }
    fs::remove(path);
  }
  CHECK(refused == complaints.size());
}

TEST_CASE("malformed texts: what is taken, and as what") {
  const TemporaryFolder folder;
  std::map<std::string, std::string> files;
  for (const FileCase& c : file_cases("text")) {
    if (c.wanted != "reject") {
      write_bytes(folder / c.file, c.bytes());
      files[c.file] = c.bytes();
    }
  }
  ReadReport report;
  read_labelled(folder / "ok_blank_lines.csv", task_labels, &report);
  CHECK(report.blank_lines == 4);
  CHECK(read(folder / "ok_cr_only.csv") == nlohmann::json::parse(R"([["good", "pos"], ["bad", "neg"]])"));
  for (const auto& [label, text] : read_labelled(folder / "big_single_line_50MB.csv")) {
    CHECK(label == "pos");
    CHECK(text == std::string(50'000'000, 'a'));
  }
  CHECK(read(folder / "big_quotes_20MB.csv").at(0).at(0) == std::string(10'000'000, '"'));
  for (const char* name : {"ok_plain.txt", "ok_no_newline.txt", "ok_utf8_across_64k.txt", "ok_utf8_across_4096.txt"}) {
    CAPTURE(name);
    CHECK(read_text(folder / name) == files.at(name));
  }
  CHECK(read_text(folder / "ok_bom.txt") == files.at("ok_bom.txt").substr(3));
  CHECK(read_text(folder / "ok_private_use.txt") == "\uE000\U0010FFFF\n");

  const std::vector<Id> one = Vocab::of_characters(read_text(folder / "ok_one_char.txt")).encode("a");
  CHECK(message_of<UsageError>([&] { stream(one, {.lanes = 1, .steps = 1}); }).starts_with("stream: "));
  CHECK(message_of<UsageError>([&] { Vocab::of_words(words(read_text(folder / "bad_only_space.txt"))); }) ==
        "Vocab: the text has no words");
  CHECK(Vocab::of_words(words(read_text(folder / "ok_same_count_words.txt")), {.unk = false}).tokens() ==
        std::vector<std::string>{"b", "a", "d", "c"});  // as first seen

  const Vocab vocab = Vocab::read(folder / "ok.vocab");
  for (Id id = 0; id < static_cast<Id>(vocab.size()); ++id) CHECK(vocab.id(vocab.token(id)) == id);
  CHECK(message_of<UsageError>([&] {
          Vocab::read(folder / "bad_no_unk.vocab").id("unseen");
        }).starts_with("'unseen' is not in the vocabulary"));
}

TEST_CASE("malformed texts: lines of 50 MB, files of nothing, and no files") {
  const TemporaryFolder folder;
  const std::string large(50'000'000, 'a');
  const auto complaint = [&](const char* name, const std::string& bytes) {
    const auto path = folder / name;
    write_bytes(path, bytes);
    return message_of<FileError>([&] { read(path, {}); }, path);
  };
  CHECK(complaint("a.txt", large) == "nothing was thrown");
  CHECK(complaint("a.jsonl", "{\"text\": \"" + large + "\", \"label\": \"a\"}") == "nothing was thrown");
  CHECK(complaint("b.jsonl", "{\"text\": \"" + large).starts_with("FILE, line 1, column 50000011: syntax error"));
  CHECK(complaint("c.jsonl", "{\"" + large + "\": 1}") == "FILE, line 1: no key 'text' in the object");
  CHECK(complaint("d.jsonl", large).size() < 1000);
  CHECK(complaint("a.vocab", large + "\n" + large).size() < 1000);
  CHECK(complaint("b.csv", "text," + large + "\na,b\n").size() < 1000);
  CHECK(complaint("c.csv", "text,label\na,\"" + large) ==
        "FILE, line 2, column 3: the quote that opens here is never closed");
  CHECK(complaint("d.csv", "text,label\na,\"b\"" + large) ==
        "FILE, line 2, column 6: text after a closing quote, expected ',' or the line's end");

  for (const char* name : {"n.csv", "n.jsonl", "n.txt", "n.vocab"}) {
    CAPTURE(name);
    CHECK(complaint(name, "") == "FILE: the file is empty");
    CHECK(complaint(name, "a\xff") == "FILE, line 1, column 2: 0xFF (byte 1) is not valid UTF-8");
    CHECK(complaint(name, std::string("ab\n\0c", 5)).starts_with("FILE, line 2: a NUL byte (byte 3)"));
    fs::permissions(folder / name, fs::perms(0200));
    {
      const Unprivileged somebody;
      CHECK(message_of<FileError>([&] { read(folder / name); }, folder / name) ==
            "FILE: cannot be opened: Permission denied");
    }
    fs::remove(folder / name);
    CHECK(message_of<FileError>([&] { read(folder / name); }, folder / name) ==
          "FILE: cannot be opened: No such file or directory");
    fs::create_directory(folder / name);
    CHECK(message_of<FileError>([&] { read(folder / name); }, folder / name) == "FILE: a directory, not a file");
  }
}
