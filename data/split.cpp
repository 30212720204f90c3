#include <fmt/ranges.h>
#include <md5.h>

#include <array>
#include <cstdint>

#include <unroll/core/error.h>
#include <unroll/data/split.h>
#include <unroll/data/text.h>

namespace unroll {

unsigned hash_bucket(std::string_view text) {
  const std::string canonical = fmt::format("{}", fmt::join(split_whitespace(lower(text)), " "));
  MD5_CTX md5;
  std::array<std::uint8_t, MD5_DIGEST_LENGTH> digest{};
  MD5Init(&md5);
  MD5Update(&md5, reinterpret_cast<const std::uint8_t*>(canonical.data()), canonical.size());
  MD5Final(digest.data(), &md5);
  std::uint32_t number = 0;
  for (Index i = 0; i < 4; ++i) number = number << 8 | digest[i];
  return number % 10;
}

Split split_by_hash(const std::vector<std::string>& texts, unsigned test_bucket) {
  require<UsageError>(test_bucket < 10, "split_by_hash: test bucket {}, expected 0 to 9", test_bucket);
  Split split;
  for (Index i = 0; i < texts.size(); ++i) {
    const unsigned bucket = hash_bucket(texts[i]);
    auto& part = bucket == test_bucket ? split.test : bucket == (test_bucket + 1) % 10 ? split.valid : split.train;
    part.push_back(i);
  }
  return split;
}

}  // namespace unroll
