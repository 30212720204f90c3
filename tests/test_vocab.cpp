#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/text.h>
#include <unroll/data/vocab.h>
#include <unroll/io/checkpoint.h>

using namespace unroll;

namespace {

using Strings = std::vector<std::string>;
using IdList = std::vector<Id>;

}  // namespace

TEST_CASE("Vocab of characters") {
  const Vocab vocab = Vocab::of_characters("béé aaa\n");
  CHECK(vocab.kind() == Vocab::Kind::characters);
  CHECK(vocab.tokens() == Strings{"a", "é", "b", " ", "\n"});  // 3, 2, then 1 each as first seen
  CHECK(vocab.size() == 5);
  CHECK(vocab.encode("ab é") == IdList{0, 2, 3, 1});
  CHECK(vocab.decode({0, 2, 3, 1}) == "ab é");
  CHECK_FALSE(vocab.unk());
  CHECK_FALSE(vocab.eos());
  CHECK_FALSE(vocab.pad());
  CHECK_THROWS_WITH_AS(vocab.encode("aø"), "'ø' is not in the vocabulary of 5 tokens, which has no <unk>", UsageError);
  CHECK_THROWS_WITH_AS(Vocab::of_characters(""), "Vocab: the text has no characters", UsageError);
  CHECK_THROWS_AS(Vocab::of_characters("a\xFF"), UsageError);
}

TEST_CASE("Vocab of characters: a written <unk> is five characters") {
  const Vocab vocab = Vocab::of_characters("<unk>", {.unk = true});
  CHECK(vocab.size() == 6);
  CHECK(vocab.encode("<unk>") == IdList{1, 2, 3, 4, 5});
  CHECK(vocab.encode("z") == IdList{0});
}

TEST_CASE("Vocab of graphemes") {
  const std::string text = "e\u0301e\u0301 🇩🇪🇫🇷👩\u200D👧e\n";
  const Vocab vocab = Vocab::of_graphemes(text);
  CHECK(vocab.kind() == Vocab::Kind::graphemes);
  CHECK(vocab.tokens() == Strings{"e\u0301", " ", "🇩🇪", "🇫🇷", "👩\u200D👧", "e", "\n"});
  CHECK(vocab.encode("🇫🇷 e\u0301") == IdList{3, 1, 0});
  CHECK(vocab.decode(vocab.encode(text)) == text);
  CHECK_THROWS_WITH_AS(vocab.encode("e\u0301x"), "'x' is not in the vocabulary of 7 tokens, which has no <unk>",
                       UsageError);
  CHECK(Vocab::of_graphemes("a\nb\r\n", {.unk = true, .eos = true}).tokens() ==
        Strings{"<unk>", "<eos>", "a", "b", "\r\n"});
  CHECK_THROWS_WITH_AS(Vocab::of_graphemes(""), "Vocab: the text has no graphemes", UsageError);
  CHECK_THROWS_AS(Vocab::of_graphemes("a\xFF"), UsageError);
}

TEST_CASE("Vocab of bytes") {
  const Vocab vocab = Vocab::of_bytes();
  CHECK(vocab.kind() == Vocab::Kind::bytes);
  CHECK(vocab.size() == 256);
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const IdList ids = vocab.encode(all);
  for (Id id = 0; id < 256; ++id) CHECK(ids[static_cast<Index>(id)] == id);
  CHECK(vocab.decode(ids) == all);
  CHECK(vocab.encode("é<0xE9>") == IdList{0xC3, 0xA9, '<', '0', 'x', 'E', '9', '>'});
  CHECK(vocab.decode(vocab.encode("é<0xE9>")) == "é<0xE9>");
  CHECK(vocab.token('a') == "a");
  CHECK(vocab.token(0xE9) == "<0xE9>");
  CHECK(vocab.id("<0xE9>") == 0xE9);
  CHECK_FALSE(vocab.unk());
  for (const auto& token : vocab.tokens()) CHECK(valid_utf8(token));

  const Vocab marked = Vocab::of_bytes({.eos = true, .pad = true});
  CHECK(marked.size() == 257);
  CHECK(marked.pad() == 0);
  CHECK(marked.eos() == 1);
  CHECK(marked.encode(std::string("\0\n\v", 3)) == IdList{2, 1, 12});
  CHECK(marked.decode(marked.encode(all)) == all);
}

TEST_CASE("Vocab: the kinds have names for files") {
  for (const auto kind : {Vocab::Kind::characters, Vocab::Kind::words, Vocab::Kind::bytes, Vocab::Kind::graphemes})
    CHECK(Vocab::kind_named(Vocab::kind_name(kind)) == kind);
  CHECK(Vocab::kind_name(Vocab::Kind::graphemes) == "graphemes");
  CHECK_THROWS_WITH_AS(Vocab::kind_named("word"),
                       "Vocab: 'word' is no kind of vocabulary, expected one of characters, words, bytes, graphemes",
                       UsageError);
}

TEST_CASE("Vocab of words: order") {
  CHECK(Vocab::of_words(split_whitespace("b a d c\nb a d c\n"), {.unk = false}).tokens() ==
        Strings{"b", "a", "d", "c"});
  Strings many;
  for (int i = 0; i < 100; ++i) many.push_back(fmt::format("w{}", i * 37 % 100));
  CHECK(Vocab::of_words(many, {.unk = false}).tokens() == many);
  CHECK(Vocab::of_words({"x", "y", "z", "y"}, {.unk = true, .eos = true, .pad = true}).tokens() ==
        Strings{"<pad>", "<unk>", "<eos>", "y", "x", "z"});
}

TEST_CASE("Vocab of words: least count and greatest size") {
  const Strings tokens = split_whitespace("a b c a b a d");
  CHECK(Vocab::of_words(tokens, {.min_count = 2}).tokens() == Strings{"<unk>", "a", "b"});
  CHECK(Vocab::of_words(tokens, {.max_size = 3}).tokens() == Strings{"<unk>", "a", "b"});
  CHECK(Vocab::of_words(tokens, {.max_size = 100}).size() == 5);
  CHECK(Vocab::of_words(tokens, {.max_size = 1, .unk = false}).tokens() == Strings{"a"});
  CHECK_THROWS_WITH_AS(Vocab::of_words(tokens, {.max_size = 1}),
                       "Vocab: max_size 1 leaves no room besides 1 special tokens", UsageError);
  CHECK_THROWS_WITH_AS(Vocab::of_words(tokens, {.min_count = 4}), "Vocab: no token is seen 4 times", UsageError);
  CHECK_THROWS_WITH_AS(Vocab::of_words({}), "Vocab: the text has no words", UsageError);
  CHECK_THROWS_WITH_AS(Vocab::of_words({"a", ""}), "Vocab: the word with id 2 is blank", UsageError);
}

TEST_CASE("Vocab of words: unknown words") {
  const Vocab vocab = Vocab::of_words({"the", "cat", "the"});
  CHECK(vocab.unk() == 0);
  CHECK(vocab.id("the") == 1);
  CHECK(vocab.id("dog") == 0);
  CHECK(vocab.contains("cat"));
  CHECK_FALSE(vocab.contains("dog"));
  CHECK(vocab.decode(vocab.encode("the dog")) == "the <unk>");
  CHECK(vocab.token(2) == "cat");
  CHECK_THROWS_WITH_AS(vocab.token(3), "id 3 is outside the vocabulary of 3 tokens", UsageError);
  CHECK_THROWS_WITH_AS(vocab.token(-1), "id -1 is outside the vocabulary of 3 tokens", UsageError);
  CHECK_THROWS_WITH_AS(vocab.decode({0, 7}), "id 7 is outside the vocabulary of 3 tokens", UsageError);
}

TEST_CASE("Vocab of words: a special token written in the text is the special one") {
  const Strings tokens = {"<unk>", "a", "<unk>", "<unk>", "a", "b"};
  const Vocab asked = Vocab::of_words(tokens);
  CHECK(asked.tokens() == Strings{"<unk>", "a", "b"});
  CHECK(asked.encode("b <unk> zzz") == IdList{2, 0, 0});
  const Vocab not_asked = Vocab::of_words({"a", "<unk>", "a"}, {.unk = false});
  CHECK(not_asked.unk() == 1);
  CHECK(not_asked.id("zzz") == 1);
}

TEST_CASE("Vocab: EOS is the end of a line, in both directions") {
  const std::string text = "the cat\n\nthe mat\n";
  const Vocab of_words = Vocab::of_words(words(text), {.eos = true});
  CHECK(of_words.tokens() == Strings{"<unk>", "<eos>", "the", "cat", "mat"});
  CHECK(of_words.encode(text) == IdList{2, 3, 1, 1, 2, 4, 1});
  CHECK(of_words.decode(of_words.encode(text)) == text);
  CHECK(of_words.encode("the cat") == IdList{2, 3});  // a prefix does not end the line
  CHECK(of_words.encode("cat<eos>") == IdList{3, 1});
  CHECK(Vocab::of_words(words(text)).encode(text) == IdList{1, 2, 1, 3});

  const Vocab of_characters = Vocab::of_characters(text, {.unk = false, .eos = true});
  CHECK(of_characters.eos() == 0);
  CHECK(of_characters.encode("a\n") == IdList{of_characters.id("a"), 0});
  CHECK(of_characters.encode(characters(text)) == of_characters.encode(text));
  CHECK(of_characters.decode(of_characters.encode(text)) == text);
}

TEST_CASE("Vocab: decode after encode is the identity in vocabulary") {
  const std::string text = "Ein Mädchen – “don't”, sagte sie… 😀\n\tÜber 1,000 e\u0301!\n";
  const Vocab of_characters = Vocab::of_characters(text);
  CHECK(of_characters.decode(of_characters.encode(text)) == text);

  const Strings tokens = words(text);
  for (const bool eos : {false, true}) {
    const Vocab of_words = Vocab::of_words(tokens, {.unk = false, .eos = eos});
    Strings back;
    for (const Id id : of_words.encode(tokens)) back.push_back(of_words.token(id));
    CHECK(back == tokens);
    const IdList ids = of_words.encode(text);
    CHECK(of_words.encode(of_words.decode(ids)) == ids);
  }
}

TEST_CASE("Vocab: words with marks that the vocabulary knows stay whole") {
  const Vocab tokenised = Vocab::of_words({"mr.", "smith", ".", "n.v.", "was"});
  CHECK(tokenised.encode("mr. smith was.") == IdList{1, 2, 5, 3});
  const Vocab raw = Vocab::of_words(words("Mr. Smith, was."));
  CHECK(raw.encode("Mr. Smith was.") == raw.encode(words("Mr. Smith was.")));
}

TEST_CASE("Vocab: from_tokens restores it, and checks") {
  for (const Vocab& vocab : {Vocab::of_characters("hello\nworld", {.unk = true, .eos = true, .pad = true}),
                             Vocab::of_words({"a", "<unk>", "b", "a"}, {.unk = false, .eos = true}), Vocab::of_bytes(),
                             Vocab::of_bytes({.eos = true, .pad = true}),
                             Vocab::of_graphemes("hello a\ne\u0301", {.unk = true, .eos = true})}) {
    Checkpoint file;
    put_strings(file, "tokens", vocab.tokens());
    file.metadata["kind"] = Vocab::kind_name(vocab.kind());
    const Vocab back = Vocab::from_tokens(Vocab::kind_named(get_text(file, "kind")), get_strings(file, "tokens"));
    CHECK(back == vocab);
    CHECK(back.unk() == vocab.unk());
    CHECK(back.eos() == vocab.eos());
    CHECK(back.pad() == vocab.pad());
    CHECK(back.encode("hello a\n") == vocab.encode("hello a\n"));
  }
  constexpr auto words = Vocab::Kind::words;
  constexpr auto characters = Vocab::Kind::characters;
  CHECK_FALSE(Vocab::from_tokens(words, {"a"}) == Vocab::from_tokens(characters, {"a"}));
  CHECK_THROWS_WITH_AS(Vocab::from_tokens(words, {"<pad>", "the", "the"}),
                       "Vocab: 'the' stands twice, with the ids 1 and 2", UsageError);
  CHECK_THROWS_WITH_AS(Vocab::from_tokens(words, {"a", " "}), "Vocab: the word with id 1 is blank", UsageError);
  CHECK_THROWS_WITH_AS(Vocab::from_tokens(characters, {"a", "bc"}), "Vocab: 'bc' (id 1) is not one character",
                       UsageError);
  CHECK_THROWS_AS(Vocab::from_tokens(characters, {""}), UsageError);
  CHECK_THROWS_WITH_AS(Vocab::from_tokens(characters, {"<eos>", "\n"}),
                       "Vocab: the line end is a token of its own beside <eos>", UsageError);
  constexpr auto graphemes = Vocab::Kind::graphemes;
  CHECK_THROWS_WITH_AS(Vocab::from_tokens(graphemes, {"e\u0301", "ab"}),
                       ("Vocab: 'ab' (id 1) is not one grapheme of Unicode " + unicode_version()).c_str(), UsageError);
  CHECK_THROWS_AS(Vocab::from_tokens(graphemes, {""}), UsageError);
  Strings bytes = Vocab::of_bytes().tokens();
  bytes.pop_back();
  CHECK_THROWS_WITH_AS(Vocab::from_tokens(Vocab::Kind::bytes, bytes),
                       "Vocab: the byte 0xFF is missing, expected all 256", UsageError);
  for (const char* token : {"é", "ab", "<0x41>", "<0xe9>", "<0xE9", ""}) {
    bytes.front() = token;
    CHECK_THROWS_WITH_AS(Vocab::from_tokens(Vocab::Kind::bytes, bytes),
                         fmt::format("Vocab: '{}' (id 0) is not one byte", token).c_str(), UsageError);
  }
}

TEST_CASE("Vocab: read from a file of tokens") {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("unroll-vocab-{}.txt", getpid());
  const auto read = [&](std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
    return Vocab::read(path);
  };
  const Vocab vocab = read("<pad>\n<unk>\r\nthe\ncat");
  CHECK(vocab.tokens() == Strings{"<pad>", "<unk>", "the", "cat"});
  CHECK(vocab.kind() == Vocab::Kind::words);
  CHECK(vocab.pad() == 0);
  CHECK_THROWS_WITH_AS(read("<pad>\nthe\nthe\n"),
                       fmt::format("{}, line 3: 'the' stands on line 2 already", path.string()).c_str(), FileError);
  CHECK_THROWS_WITH_AS(read("<pad>\n\nthe\n"),
                       fmt::format("{}, line 2: a blank line, expected a token", path.string()).c_str(), FileError);
  CHECK_THROWS_WITH_AS(read("the\ncat\n").id("dog"), "'dog' is not in the vocabulary of 2 tokens, which has no <unk>",
                       UsageError);
  std::filesystem::remove(path);
}
