#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/split.h>

using namespace unroll;

// Expected: Python's int(hashlib.md5(' '.join(text.lower().split()).encode()).hexdigest()[:8], 16) % 10.
TEST_CASE("hash_bucket") {
  CHECK(hash_bucket("") == 3);
  CHECK(hash_bucket("a") == 7);
  CHECK(hash_bucket("the cat sat") == 2);
  CHECK(hash_bucket("  The\tCAT\r\n sat\n") == 2);
  CHECK(hash_bucket("A film  worth\n seeing .\n") == 9);
  CHECK(hash_bucket("ÀÉ\u00A0x") == 5);
  CHECK_THROWS_AS(hash_bucket("\xFF"), UsageError);
  CHECK(hash_bucket("the cat sat", 1000) == 982);  // the number is 4113064982
  CHECK(hash_bucket("the cat sat", 1) == 0);
  CHECK_THROWS_WITH_AS(hash_bucket("a", 0), "hash_bucket: 0 buckets", UsageError);
}

TEST_CASE("split_by_hash: the test part rotates") {
  // Their buckets, as above: 4 7 1 0 4 6 0 1 2 9 0.
  const std::vector<std::string> texts = {"zero", "one",   "two",   "three", "four", "five",
                                          "six",  "seven", "eight", "nine",  "ten"};
  using Indices = std::vector<Index>;
  const Split first = split_by_hash(texts);
  CHECK(first.test == Indices{3, 6, 10});
  CHECK(first.valid == Indices{2, 7});
  CHECK(first.train == Indices{0, 1, 4, 5, 8, 9});
  const Split last = split_by_hash(texts, 9);
  CHECK(last.test == Indices{9});
  CHECK(last.valid == Indices{3, 6, 10});
  CHECK(last.train == Indices{0, 1, 2, 4, 5, 7, 8});
  CHECK(split_by_hash({}).train.empty());
  CHECK_THROWS_WITH_AS(split_by_hash(texts, 10), "split_by_hash: test bucket 10, expected 0 to 9", UsageError);
}

TEST_CASE("split_by_hash: parts per thousand") {
  // Their places by the script above, the last three decimal digits of the number from the last one on:
  // 440 790 185 22 495 632 1 119 201 901 77.
  const std::vector<std::string> texts = {"zero", "one",   "two",   "three", "four", "five",
                                          "six",  "seven", "eight", "nine",  "ten"};
  using Indices = std::vector<Index>;
  const Split split = split_by_hash(texts, {.train = 500, .valid = 423, .test = 77});
  CHECK(split.test == Indices{3, 6});  // below 77
  CHECK(split.valid == Indices{0, 2, 4, 7, 8, 10});
  CHECK(split.train == Indices{1, 5, 9});
  const Split turned = split_by_hash(texts, {.train = 600, .valid = 200, .test = 200, .offset = 700});
  CHECK(turned.test == Indices{1});
  CHECK(turned.valid == Indices{3, 6, 9, 10});  // 900 … 999 and 0 … 99
  CHECK(turned.train == Indices{0, 2, 4, 5, 7, 8});
  CHECK(split_by_hash(texts, {.train = 1000, .valid = 0, .test = 0}).train.size() == texts.size());
}

TEST_CASE("split_by_hash: buckets and parts agree, and parts grow without exchanging texts") {
  std::vector<std::string> texts;
  for (int i = 0; i < 2000; ++i) texts.push_back("text " + std::to_string(i));
  for (unsigned bucket = 0; bucket < 10; ++bucket) {
    const Split by_bucket = split_by_hash(texts, bucket);
    const Split by_parts = split_by_hash(texts, SplitParts{.offset = 100 * bucket});
    CHECK(by_bucket.train == by_parts.train);
    CHECK(by_bucket.valid == by_parts.valid);
    CHECK(by_bucket.test == by_parts.test);
    for (const Index i : by_parts.test) CHECK(hash_bucket(texts[i]) == bucket);
  }
  std::vector<Index> before;
  for (const unsigned test : {1U, 10U, 50U, 123U, 500U}) {
    const Split split = split_by_hash(texts, {.train = 900 - test, .valid = 100, .test = test});
    CHECK(std::ranges::includes(split.test, before));
    CHECK(std::abs(static_cast<double>(split.test.size()) - 2 * test) < 100);  // about so many of 2000
    CHECK(split.train.size() + split.valid.size() + split.test.size() == 2000);
    before = split.test;
  }
}

TEST_CASE("split_by_hash: errors of parts") {
  CHECK_THROWS_WITH_AS(
      split_by_hash({}, {.train = 800, .valid = 100, .test = 101}),
      "split_by_hash: 800 for training, 100 for validation and 101 for testing are 1001 parts, expected 1000",
      UsageError);
  CHECK_THROWS_WITH_AS(split_by_hash({}, SplitParts{.offset = 1000}), "split_by_hash: offset 1000, expected 0 to 999",
                       UsageError);
}
