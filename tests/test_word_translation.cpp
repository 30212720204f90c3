#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/report/word_translation.h>

using namespace unroll;

namespace {

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("words that stand beside each other are told apart by where else they stand") {
  // "haus" is seen once, with "a" and with "house" alike; that "a" belongs to "ein" follows from the other pair.
  const auto table = WordTranslation::fit({{"ein", "haus"}, {"ein", "buch"}}, {{"a", "house"}, {"a", "book"}});
  CHECK(table.translate({"haus", "ein", "buch"}) == Words{"house", "a", "book"});
}

TEST_CASE("a word that mostly has no counterpart is left out, and an unknown one stays as it is") {
  const auto table = WordTranslation::fit({{"ja", "haus"}, {"haus"}, {"ja", "buch"}, {"buch"}},
                                          {{"house"}, {"house"}, {"book"}, {"book"}});
  CHECK(table.translate({"ja", "buch", "neu", "haus"}) == Words{"book", "neu", "house"});
}

TEST_CASE("of equally probable words the first of the alphabet is taken") {
  CHECK(WordTranslation::fit({{"eins"}}, {{"two", "one"}}).translate({"eins"}) == Words{"one"});
  CHECK(WordTranslation::fit({{"eins"}}, {{"one", "two"}}).translate({"eins"}) == Words{"one"});
}

TEST_CASE("sources without targets are refused") {
  CHECK_THROWS_WITH_AS(WordTranslation::fit({{"a"}, {"b"}}, {{"c"}}),
                       "WordTranslation: 2 sources and 1 targets; they must be pairs", UsageError);
  CHECK_THROWS_AS(WordTranslation::fit({}, {}), UsageError);
  CHECK_THROWS_WITH_AS(WordTranslation::fit({{"a"}}, {{"b"}}, 0), "WordTranslation: no iteration", UsageError);
}
