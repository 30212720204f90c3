#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/byte_pairs.h>
#include <unroll/data/pretokenise.h>
#include <unroll/data/text.h>
#include <unroll/io/checkpoint.h>
#include <unroll/tests/golden/byte_pair_values.h>

using namespace unroll;

namespace {

using Strings = std::vector<std::string>;
using IdList = std::vector<Id>;

Strings pieces(std::string_view text) {
  Strings all;
  for (Index at = 0; at < text.size(); at += all.back().size()) all.emplace_back(piece_at(text, at));
  return all;
}

/// Byte-pair encoding as its definition says it, with all counts anew before each merge.
struct Naive {
  std::map<std::string, Id> ids;
  std::vector<std::pair<Id, Id>> merges;
  Strings tokens = BytePairs::from_merges({}).tokens();

  Naive() {
    for (Index i = 0; i < tokens.size(); ++i) ids[tokens[i]] = static_cast<Id>(i);
  }

  IdList bytes(const std::string& piece) const {
    IdList list;
    for (const char byte : piece) list.push_back(ids.at(std::string(1, byte)));
    return list;
  }

  static IdList joined(const IdList& list, std::pair<Id, Id> pair, Id token) {
    IdList result;
    for (Index i = 0; i < list.size(); ++i) {
      const bool here = i + 1 < list.size() && list[i] == pair.first && list[i + 1] == pair.second;
      result.push_back(here ? token : list[i]);
      if (here) ++i;
    }
    return result;
  }

  void train(const std::string& text, Index size, Index min_count) {
    std::vector<IdList> lists;
    for (const auto& piece : pieces(text)) lists.push_back(bytes(piece));
    while (tokens.size() < size) {
      std::map<std::pair<Id, Id>, Index> counts;
      for (const auto& list : lists) {
        for (Index i = 0; i + 1 < list.size(); ++i) ++counts[{list[i], list[i + 1]}];
      }
      // std::map is in the order of the pairs, and max_element gives the first of equals.
      const auto best = std::max_element(counts.begin(), counts.end(),
                                         [](const auto& a, const auto& b) { return a.second < b.second; });
      if (best == counts.end() || best->second < min_count) return;
      const auto pair = best->first;
      const std::string token = tokens[static_cast<Index>(pair.first)] + tokens[static_cast<Index>(pair.second)];
      const auto [known, is_new] = ids.emplace(token, static_cast<Id>(tokens.size()));
      if (is_new) tokens.push_back(token);
      if (std::ranges::find(merges, pair) == merges.end()) merges.push_back(pair);
      for (auto& list : lists) list = joined(list, pair, known->second);
    }
  }

  IdList encode(const std::string& text) const {
    IdList all;
    for (const auto& piece : pieces(text)) {
      IdList list = bytes(piece);
      while (true) {
        Index best = merges.size(), place = 0;
        for (Index i = 0; i + 1 < list.size(); ++i) {
          const auto found = std::ranges::find(merges, std::pair(list[i], list[i + 1]));
          const auto rank = static_cast<Index>(found - merges.begin());
          if (rank < best) best = rank, place = i;
        }
        if (best == merges.size()) break;
        const auto& [left, right] = merges[best];
        list[place] = ids.at(tokens[static_cast<Index>(left)] + tokens[static_cast<Index>(right)]);
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(place) + 1);
      }
      all.insert(all.end(), list.begin(), list.end());
    }
    return all;
  }
};

/// A text of `length` characters of `alphabet`.
std::string random_text(std::mt19937& random, const Strings& alphabet, Index length) {
  std::string text;
  for (Index i = 0; i < length; ++i) text += alphabet[random() % alphabet.size()];
  return text;
}

const Strings odd_alphabet{"a",  "b",  " ", "é", "e\u0301", "東",     "😀",  "\n",
                           "\t", "'s", "'", "1", ".",       "\u00A0", "\x7F"};

}  // namespace

TEST_CASE("piece_at: words with the blank before them, digits, marks, white space") {
  CHECK(pieces("It's 1 cup.") == Strings{"It", "'s", " 1", " cup", "."});
  CHECK(pieces("a  b\n\n c \n") == Strings{"a", " ", " b", "\n\n", " c", " \n"});
  CHECK(pieces("x1½Ⅷ_-- 'll'LL") == Strings{"x", "1½Ⅷ", "_--", " '", "ll", "'", "LL"});
  CHECK(pieces("").empty());
  for (const auto& sample : golden::byte_pair_samples) CHECK(pieces(sample.text) == sample.pieces);
  CHECK_THROWS_AS(pieces("a\xFF"), UsageError);
  CHECK_THROWS_WITH_AS(piece_at("a", 1), "byte 1 of a text with 1 bytes", UsageError);
}

TEST_CASE("piece_at: no piece is longer than 65,536 bytes") {
  for (const std::string unit : {"x", "é", "東", "😀", " ", "\u3000"}) {
    std::string text;
    while (text.size() < 200'000) text += unit;
    std::string joined;
    for (const auto& piece : pieces(text + "y")) {
      CHECK(piece.size() <= 65'536);
      CHECK(valid_utf8(piece));
      joined += piece;
    }
    CHECK(joined == text + "y");
    CHECK(pieces(text).front().size() > 65'532);
  }
}

// The count of a pair is over all places: "ab" 4, "bc" 3 …, by hand.
TEST_CASE("BytePairs: merges by count, of equal counts the smaller pair") {
  // Pieces: "abc" twice, " ab" and " b": (a, b) stands 3 times, (b, c) twice, (blank, a) and (blank, b) once.
  const BytePairs pairs = BytePairs::train("abc\nabc ab b", {.size = 258});
  CHECK(pairs.merges() == Strings{"a b", "ab c"});
  CHECK(pairs.size() == 258);
  CHECK(pairs.token(256) == "ab");
  CHECK(pairs.token(257) == "abc");
  const Id a = pairs.encode("a").at(0);
  CHECK(pairs.token(a) == "a");
  CHECK(pairs.encode("abcab") == IdList{257, 256});
  CHECK(BytePairs::train("cd ab cd ab", {.size = 257}).merges() == Strings{"a b"});  // both twice: a < c
  CHECK(BytePairs::train("aaaa", {.size = 258, .min_count = 1}).merges() == Strings{"a a", "aa aa"});
}

TEST_CASE("BytePairs: ids and spelling of the bytes as in GPT-2") {
  const BytePairs bytes = BytePairs::from_merges({});
  CHECK(bytes.size() == 256);
  CHECK(bytes.encode("!A~ \n") == IdList{0, 32, 93, 220, 198});
  CHECK(bytes.encode("é") == IdList{127, 102});  // 0xC3, 0xA9
  const BytePairs pairs = BytePairs::from_merges({"Ġ t", "Ã ©", "Ġt h"});
  CHECK(pairs.tokens()[256] == " t");
  CHECK(pairs.tokens()[257] == "é");
  CHECK(pairs.encode(" thé") == IdList{258, 257});
}

TEST_CASE("BytePairs: learns and encodes as Hugging Face's tokenizers") {
  const std::string text = read_text("examples/data/harbour.txt");
  const BytePairs pairs = BytePairs::train(text, {.size = golden::byte_pair_size});
  CHECK(pairs.size() == golden::byte_pair_size);
  CHECK(pairs.merges() == golden::byte_pair_merges);
  for (const auto& sample : golden::byte_pair_samples) {
    CHECK(pairs.encode(sample.text) == IdList(sample.ids.begin(), sample.ids.end()));
    CHECK(pairs.decode(pairs.encode(sample.text)) == sample.text);
  }
}

TEST_CASE("BytePairs: equals the definition on small texts") {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    const Strings alphabet = round % 3 == 0   ? Strings{"a", "b"}
                             : round % 3 == 1 ? Strings{"a", "b", "c", " ", "\n"}
                                              : odd_alphabet;
    const std::string text = random_text(random, alphabet, 20 + 4 * static_cast<Index>(round));
    Naive naive;
    naive.train(text, 256 + random() % 60, 2);
    CAPTURE(text);
    const BytePairs pairs = BytePairs::train(text, {.size = naive.tokens.size()});
    CHECK(pairs.tokens() == naive.tokens);
    for (int i = 0; i < 3; ++i) {
      const std::string other = random_text(random, alphabet, 50);
      CHECK(pairs.encode(other) == naive.encode(other));
    }
    CHECK(pairs.encode(text) == naive.encode(text));
  }
}

TEST_CASE("BytePairs: a token made in two ways has one id") {
  const BytePairs pairs = BytePairs::from_merges({"a b", "b c", "ab c", "a bc", "abc d"});
  CHECK(pairs.size() == 260);  // abc once
  CHECK(pairs.merges().size() == 5);
  CHECK(pairs.encode("abcd") == IdList{259});
  CHECK(BytePairs::from_merges(pairs.merges()) == pairs);
}

TEST_CASE("BytePairs: decode after encode is the identity, whatever the training text was") {
  const BytePairs pairs = BytePairs::train(read_text("examples/data/harbour.txt"), {.size = 1000});
  CHECK(pairs.size() == 1000);
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const std::string text = random_text(random, odd_alphabet, 40);
    CHECK(pairs.decode(pairs.encode(text)) == text);
  }
  std::string every_plane;
  for (char32_t code = 0; code < 0x11000; code += code < 0x800 ? 1 : 61) {
    if (code >= 0xD800 && code < 0xE000) continue;
    every_plane += latin1_to_utf8("\xE9");
    const auto c = static_cast<unsigned>(code);
    if (c < 0x80) {
      every_plane += static_cast<char>(c);
    } else if (c < 0x800) {
      every_plane += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    } else if (c < 0x10000) {
      every_plane += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
                      static_cast<char>(0x80 | (c & 0x3F))};
    }
  }
  REQUIRE(valid_utf8(every_plane));
  CHECK(pairs.decode(pairs.encode(every_plane)) == every_plane);
  CHECK(pairs.encode("").empty());
  CHECK(pairs.decode({}).empty());
  CHECK_THROWS_AS(pairs.encode("a\xFF"), UsageError);
}

TEST_CASE("BytePairs: no token crosses the edge of a piece") {
  const std::string text = read_text("examples/data/harbour.txt").substr(0, 20'000);
  const BytePairs pairs = BytePairs::train(text, {.size = 1100});
  Strings edges = pieces(text);
  Index piece = 0, filled = 0;
  for (const Id id : pairs.encode(text)) {
    filled += pairs.token(id).size();
    REQUIRE(filled <= edges[piece].size());
    if (filled == edges[piece].size()) ++piece, filled = 0;
  }
  CHECK(piece == edges.size());
}

TEST_CASE("BytePairs: the same every time, and through a model's file") {
  const std::string text = read_text("examples/data/harbour.txt").substr(0, 30'000);
  const BytePairs pairs = BytePairs::train(text, {.size = 700});
  CHECK(BytePairs::train(text, {.size = 700}) == pairs);
  Checkpoint file;
  put_strings(file, "pairs", pairs.merges());
  const BytePairs back = BytePairs::from_merges(get_strings(file, "pairs"));
  CHECK(back == pairs);
  CHECK(back.tokens() == pairs.tokens());
  CHECK(back.encode(text) == pairs.encode(text));
  CHECK_FALSE(BytePairs::train(text, {.size = 699}) == pairs);
}

TEST_CASE("BytePairs: long pieces and long lines") {
  std::mt19937 random(3);
  const std::string letters = random_text(random, {"a", "c", "g", "t"}, 300'000);  // pieces of 65,536
  const BytePairs pairs = BytePairs::train(letters, {.size = 512});
  CHECK(pairs.decode(pairs.encode(letters)) == letters);
  const std::string same(1'000'000, 'x');
  const BytePairs of_same = BytePairs::train(same, {.size = 272});
  CHECK(of_same.token(271).size() == 65'536);    // each merge doubles
  CHECK(of_same.encode(same).size() == 15 + 3);  // 1,000,000 = 15 · 65,536 + 16,384 + 512 + 64
}

TEST_CASE("BytePairs: errors") {
  CHECK_THROWS_WITH_AS(BytePairs::train("abc", {.size = 255}),
                       "BytePairs: a size of 255, expected at least the 256 bytes", UsageError);
  CHECK_THROWS_WITH_AS(BytePairs::train("abc abc", {.size = 260}),
                       "BytePairs: a size of 260, but with pairs seen at least 2 times the text gives 258 tokens",
                       UsageError);
  CHECK_THROWS_WITH_AS(BytePairs::train("", {.size = 257}),
                       "BytePairs: a size of 257, but with pairs seen at least 2 times the text gives 256 tokens",
                       UsageError);
  CHECK_THROWS_WITH_AS(BytePairs::train("abc", {.min_count = 0}), "BytePairs: min_count is 0, expected at least 1",
                       UsageError);
  CHECK_THROWS_AS(BytePairs::train("a\xFF", {.size = 256}), UsageError);
  CHECK(BytePairs::train("", {.size = 256}).size() == 256);

  const auto refuse = [](const Strings& merges, const char* message) {
    CHECK_THROWS_WITH_AS(BytePairs::from_merges(merges), message, UsageError);
  };
  refuse({"a b", "ab"}, "BytePairs: merge 2 is 'ab', expected two tokens with one blank between them");
  refuse({"a b c"}, "BytePairs: merge 1 is 'a b c', expected two tokens with one blank between them");
  refuse({"a bc"}, "BytePairs: merge 1 is 'a bc', and there is no token 'bc' before it");
  refuse({"a 東"}, "BytePairs: merge 1 is 'a 東', and there is no token '東' before it");
  refuse({" a"}, "BytePairs: merge 1 is ' a', and there is no token '' before it");
  refuse({"a b", "a b"}, "BytePairs: merge 2, 'a b', stands twice");
  const BytePairs bytes = BytePairs::from_merges({});
  CHECK_THROWS_WITH_AS(bytes.decode({0, 256}), "id 256 is outside the 256 tokens of the byte pairs", UsageError);
  CHECK_THROWS_AS(bytes.token(-1), UsageError);
}
