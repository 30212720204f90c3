#include <fmt/ranges.h>
#include <md5.h>

#include <array>
#include <cstdint>

#include <unroll/core/error.h>
#include <unroll/data/split.h>
#include <unroll/data/text.h>

namespace unroll {

namespace {

/// The first 32 bits of the MD5 sum of the text in lower case with single blanks.
std::uint32_t hash_number(std::string_view text) {
  const std::string canonical = fmt::format("{}", fmt::join(split_whitespace(lower(text)), " "));
  MD5_CTX md5;
  std::array<std::uint8_t, MD5_DIGEST_LENGTH> digest{};
  MD5Init(&md5);
  MD5Update(&md5, reinterpret_cast<const std::uint8_t*>(canonical.data()), canonical.size());
  MD5Final(digest.data(), &md5);
  std::uint32_t number = 0;
  for (Index i = 0; i < 4; ++i) number = number << 8 | digest[i];
  return number;
}

/// The last three decimal digits, the last one first.
unsigned place_on_circle(std::uint32_t number) { return number % 10 * 100 + number / 10 % 10 * 10 + number / 100 % 10; }

}  // namespace

unsigned hash_bucket(std::string_view text) { return hash_bucket(text, 10); }

unsigned hash_bucket(std::string_view text, unsigned buckets) {
  require<UsageError>(buckets > 0, "hash_bucket: 0 buckets");
  return hash_number(text) % buckets;
}

Split split_by_hash(const std::vector<std::string>& texts, unsigned test_bucket) {
  require<UsageError>(test_bucket < 10, "split_by_hash: test bucket {}, expected 0 to 9", test_bucket);
  return split_by_hash(texts, SplitParts{.offset = 100 * test_bucket});
}

Split split_by_hash(const std::vector<std::string>& texts, SplitParts parts) {
  const std::uint64_t sum = std::uint64_t{parts.train} + parts.valid + parts.test;
  require<UsageError>(
      sum == 1000, "split_by_hash: {} for training, {} for validation and {} for testing are {} parts, expected 1000",
      parts.train, parts.valid, parts.test, sum);
  require<UsageError>(parts.offset < 1000, "split_by_hash: offset {}, expected 0 to 999", parts.offset);
  Split split;
  for (Index i = 0; i < texts.size(); ++i) {
    const unsigned place = (place_on_circle(hash_number(texts[i])) + 1000 - parts.offset) % 1000;
    auto& part = place < parts.test ? split.test : place < parts.test + parts.valid ? split.valid : split.train;
    part.push_back(i);
  }
  return split;
}

}  // namespace unroll
