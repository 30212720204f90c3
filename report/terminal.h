// What the terminal can do, and colours as plain functions on strings.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include <unroll/core/ids.h>

namespace unroll {

/// Whether `stream` (stdout, stderr) is shown on a terminal rather than written to a file or a pipe.
bool is_terminal(std::FILE* stream);

/// Columns of the terminal behind `stream`; otherwise those of the variable COLUMNS, otherwise 80.
Index terminal_width(std::FILE* stream);

/// Whether colours are welcome: a terminal that is not "dumb", and NO_COLOR unset or empty (https://no-color.org).
bool colour_wanted(std::FILE* stream);

/// The text in a style, or unchanged when not `coloured`.
std::string bold(std::string_view text, bool coloured = colour_wanted(stdout));
std::string dim(std::string_view text, bool coloured = colour_wanted(stdout));
std::string red(std::string_view text, bool coloured = colour_wanted(stdout));
std::string green(std::string_view text, bool coloured = colour_wanted(stdout));

/// A word on a background as strong as its weight in [-1, 1] (beyond: as ±1): green speaks for, red against. When not
/// `coloured`, `word(+0.8)`. A weight that rounds to 0.0, or is not a number, leaves the word bare.
std::string shade(std::string_view word, double weight, bool coloured = colour_wanted(stdout));

/// The text in colour `index` of the terminal's 256.
std::string colour_256(std::string_view text, int index, bool coloured = colour_wanted(stdout));

}  // namespace unroll
