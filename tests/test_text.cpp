#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/text.h>

using namespace unroll;
using namespace std::string_literals;

namespace {

using Strings = std::vector<std::string>;

/// A file that is gone at the end of the test.
struct TempFile {
  std::filesystem::path path = std::filesystem::temp_directory_path() / fmt::format("unroll-text-{}.txt", getpid());

  explicit TempFile(std::string_view bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  ~TempFile() { std::filesystem::remove(path); }

  std::string name() const { return path.string(); }
};

std::string read(std::string_view bytes) { return read_text(TempFile(bytes).path); }

/// The message of `read_text`, behind the file's name.
std::string complaint(std::string_view bytes) {
  const TempFile file(bytes);
  try {
    read_text(file.path);
  } catch (const FileError& error) {
    const std::string message = error.what();
    REQUIRE(message.starts_with(file.name()));
    return message.substr(file.name().size());
  }
  return "no error";
}

}  // namespace

TEST_CASE("read_text: byte order mark and line ends") {
  CHECK(read("the cat sat\non the mat\n") == "the cat sat\non the mat\n");
  CHECK(read("abc") == "abc");
  CHECK(read("a") == "a");
  CHECK(read(" \n\t\n") == " \n\t\n");
  CHECK(read("\xEF\xBB\xBFthe cat\n") == "the cat\n");
  CHECK(read("a\xEF\xBB\xBF") == "a\xEF\xBB\xBF");  // only the first is a mark
  CHECK(read("a\r\nb\rc\r\n\r\nd\n\re\r") == "a\nb\nc\n\nd\n\ne\n");
  CHECK(read("\xEE\x80\x80\xF4\x8F\xBF\xBF\n") == "\xEE\x80\x80\xF4\x8F\xBF\xBF\n");  // U+E000 and U+10FFFF
}

TEST_CASE("read_text: characters across the edges of any buffer") {
  for (const std::size_t edge : {4096UL, 65536UL, 1048576UL}) {
    const std::string text = std::string(edge - 1, 'x') + "é" + std::string(edge, 'y') + "ü";
    CHECK(read(text) == text);
  }
}

TEST_CASE("read_text: what is not UTF-8 is named with line, column and byte") {
  CHECK(complaint("ok\nna\xEFve\n") == ", line 2, column 3: 0xEF (byte 5) is not valid UTF-8");
  CHECK(complaint("\xEF\xBB\xBFé\r\nüé\xFF") == ", line 2, column 3: 0xFF (byte 11) is not valid UTF-8");
  CHECK(complaint("a\xF0\x9F") == ", line 1, column 2: 0xF0 (byte 1) is not valid UTF-8");         // cut by the end
  CHECK(complaint("\xC0\xAE") == ", line 1, column 1: 0xC0 (byte 0) is not valid UTF-8");          // overlong
  CHECK(complaint("\xED\xA0\x80") == ", line 1, column 1: 0xED (byte 0) is not valid UTF-8");      // a surrogate
  CHECK(complaint("\xF4\x90\x80\x80") == ", line 1, column 1: 0xF4 (byte 0) is not valid UTF-8");  // above U+10FFFF
}

TEST_CASE("read_text: files that are no text") {
  CHECK(complaint("") == ": the file is empty");
  CHECK(complaint("\xEF\xBB\xBF") == ": the file is empty");
  CHECK(complaint("\x1F\x8B\x08\x00"s) == ": compressed by gzip; unpack it first");
  CHECK(complaint("\xFF\xFEt\0e\0"s) == ": UTF-16; convert it to UTF-8 first");
  CHECK(complaint("\xFE\xFF\0t"s) == ": UTF-16; convert it to UTF-8 first");
  CHECK(complaint("a\rb\0"s) == ", line 2: a NUL byte (byte 3); this is UTF-16 or no text at all, expected UTF-8");
  CHECK(complaint("a\nb\0"s) == ", line 2: a NUL byte (byte 3); this is UTF-16 or no text at all, expected UTF-8");
  CHECK_THROWS_WITH_AS(read_text("no/such/file"), "no/such/file: cannot be opened: No such file or directory",
                       FileError);
  CHECK_THROWS_WITH_AS(read_text("/"), "/: a directory, not a file", FileError);
}

TEST_CASE("valid_utf8, latin1_to_utf8") {
  CHECK(valid_utf8(""));
  CHECK(valid_utf8("a\0b"s));
  CHECK(find_invalid_utf8("é\x80") == 2);
  CHECK(latin1_to_utf8("caf\xE9 \xFF\x85") == "café ÿ\u0085");
  for (int byte = 0; byte < 256; ++byte) CHECK(valid_utf8(latin1_to_utf8(std::string(1, static_cast<char>(byte)))));
}

TEST_CASE("characters: one code point each") {
  CHECK(characters("aé€😀\n") == Strings{"a", "é", "€", "😀", "\n"});
  CHECK(characters("e\u0301") == Strings{"e", "\u0301"});
  CHECK(characters("").empty());
  CHECK_THROWS_WITH_AS(characters("ab\xFF"), "the text is not UTF-8: byte 2 is 0xFF", UsageError);
  CHECK_THROWS_WITH_AS(character_at("ab", 2), "byte 2 of a text with 2 bytes", UsageError);
}

// From the rules of Unicode Standard Annex 29, and cases of its GraphemeBreakTest.txt.
TEST_CASE("graphemes: extended grapheme clusters") {
  struct {
    const char* text;
    Strings expected;
  } const cases[] = {
      {"", {}},
      {"abc", {"a", "b", "c"}},
      {"a\r\nb\n\rc", {"a", "\r\n", "b", "\n", "\r", "c"}},                              // GB3, GB4, GB5
      {"e\u0301\u0323o", {"e\u0301\u0323", "o"}},                                        // GB9, marks
      {"\u0301a", {"\u0301", "a"}},                                                      // a mark that follows nothing
      {"\n\u0308", {"\n", "\u0308"}},                                                    // or a line end
      {"\u1112\u1161\u11AB\uAC00\u11A8x", {"\u1112\u1161\u11AB", "\uAC00\u11A8", "x"}},  // GB6 – 8, Hangul
      {"\u0928\u0940", {"\u0928\u0940"}},                                                // GB9a, a spacing mark
      {"\u0600\u0661", {"\u0600\u0661"}},                                                // GB9b, prepended
      {"👩\u200D👩\u200D👧👍🏽!", {"👩\u200D👩\u200D👧", "👍🏽", "!"}},                  // GB11, and a tone of skin
      {"a\u200D👧", {"a\u200D", "👧"}},                                                  // no emoji before the joiner
      {"🇩🇪🇫🇷🇮", {"🇩🇪", "🇫🇷", "🇮"}},                                                      // GB12, GB13: flags by pairs
      {"a🇩🇪🇫", {"a", "🇩🇪", "🇫"}},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(graphemes(text) == expected);
  }
  CHECK(grapheme_at("xe\u0301y", 1) == "e\u0301");
  CHECK_THROWS_WITH_AS(graphemes("a\xFF"), "the text is not UTF-8: byte 1 is 0xFF", UsageError);
  CHECK_THROWS_WITH_AS(grapheme_at("a", 1), "byte 1 of a text with 1 bytes", UsageError);
  std::string marks = "a";
  for (int i = 0; i < 1'000'000; ++i) marks += "\u0301";
  CHECK(graphemes(marks + "b") == Strings{marks, "b"});
}

TEST_CASE("count_characters") {
  CHECK(count_characters("") == 0);
  CHECK(count_characters("aé€😀e\u0301\n") == 7);
}

TEST_CASE("split_whitespace: Unicode's White_Space") {
  CHECK(split_whitespace(" a  b\t\nc\r\n") == Strings{"a", "b", "c"});
  CHECK(split_whitespace(" \n\t\n").empty());
  CHECK(split_whitespace("").empty());
  // All 25 characters of the property, from PropList.txt.
  for (const char* space : {"\t",     "\n",     "\v",     "\f",     "\r",     " ",      "\u0085", "\u00A0", "\u1680",
                            "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
                            "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"}) {
    CHECK(split_whitespace("é"s + space + "b") == Strings{"é", "b"});
  }
  CHECK(is_blank(" \u3000\n"));
  CHECK(is_blank(""));
  CHECK_FALSE(is_blank(" é"));
  CHECK(split_whitespace("a\u200Bb\u001Cc").size() == 1);  // zero width space and file separator are none
}

TEST_CASE("split_words") {
  struct {
    const char* text;
    Strings expected;
  } const cases[] = {
      {"The cat sat, on the mat.", {"The", "cat", "sat", ",", "on", "the", "mat", "."}},
      {"Don't! It’s O'Neill's 'tis 'quoted'", {"Don't", "!", "It’s", "O'Neill's", "'", "tis", "'", "quoted", "'"}},
      {"a well-known e.g. 3.14 1,000 10:30 x,y a:b",
       {"a", "well-known", "e.g", ".", "3.14", "1,000", "10:30", "x", ",", "y", "a", ":", "b"}},
      {"wait... what?! no--yes!!", {"wait", "...", "what", "?", "!", "no", "--", "yes", "!!"}},
      {"(“Ça va?”)", {"(", "“", "Ça", "va", "?", "”", ")"}},
      {"snake_case C++ $9 50%", {"snake_case", "C", "++", "$", "9", "50", "%"}},
      {"cafe\u0301, ok😀😀👍", {"cafe\u0301", ",", "ok", "😀😀", "👍"}},
      {"co\u00ADop \U0001F469\u200D\U0001F4BB!", {"co\u00ADop", "\U0001F469\u200D", "\U0001F4BB", "!"}},
      {"Привет,мир 東京。", {"Привет", ",", "мир", "東京", "。"}},
      {"<unk>, (<eos>) <3 <> a<b", {"<unk>", ",", "(", "<eos>", ")", "<", "3", "<", ">", "a", "<", "b"}},
      {"it 's they 'LL -LRB- x -rrb- -x-", {"it", "'s", "they", "'LL", "-LRB-", "x", "-rrb-", "-", "x", "-"}},
      {" \n", {}},
      {"\u0301", {"\u0301"}},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    const Strings tokens = split_words(text);
    CHECK(tokens == expected);
    for (const auto& token : tokens) CHECK(split_words(token) == Strings{token});
  }
  CHECK_THROWS_AS(split_words("a\xFF"), UsageError);
}

TEST_CASE("words: a text that is cut into words already comes out unchanged") {
  for (const char* text : {
           "mr. <unk> is chairman of <unk> n.v. the dutch publishing group \n <unk> 's N ca n't",
           "it's so laddish and juvenile , only (teenage) boys' j . r . r . tolkien's 50% b-movie could .",
           "What is the St. Louis Arch ?",
           "effective but too-tepid biopic",
           "a patient/doctor pic , or so they say ...",
           "-lrb- it 's `` charming '' -- and ... -rrb- .",
       }) {
    CAPTURE(text);
    CHECK(words(text) == split_whitespace(text));
  }
  CHECK(words("First Citizen:\nSpeak, speak.\n") == Strings{"First", "Citizen", ":", "Speak", ",", "speak", "."});
  CHECK(words("Tu viens, Paul ?") == Strings{"Tu", "viens", ",", "Paul", "?"});  // blanks before some marks only
  CHECK(words("I loved it.") == Strings{"I", "loved", "it", "."});
  CHECK(words("").empty());
}

TEST_CASE("lower: one code point for one") {
  CHECK(lower("The ÉCOLE Ωmega Straße ДА 1!") == "the école ωmega straße да 1!");
  CHECK(lower("İ") == "i");
  CHECK(lower("") == "");
  CHECK_THROWS_AS(lower("\xC3"), UsageError);
}
