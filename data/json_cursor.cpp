#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include <unroll/data/code_points.h>
#include <unroll/data/json_cursor.h>
#include <unroll/data/text.h>

namespace unroll {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void JsonCursor::fail_at(Index byte, const std::string& message) const {
  fail_(byte, message);
  std::abort();  // `fail` must throw
}

void JsonCursor::fail_expecting(std::string_view expected) const {
  if (at_end()) fail_at(at_, fmt::format("expected {}, found the end", expected));
  const bool control = static_cast<unsigned char>(text_[at_]) < 0x20;
  fail_at(at_, control ? fmt::format("expected {}, found 0x{:02X}", expected, text_[at_])
                       : fmt::format("expected {}, found '{}'", expected, character_at(text_, at_)));
}

void JsonCursor::skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

bool JsonCursor::take(char mark) {
  if (at_end() || text_[at_] != mark) return false;
  ++at_;
  skip_space();
  return true;
}

std::string_view JsonCursor::kind() const {
  switch (peek()) {
    case '"':
      return "a string";
    case '{':
      return "an object";
    case '[':
      return "a list";
    case 't':
    case 'f':
      return "a truth value";
    case 'n':
      return "null";
    default:
      return is_digit(peek()) || peek() == '-' ? "a number" : "no value";
  }
}

std::string JsonCursor::string() {
  std::string out;
  if (peek() != '"') fail_expecting("a string");
  for (++at_; peek() != '"';) {
    const Index begin = at_;
    for (; !at_end() && text_[at_] != '"' && text_[at_] != '\\'; ++at_) {
      if (static_cast<unsigned char>(text_[at_]) < 0x20)
        fail_expecting("control characters of a string to be written as \\u00XX");
    }
    out += text_.substr(begin, at_ - begin);
    if (at_end()) fail_expecting("the string's closing quote");
    if (text_[at_] == '\\') escape(out);
  }
  ++at_;
  skip_space();
  return out;
}

void JsonCursor::escape(std::string& out) {
  constexpr std::string_view names = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  const Index begin = at_++;
  const auto found = at_end() ? std::string_view::npos : names.find(text_[at_]);
  if (found != std::string_view::npos) {
    out += meanings[found];
    ++at_;
    return;
  }
  if (peek() != 'u') fail_expecting("one of \" \\ / b f n r t u behind a backslash");
  unsigned code = code_unit();
  if (code >= 0xDC00 && code <= 0xDFFF)
    fail_at(begin, fmt::format("\\u{:04X} is the second half of a surrogate pair, expected the first before it", code));
  if (code >= 0xD800 && code <= 0xDBFF) {
    const unsigned second = text_.substr(at_).starts_with("\\u") ? (++at_, code_unit()) : 0;
    if (second < 0xDC00 || second > 0xDFFF) {
      fail_at(
          begin,
          fmt::format("\\u{:04X} is the first half of a surrogate pair, expected \\uDC00 to \\uDFFF behind it", code));
    }
    code = 0x10000 + ((code - 0xD800) << 10U) + (second - 0xDC00);
  }
  append_code_point(out, static_cast<std::int32_t>(code));
}

unsigned JsonCursor::code_unit() {
  ++at_;  // the u
  unsigned code = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = peek();
    const unsigned digit = is_digit(c)            ? static_cast<unsigned>(c - '0')
                           : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                           : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A' + 10)
                                                  : 16;
    if (digit == 16) fail_expecting("four hexadecimal digits behind \\u");
    code = code << 4U | digit;
  }
  return code;
}

void JsonCursor::number() {
  const auto digits = [&] {
    if (!is_digit(peek())) fail_expecting("a digit");
    while (is_digit(peek())) ++at_;
  };
  if (peek() == '-') ++at_;
  if (peek() == '0') {
    ++at_;
    if (is_digit(peek())) fail_expecting("no digit behind a leading 0");
  } else {
    digits();
  }
  if (peek() == '.') ++at_, digits();
  if (peek() == 'e' || peek() == 'E') {
    ++at_;
    if (peek() == '+' || peek() == '-') ++at_;
    digits();
  }
}

void JsonCursor::literal(std::string_view word) {
  if (!text_.substr(at_).starts_with(word)) fail_expecting("a value");
  at_ += word.size();
}

void JsonCursor::scalar() {
  const char c = peek();
  if (c == '"') return void(string());
  if (c == 't') {
    literal("true");
  } else if (c == 'f') {
    literal("false");
  } else if (c == 'n') {
    literal("null");
  } else if (is_digit(c) || c == '-') {
    number();
  } else {
    fail_expecting("a value");
  }
}

std::string_view JsonCursor::value() {
  const Index begin = at_;
  std::vector<char> open;  // the closing marks that are awaited
  do {
    const char mark = peek();
    if (mark == '{' || mark == '[') {
      ++at_;
      skip_space();
      open.push_back(mark == '{' ? '}' : ']');
      if (peek() != open.back()) {
        if (mark == '{') key();
        continue;
      }
    } else {
      scalar();
    }
    // A value ended: so may those it is in, up to one that goes on.
    while (!open.empty()) {
      skip_space();
      if (take(',')) {
        if (open.back() == '}') key();
        break;
      }
      if (peek() != open.back()) fail_expecting(open.back() == '}' ? "',' or '}'" : "',' or ']'");
      ++at_;
      open.pop_back();
    }
  } while (!open.empty());
  const std::string_view walked = text_.substr(begin, at_ - begin);
  skip_space();
  return walked.substr(0, walked.find_last_not_of(" \t\r\n") + 1);
}

std::string JsonCursor::key() {
  if (peek() != '"') fail_expecting("a key in quotes");
  std::string name = string();
  if (!take(':')) fail_expecting("':' behind a key");
  return name;
}

}  // namespace unroll
