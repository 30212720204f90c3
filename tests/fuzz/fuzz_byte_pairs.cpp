// Merges, one a line up to a blank line, make an encoder that has them; the rest is a text that it gives again.
#include <algorithm>

#include <unroll/data/byte_pairs.h>

#include "fuzzing.h"

using namespace unroll;
using namespace unroll::fuzzing;

namespace {

void check(const BytePairs& pairs, std::string_view text) {
  promise(BytePairs::from_merges(pairs.merges()) == pairs, "merges make it again");
  for (const std::string& merge : pairs.merges()) promise(valid_utf8(merge), "merges are UTF-8");
  const std::vector<Id> ids = pairs.encode(text);
  promise(ids.size() <= text.size() && pairs.decode(ids) == text, "ids give the text again");
  promise(std::ranges::all_of(ids, [&](Id id) { return id >= 0 && static_cast<Index>(id) < pairs.size(); }),
          "ids are those of tokens");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = view(data, size);
  std::vector<std::string> merges;
  std::size_t begin = 0;
  while (begin < size && input[begin] != '\n') {
    const std::size_t end = std::min(input.find('\n', begin), size);
    merges.emplace_back(input.substr(begin, end - begin));
    begin = std::min(end + 1, size);
  }
  const std::string_view text = input.substr(std::min(begin + 1, size));
  const auto pairs = unless_refused<UsageError>([&] { return BytePairs::from_merges(merges); }, valid_utf8(input));
  if (pairs) {
    promise(pairs->merges() == merges, "merges are kept as they are");
    if (valid_utf8(text)) check(*pairs, text);
    const auto encoded = unless_refused<UsageError>([&] { return pairs->encode(text); });
    promise(encoded.has_value() == valid_utf8(text), "a text is refused if it is not UTF-8");
  }
  const auto trained = unless_refused<UsageError>([&] { return BytePairs::train(input, {.size = 262}); });
  if (trained) check(*trained, input);
  return 0;
}
