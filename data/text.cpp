#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>

#include <unroll/core/error.h>
#include <unroll/data/code_points.h>
#include <unroll/data/text.h>

namespace unroll {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view bom = "\xEF\xBB\xBF";

/// Calls f with every maximal run of characters that are not white space.
template <class F>
void for_each_chunk(std::string_view text, F f) {
  Index begin = 0;
  for (Index at = 0; at < text.size();) {
    const Decoded next = decode_or_throw(text, at);
    if (is_white_space(next.code)) {
      if (at > begin) f(text.substr(begin, at - begin));
      begin = at + next.bytes;
    }
    at += next.bytes;
  }
  if (text.size() > begin) f(text.substr(begin));
}

enum class Kind { word, digit, extend, mark };

Kind kind_of(utf8proc_int32_t code) {
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
    case UTF8PROC_CATEGORY_PC:
      return Kind::word;
    case UTF8PROC_CATEGORY_ND:
      return Kind::digit;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
      return Kind::extend;
    default:
      return Kind::mark;
  }
}

bool is_wordlike(Kind kind) { return kind == Kind::word || kind == Kind::digit; }

/// Whether `mark` stays inside a word between these two.
bool joins(utf8proc_int32_t mark, Kind before, Kind after) {
  constexpr auto inside_words = U"'\u2019-\u2010\u2011."sv;
  if (before == Kind::digit && after == Kind::digit && (mark == ',' || mark == ':')) return true;
  return is_wordlike(before) && is_wordlike(after) &&
         inside_words.find(static_cast<char32_t>(mark)) != std::u32string_view::npos;
}

/// The bytes of a `<name>` at the start of `text`, or 0.
Index tag_length(std::string_view text) {
  if (text.front() != '<') return 0;
  const Index end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 1);
  return end != std::string_view::npos && end > 1 && text[end] == '>' ? end + 1 : 0;
}

bool is_penn_token(std::string_view chunk) {
  constexpr std::array penn = {"'s"sv,    "'m"sv,    "'d"sv,    "'ve"sv,   "'re"sv,   "'ll"sv,
                               "-lrb-"sv, "-rrb-"sv, "-lsb-"sv, "-rsb-"sv, "-lcb-"sv, "-rcb-"sv};
  return chunk.size() <= 5 && std::ranges::find(penn, lower(chunk)) != penn.end();
}

/// Where the token that begins at `begin` ends.
Index token_end(std::string_view chunk, Index begin) {
  if (const Index tag = tag_length(chunk.substr(begin))) return begin + tag;
  Decoded last = decode_or_throw(chunk, begin);
  Kind kind = kind_of(last.code);
  Index at = begin + last.bytes;
  while (at < chunk.size()) {
    const Decoded next = decode_or_throw(chunk, at);
    const Kind next_kind = kind_of(next.code);
    const Index end = at + next.bytes;
    if (next_kind != Kind::extend) {
      if (kind == Kind::mark && next.code != last.code) return at;
      if (is_wordlike(kind) && next_kind == Kind::mark) {
        const bool joined = end < chunk.size() && joins(next.code, kind, kind_of(decode_or_throw(chunk, end).code));
        if (!joined) return at;
      } else {
        last = next;
        kind = next_kind;
      }
    }
    at = end;
  }
  return at;
}

}  // namespace

std::string read_bytes(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code no_size;
  require<FileError>(!std::filesystem::is_directory(path, no_size), "{}: a directory, not a file", name);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  require<FileError>(file.is_open(), "{}: cannot be opened: {}", name, std::generic_category().message(errno));
  std::string bytes;
  if (const auto size = std::filesystem::file_size(path, no_size); !no_size) bytes.reserve(size);
  std::array<char, 1 << 16> block{};
  while (file.read(block.data(), block.size()) || file.gcount() > 0)
    bytes.append(block.data(), static_cast<Index>(file.gcount()));
  require<FileError>(!file.bad(), "{}: cannot be read: {}", name, std::generic_category().message(errno));
  require<FileError>(!without_bom(bytes).empty(), "{}: the file is empty", name);
  require<FileError>(!bytes.starts_with("\x1F\x8B"), "{}: compressed by gzip; unpack it first", name);
  require<FileError>(!bytes.starts_with("\xFF\xFE") && !bytes.starts_with("\xFE\xFF"),
                     "{}: UTF-16; convert it to UTF-8 first", name);
  if (const auto nul = bytes.find('\0'); nul != std::string::npos) {
    const std::string before = unix_line_ends(bytes.substr(0, nul));
    throw FileError(fmt::format("{}, line {}: a NUL byte (byte {}); this is UTF-16 or no text at all, expected UTF-8",
                                name, 1 + std::ranges::count(before, '\n'), nul));
  }
  return bytes;
}

void require_utf8(std::string_view bytes, const std::filesystem::path& path) {
  const auto bad = find_invalid_utf8(bytes);
  if (!bad) return;
  const std::string before = unix_line_ends(without_bom(bytes.substr(0, *bad)));
  const Index line = 1 + static_cast<Index>(std::ranges::count(before, '\n'));
  const Index column = 1 + count_characters(std::string_view(before).substr(before.rfind('\n') + 1));
  throw FileError(fmt::format("{}, line {}, column {}: 0x{:02X} (byte {}) is not valid UTF-8", path.string(), line,
                              column, static_cast<unsigned char>(bytes[*bad]), *bad));
}

std::string read_text(const std::filesystem::path& path) {
  const std::string bytes = read_bytes(path);
  require_utf8(bytes, path);
  return unix_line_ends(without_bom(bytes));
}

std::optional<Index> find_invalid_utf8(std::string_view text) {
  for (Index at = 0; at < text.size();) {
    const Decoded next = decode_at(text, at);
    if (next.bytes == 0) return at;
    at += next.bytes;
  }
  return std::nullopt;
}

bool valid_utf8(std::string_view text) { return !find_invalid_utf8(text); }

std::string latin1_to_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char byte : bytes) append_code_point(text, static_cast<unsigned char>(byte));
  return text;
}

std::string_view without_bom(std::string_view text) {
  if (text.starts_with(bom)) text.remove_prefix(bom.size());
  return text;
}

std::string unix_line_ends(std::string_view text) {
  std::string lines;
  lines.reserve(text.size());
  for (Index at = 0; at < text.size(); ++at) {
    if (text[at] != '\r') {
      lines += text[at];
    } else if (at + 1 == text.size() || text[at + 1] != '\n') {
      lines += '\n';
    }
  }
  return lines;
}

std::string_view character_at(std::string_view text, Index byte) {
  return text.substr(byte, decode_or_throw(text, byte).bytes);
}

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> result;
  for (Index at = 0; at < text.size(); at += result.back().size()) result.emplace_back(character_at(text, at));
  return result;
}

Index count_characters(std::string_view text) {
  const auto begins = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; };
  return static_cast<Index>(std::ranges::count_if(text, begins));
}

std::string_view grapheme_at(std::string_view text, Index byte) {
  Decoded last = decode_or_throw(text, byte);
  Index end = byte + last.bytes;
  // The state starts anew at each cluster, as utf8proc allows after a break.
  for (utf8proc_int32_t state = 0; end < text.size();) {
    const Decoded next = decode_or_throw(text, end);
    if (last.code < 0x80 && last.code != '\r' && next.code < 0x80) break;  // the common case, without a look-up
    if (utf8proc_grapheme_break_stateful(last.code, next.code, &state)) break;
    end += next.bytes;
    last = next;
  }
  return text.substr(byte, end - byte);
}

std::vector<std::string> graphemes(std::string_view text) {
  std::vector<std::string> result;
  for (Index at = 0; at < text.size(); at += result.back().size()) result.emplace_back(grapheme_at(text, at));
  return result;
}

std::string unicode_version() { return utf8proc_unicode_version(); }

std::vector<std::string> split_whitespace(std::string_view text) {
  std::vector<std::string> chunks;
  for_each_chunk(text, [&](std::string_view chunk) { chunks.emplace_back(chunk); });
  return chunks;
}

bool is_blank(std::string_view text) {
  for (Index at = 0; at < text.size();) {
    const Decoded next = decode_or_throw(text, at);
    if (!is_white_space(next.code)) return false;
    at += next.bytes;
  }
  return true;
}

std::vector<std::string> words(std::string_view text) {
  return is_tokenised(text) ? split_whitespace(text) : split_words(text);
}

bool is_tokenised(std::string_view text) {
  constexpr auto marks = ".,;:?!"sv;
  Index alone = 0;
  Index attached = 0;
  for_each_chunk(text, [&](std::string_view chunk) {
    if (chunk == "<unk>") ++alone;
    if (marks.find(chunk.back()) == std::string_view::npos) return;
    const auto end = static_cast<Index>(chunk.data() + chunk.size() - text.data());
    const bool only_marks = chunk.find_first_not_of(marks) == std::string_view::npos;
    if (chunk.size() == 1) {
      ++alone;
    } else if (only_marks) {
      return;  // an ellipsis stands alone in either kind of text
    } else if (chunk.back() != '.' || end == text.size() || text[end] == '\n') {
      ++attached;
    }
  });
  return alone > attached;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> tokens;
  for_each_chunk(text, [&](std::string_view chunk) {
    if (is_penn_token(chunk)) return void(tokens.emplace_back(chunk));
    for (Index at = 0, end = 0; at < chunk.size(); at = end) {
      end = token_end(chunk, at);
      tokens.emplace_back(chunk.substr(at, end - at));
    }
  });
  return tokens;
}

std::string lower(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (Index at = 0; at < text.size();) {
    const Decoded next = decode_or_throw(text, at);
    append_code_point(result, utf8proc_tolower(next.code));
    at += next.bytes;
  }
  return result;
}

}  // namespace unroll
