#include <utf8proc.h>

#include <array>

#include <unroll/data/code_points.h>
#include <unroll/data/pretokenise.h>

namespace unroll {
namespace {

constexpr Index longest_piece = 65'536;

enum class Kind { space, letter, digit, other };

Kind kind_of(std::int32_t code) {
  if (is_white_space(code)) return Kind::space;
  if (code < 0x80) {
    const std::int32_t lower = code | 0x20;
    return lower >= 'a' && lower <= 'z' ? Kind::letter : code >= '0' && code <= '9' ? Kind::digit : Kind::other;
  }
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return Kind::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Kind::digit;
    default:
      return Kind::other;
  }
}

/// A run of characters of one kind.
struct Run {
  Index last;  // where its last character begins
  Index end;
};

/// The run of `kind` from `begin` on, which stays below `limit`.
Run run_of(Kind kind, std::string_view text, Index begin, Index limit) {
  Run run{begin, begin};
  while (run.end < text.size()) {
    const Decoded next = decode_or_throw(text, run.end);
    if (kind_of(next.code) != kind || run.end + next.bytes > limit) break;
    run.last = run.end;
    run.end += next.bytes;
  }
  return run;
}

Index contraction_length(std::string_view text) {
  constexpr std::array<std::string_view, 7> contractions{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  for (const auto contraction : contractions) {
    if (text.starts_with(contraction)) return contraction.size();
  }
  return 0;
}

}  // namespace

std::string_view piece_at(std::string_view text, Index byte) {
  if (const Index length = contraction_length(text.substr(byte))) return text.substr(byte, length);
  const Index limit = byte + longest_piece;
  const auto until = [&](Index end) { return text.substr(byte, end - byte); };
  const Kind kind = kind_of(decode_or_throw(text, byte).code);
  if (kind != Kind::space) return until(run_of(kind, text, byte, limit).end);
  const Run space = run_of(Kind::space, text, byte, limit);
  const bool cut = space.end < text.size() && kind_of(decode_or_throw(text, space.end).code) == Kind::space;
  if (space.end == text.size() || cut) return until(space.end);
  if (space.last > byte) return until(space.last);
  if (text[byte] != ' ') return until(space.end);
  return until(run_of(kind_of(decode_or_throw(text, space.end).code), text, space.end, limit).end);
}

}  // namespace unroll
