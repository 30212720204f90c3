// From a file to characters or words. All text inside the library is UTF-8.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// The whole file as UTF-8, without a byte order mark, its line ends (LF, CRLF or CR) as LF.
/// Errors: FileError as in `read_bytes`, and for bytes that are not UTF-8, with their line and place.
std::string read_text(const std::filesystem::path& path);

/// The whole file as it is.
/// Errors: FileError for a file that is missing, a directory, unreadable or empty, and for one that cannot be text in
/// UTF-8 or Latin-1: gzip, UTF-16 (or UTF-32), or a NUL byte.
std::string read_bytes(const std::filesystem::path& path);

/// Errors: FileError with line, column and byte if `bytes`, read from `path`, are not UTF-8.
void require_utf8(std::string_view bytes, const std::filesystem::path& path);

/// The first byte at which `text` stops being UTF-8, counted from 0. Overlong forms and surrogates are not UTF-8.
std::optional<Index> find_invalid_utf8(std::string_view text);
bool valid_utf8(std::string_view text);

/// Each byte of ISO 8859-1 is the code point of its number.
std::string latin1_to_utf8(std::string_view bytes);

/// `text` without a byte order mark (U+FEFF) at its start.
std::string_view without_bom(std::string_view text);

/// CRLF and lone CR become LF, as in Python's text files.
std::string unix_line_ends(std::string_view text);

/// The code point that begins at `byte`, as UTF-8. Errors: UsageError if none does.
std::string_view character_at(std::string_view text, Index byte);

/// The code points of `text`, each as UTF-8; joined, they are `text` again. Errors: UsageError if it is not UTF-8.
std::vector<std::string> characters(std::string_view text);

/// How many code points a text in UTF-8 has.
Index count_characters(std::string_view text);

/// The extended grapheme cluster (Unicode Standard Annex 29) that begins at `byte`: what a reader takes for one
/// character, such as a letter with its accents, a flag, a family of emoji, or CR LF. `byte` is where a cluster begins;
/// elsewhere it is the rest of one. Errors: UsageError if no code point begins there, or the next is not UTF-8.
std::string_view grapheme_at(std::string_view text, Index byte);

/// The extended grapheme clusters of `text`; joined, they are `text` again. Errors: UsageError if it is not UTF-8.
std::vector<std::string> graphemes(std::string_view text);

/// The version of Unicode that these functions follow ("15.0.0"): another one may join other code points.
std::string unicode_version();

/// What stands between Unicode white space (the property White_Space: blank, tab, line ends, U+00A0, U+0085, U+3000 …).
std::vector<std::string> split_whitespace(std::string_view text);

/// Whether there is nothing but white space in `text`.
bool is_blank(std::string_view text);

/// The words of any text: `split_whitespace` for a text that `is_tokenised`, which so comes out unchanged, and
/// `split_words` for another. The whole text is looked at, so hand over a file at once and not its lines.
std::vector<std::string> words(std::string_view text);

/// Whether `text` has been cut into words already, as in the Penn Treebank or in film reviews with blanks round the
/// punctuation: there are more marks that stand alone (one of `. , ; : ? !` between white space; a `<unk>` counts as
/// well) than marks that end a word. A full stop after a word is counted at the end of a line only: elsewhere it may
/// belong to an abbreviation.
bool is_tokenised(std::string_view text);

/// The words of a text as people write it. Between white space:
/// - Letters, digits, marks and `_` make words. Between two such characters these stay inside the word: an apostrophe
///   (don't, don’t), a hyphen (well-known), a full stop (e.g, 3.14); between two digits a comma and a colon too
///   (10:30).
/// - Every other character is a token of its own; a run of the same one is a single token (... or -- or !!!).
/// - Combining marks and format characters stay with what they follow.
/// - `<name>` of letters (<unk>) and the Penn Treebank's own tokens ('s 'm 'd 've 're 'll -lrb- -rrb- …) stay whole.
///
/// Splitting the result again changes nothing. Case is kept. Scripts without blanks (Chinese, Thai) are not cut into
/// words. Errors: UsageError if `text` is not UTF-8.
std::vector<std::string> split_words(std::string_view text);

/// Each code point in Unicode's simple lower case (one code point for one). Errors: UsageError if `text` is not UTF-8.
std::string lower(std::string_view text);

}  // namespace unroll
