#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/report/edit_distance.h>

using namespace unroll;
using doctest::Approx;

namespace {

using IdList = std::vector<Id>;
using Words = std::vector<std::string>;

/// Wagner and Fischer's table (1974).
Index by_table(const IdList& a, const IdList& b) {
  std::vector<Index> row(b.size() + 1);
  for (Index j = 0; j <= b.size(); ++j) row[j] = j;
  for (Index i = 1; i <= a.size(); ++i) {
    Index diagonal = row[0];
    row[0] = i;
    for (Index j = 1; j <= b.size(); ++j) {
      const Index substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

TEST_CASE("edit distance over characters, words and ids") {
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("Käse", "Kase") == 1);  // a code point, of two bytes
  CHECK(edit_distance("東京", "京都") == 2);
  CHECK(edit_distance("\xFF", "\xFE") == 0);  // both count as U+FFFD
  CHECK(edit_distance(Words{"the", "cat", "sat"}, Words{"the", "cats", "sat", "."}) == 2);
  CHECK(edit_distance(IdList{1, 2, 3, 4}, IdList{2, 3, 5}) == 2);
  CHECK(edit_distance(IdList{}, IdList{}) == 0);
}

TEST_CASE("edit distance equals the full table") {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const auto sequence = [&] {
      IdList ids(random() % 13);
      for (Id& id : ids) id = static_cast<Id>(random() % (2 + static_cast<unsigned>(round) % 4));
      return ids;
    };
    const IdList a = sequence();
    const IdList b = sequence();
    CAPTURE(a);
    CAPTURE(b);
    CHECK(edit_distance(a, b) == by_table(a, b));
  }
}

TEST_CASE("edit distance of long sequences with few edits") {
  IdList a(1'000'000);
  for (Index i = 0; i < a.size(); ++i) a[i] = static_cast<Id>(i * i % 1009);
  IdList b = a;
  CHECK(edit_distance(a, b) == 0);
  b.erase(b.begin() + 500'000);
  b[7] = -1;
  b.insert(b.end(), {-2, -3});
  CHECK(edit_distance(a, b) == 4);
  CHECK(edit_distance(b, a) == 4);
}

TEST_CASE("error rates are edits per item of the references") {
  const ErrorRate cer = character_error_rate({"kitten", "ä"}, {"sitting", "ab"});
  CHECK(cer == ErrorRate{5, 9});
  CHECK(cer.value() == Approx(5.0 / 9));
  CHECK(word_error_rate({{"a", "b"}, {}}, {{"a", "c"}, {"d"}}) == ErrorRate{2, 3});
  CHECK(id_error_rate({{1, 2, 3}}, {{2}}).value() == 2);  // more insertions than there are ids

  CHECK(std::isnan(character_error_rate({""}, {""}).value()));
  CHECK(std::isinf(character_error_rate({"a"}, {""}).value()));
  ErrorRate sum{1, 4};
  sum += {2, 8};
  CHECK(sum == ErrorRate{3, 12});
  CHECK_THROWS_WITH_AS(character_error_rate({"a"}, {}), "character_error_rate: 1 hypotheses for 0 references",
                       ShapeError);
  CHECK_THROWS_WITH_AS(word_error_rate({}, {{}}), "word_error_rate: 0 hypotheses for 1 references", ShapeError);
  CHECK_THROWS_WITH_AS(id_error_rate({}, {{}}), "id_error_rate: 0 hypotheses for 1 references", ShapeError);
}
