// A text that is read is UTF-8 by the letter of RFC 3629, and what it is cut into makes the text again.
#include <algorithm>
#include <numeric>

#include <unroll/data/pretokenise.h>

#include "fuzzing.h"

using namespace unroll;
using namespace unroll::fuzzing;

namespace {

/// RFC 3629's table of well-formed sequences, by the leading byte: how many bytes follow, and the range of the first.
bool well_formed(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i++);
    if (lead < 0x80) continue;
    if (lead < 0xC2 || lead > 0xF4) return false;
    const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (byte(i) < low || byte(i) > high) return false;
    for (unsigned left = lead < 0xE0 ? 0 : lead < 0xF0 ? 1 : 2; ++i, left > 0; --left) {
      if (byte(i) < 0x80 || byte(i) > 0xBF) return false;
    }
  }
  return true;
}

std::string joined(const std::vector<std::string>& parts, const char* between = "") {
  return fmt::format("{}", fmt::join(parts, between));
}

void check_parts(const std::string& text) {
  const auto code_points = characters(text);
  promise(joined(code_points) == text, "the characters make the text again");
  promise(count_characters(text) == code_points.size(), "characters are counted right");
  promise(joined(graphemes(text)) == text, "the graphemes make the text again");

  const auto tokens = split_words(text);
  promise(split_words(joined(tokens, " ")) == tokens, "splitting words again changes nothing");
  const auto visible = [](const std::string& t) { return !t.empty() && split_whitespace(t) == std::vector{t}; };
  promise(std::ranges::all_of(tokens, visible), "a word holds no white space");
  promise(joined(tokens) == joined(split_whitespace(text)), "words leave out nothing but white space");
  if (is_tokenised(text)) promise(words(text) == split_whitespace(text), "words of a tokenised text are its own");
  promise(is_blank(text) == split_whitespace(text).empty(), "a blank text has no chunks");
  promise(well_formed(lower(text)), "lower case is UTF-8");

  for (Index at = 0; at < text.size();) {
    const auto piece = piece_at(text, at);
    promise(!piece.empty() && piece.size() <= 65'536 && well_formed(piece), "a piece is some characters");
    at += piece.size();
    promise(at <= text.size(), "pieces make the text again");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = view(data, size);
  promise(valid_utf8(bytes) == well_formed(bytes), "UTF-8 is what RFC 3629 says");
  const auto bad = find_invalid_utf8(bytes);
  promise(well_formed(bytes.substr(0, bad.value_or(size))), "what stands before the first fault has none");
  const std::string decoded = latin1_to_utf8(bytes);
  promise(well_formed(decoded) && count_characters(decoded) == size, "Latin-1 becomes as many characters");

  const auto text = unless_refused<FileError>([&] { return read_text(file("in.txt", bytes)); });
  if (!text) return 0;
  promise(well_formed(*text) && !text->empty(), "a text is UTF-8");
  promise(text->find('\r') == text->npos && text->find('\0') == text->npos, "line ends are LF");
  promise(unix_line_ends(*text) == *text, "line ends stay LF");
  check_parts(*text);
  return 0;
}
