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

/// Indices into the texts, each rising.
struct Split {
  std::vector<Index> train, valid, test;
};

/// Bucket `test_bucket` is for testing, the next one (after 9 comes 0) for validation, the other eight for training:
/// about 80, 10 and 10 %. Rotating `test_bucket` over 0 … 9 gives ten folds. Errors: UsageError if `test_bucket` is
/// more than 9.
Split split_by_hash(const std::vector<std::string>& texts, unsigned test_bucket = 0);

}  // namespace unroll
