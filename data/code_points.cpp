#include <utf8proc.h>

#include <array>

#include <unroll/core/error.h>
#include <unroll/data/code_points.h>

namespace unroll {

Decoded decode_at(std::string_view text, Index byte) {
  if (byte < text.size() && static_cast<unsigned char>(text[byte]) < 0x80) return {text[byte], 1};
  utf8proc_int32_t code = -1;
  const auto used = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + byte,
                                     static_cast<utf8proc_ssize_t>(text.size() - byte), &code);
  if (used <= 0) return {};
  return {code, static_cast<Index>(used)};
}

Decoded decode_or_throw(std::string_view text, Index byte) {
  require<UsageError>(byte < text.size(), "byte {} of a text with {} bytes", byte, text.size());
  const Decoded found = decode_at(text, byte);
  require<UsageError>(found.bytes > 0, "the text is not UTF-8: byte {} is 0x{:02X}", byte,
                      static_cast<unsigned char>(text[byte]));
  return found;
}

void append_code_point(std::string& text, std::int32_t code) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto used = utf8proc_encode_char(code, bytes.data());
  text.append(bytes.begin(), bytes.begin() + used);
}

bool is_white_space(std::int32_t code) {
  if (code < 0x80) return code == ' ' || (code >= '\t' && code <= '\r');
  if (code == 0x85) return true;
  const auto category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

}  // namespace unroll
