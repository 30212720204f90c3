// How many columns a text takes in a terminal: what tables, progress lines and terminal plots align by.
#pragma once

#include <string>
#include <string_view>

#include <unroll/core/ids.h>

namespace unroll {

/// A code point at the start of a text and the bytes it takes. A malformed byte counts as U+FFFD of one byte.
struct CodePoint {
  char32_t value;
  Index bytes;
};
/// The first code point of a text that is not empty.
CodePoint first_code_point(std::string_view utf8);

/// Columns in a terminal: East Asian wide characters and emoji take two, combining marks, control characters and
/// colour escapes none, everything else one.
Index display_width(std::string_view utf8);

/// The longest beginning of at most `columns` columns; a text that does not fit ends in "…". Colour escapes are all
/// kept, so that a colour that was switched on is also switched off.
std::string clip_to_width(std::string_view utf8, Index columns);

/// Blanks added on the right (or on the left) up to `columns` columns; a longer text stays as it is.
std::string pad_right(std::string_view utf8, Index columns);
std::string pad_left(std::string_view utf8, Index columns);

}  // namespace unroll
