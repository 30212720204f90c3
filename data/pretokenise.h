// Where a byte-pair encoder may not merge: a text is cut into pieces first.
#pragma once

#include <string_view>

#include <unroll/core/ids.h>

namespace unroll {

/// The piece that begins at `byte`; the pieces from byte 0 on, joined, are the text. It is the first of these that
/// matches, the rule of GPT-2 (Radford et al. 2019):
///
///     's | 't | 're | 've | 'm | 'll | 'd      as they are written here, in lower case
///     a blank or none, then letters            Unicode's general categories L*
///     a blank or none, then digits             N*
///     a blank or none, then other characters   neither letters nor digits nor white space
///     white space, but not its last character if something else follows
///     white space
///
/// so that a word takes the blank before it along: "It's 1 cup." is |It|'s| 1| cup|.|. A piece that would be longer
/// than 65,536 bytes is cut there, or up to three bytes before, between two characters. Errors: UsageError if `text` is
/// not UTF-8 there.
std::string_view piece_at(std::string_view text, Index byte);

}  // namespace unroll
