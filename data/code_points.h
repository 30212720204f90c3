// Code points of UTF-8 and their white space: what the tokenisers of this folder share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <unroll/core/ids.h>

namespace unroll {

struct Decoded {
  std::int32_t code = -1;  ///< -1 for bytes that are not UTF-8
  Index bytes = 0;
};

/// The code point that begins at `byte`.
Decoded decode_at(std::string_view text, Index byte);

/// Errors: UsageError if none begins there.
Decoded decode_or_throw(std::string_view text, Index byte);

/// Adds a code point as UTF-8.
void append_code_point(std::string& text, std::int32_t code);

/// Unicode's property White_Space.
bool is_white_space(std::int32_t code);

}  // namespace unroll
