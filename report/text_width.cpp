#include <unroll/report/text_width.h>

#include <array>

namespace unroll {
namespace {

struct Range {
  char32_t first, last;
};
constexpr std::array wide{Range{0x1100, 0x115F},   Range{0x2E80, 0x303E},   Range{0x3041, 0xA4CF},
                          Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
                          Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F300, 0x1F64F},
                          Range{0x1F680, 0x1F6FF}, Range{0x1F900, 0x1FAFF}, Range{0x20000, 0x3FFFD}};
constexpr std::array invisible{Range{0x0000, 0x001F}, Range{0x007F, 0x009F}, Range{0x0300, 0x036F},
                               Range{0x200B, 0x200F}, Range{0x20D0, 0x20FF}, Range{0xFE00, 0xFE0F}};

template <class Ranges>
bool contains(const Ranges& ranges, char32_t c) {
  for (const Range& r : ranges) {
    if (r.first <= c && c <= r.last) return true;
  }
  return false;
}

Index columns_of(char32_t c) { return contains(invisible, c) ? 0 : contains(wide, c) ? 2 : 1; }

/// The length in bytes of the colour escape "ESC [ … m" at the start of the text, 0 if there is none.
Index escape_length(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  const auto end = text.find_first_not_of("0123456789;", 2);
  return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

}  // namespace

CodePoint first_code_point(std::string_view text) {
  constexpr CodePoint malformed{0xFFFD, 1};
  const auto byte = [&](Index i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const Index length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return malformed;
  char32_t value = lead & (0x7Fu >> length);
  for (Index i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0u) != 0x80u) return malformed;
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = 0xD800 <= value && value <= 0xDFFF;
  if (value < smallest[length] || value > 0x10FFFF || surrogate) return malformed;
  return {value, length};
}

Index display_width(std::string_view text) {
  Index width = 0;
  while (!text.empty()) {
    if (const Index escape = escape_length(text)) {
      text.remove_prefix(escape);
      continue;
    }
    const CodePoint c = first_code_point(text);
    width += columns_of(c.value);
    text.remove_prefix(c.bytes);
  }
  return width;
}

std::string clip_to_width(std::string_view text, Index columns) {
  if (display_width(text) <= columns) return std::string(text);
  std::string out;
  Index left = columns;  // one column of it is kept for the "…"
  bool full = columns == 0;
  while (!text.empty()) {
    if (const Index escape = escape_length(text)) {
      out += text.substr(0, escape);
      text.remove_prefix(escape);
      continue;
    }
    const CodePoint c = first_code_point(text);
    const Index width = columns_of(c.value);
    if (!full && width + 1 > left) {
      out += "…";
      full = true;
    }
    if (!full) {
      out += text.substr(0, c.bytes);
      left -= width;
    }
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::string pad_right(std::string_view text, Index columns) {
  const Index width = display_width(text);
  return std::string(text) + std::string(width < columns ? columns - width : 0, ' ');
}

std::string pad_left(std::string_view text, Index columns) {
  const Index width = display_width(text);
  return std::string(width < columns ? columns - width : 0, ' ') + std::string(text);
}

}  // namespace unroll
