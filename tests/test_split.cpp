#include <doctest/doctest.h>

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
