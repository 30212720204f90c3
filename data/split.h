// A split into training, validation and test texts that depends on each text alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// A number 0 … 9 that stays with a text whatever stands around it, so that no order, seed or added line moves a text
/// from one part to another, and the same text written twice falls into one part. It is the last decimal digit of the
/// first 32 bits of the MD5 sum (its first 8 hex digits, most significant first) of the text in lower case, its words
/// split at white space and joined by one blank, in UTF-8. Errors: UsageError if `text` is not UTF-8.
unsigned hash_bucket(std::string_view text);

/// The same for any number of buckets: the first 32 bits of the sum modulo `buckets`. Errors: UsageError also if
/// `buckets` is 0.
unsigned hash_bucket(std::string_view text, unsigned buckets);

/// Indices into the texts, each rising.
struct Split {
  std::vector<Index> train, valid, test;
};

/// Bucket `test_bucket` is for testing, the next one (after 9 comes 0) for validation, the other eight for training:
/// about 80, 10 and 10 %. Rotating `test_bucket` over 0 … 9 gives ten folds. Errors: UsageError if `test_bucket` is
/// more than 9.
Split split_by_hash(const std::vector<std::string>& texts, unsigned test_bucket = 0);

/// Parts per thousand of all texts; together they are 1000.
struct SplitParts {
  unsigned train = 800, valid = 100, test = 100;
  unsigned offset = 0;  ///< 0 … 999, where the part for testing begins on the circle of the thousandths
};

/// Each text stands on one of a thousand places of a circle, 100 a + 10 b + c for the last decimal digits … c b a of
/// the number that `hash_bucket` is made from; so bucket a holds the places 100 a … 100 a + 99. From place `offset` on
/// come those for testing, then those for validation, then those for training. A text's place depends on it alone, so
/// no other text moves it; with the same offset a larger part for testing keeps all texts that a smaller one had.
/// `SplitParts{.offset = 100 b}` gives the parts of `split_by_hash(texts, b)`; offsets 1000 k / K, with
/// `.test = 1000 / K`, give K folds if K divides 1000.
/// Errors: UsageError if the parts are not 1000 together, or `offset` is more than 999.
Split split_by_hash(const std::vector<std::string>& texts, SplitParts parts);

}  // namespace unroll
