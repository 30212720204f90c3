// Walks through one JSON text (RFC 8259) without building it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <unroll/core/ids.h>

namespace unroll {

/// Stands at a place of a JSON text in UTF-8 and moves on over what is asked for. White space goes unasked. Nothing
/// recurses, so values may nest to any depth.
/// Errors: all functions call `fail(byte, message)` for what is not JSON; it must throw.
class JsonCursor {
 public:
  using Fail = std::function<void(Index byte, const std::string& message)>;

  JsonCursor(std::string_view text, Fail fail) : text_(text), fail_(std::move(fail)) { skip_space(); }

  /// The byte where the next token begins.
  Index byte() const { return at_; }
  /// The first byte of the next token; 0 at the end.
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool at_end() const { return at_ == text_.size(); }

  /// Moves over `mark` if it is next.
  bool take(char mark);
  /// Fails at the next token: "expected …, found …".
  [[noreturn]] void fail_expecting(std::string_view expected) const;
  /// Fails at a byte.
  [[noreturn]] void fail_at(Index byte, const std::string& message) const;

  /// A string without its quotes and escapes.
  std::string string();
  /// A string and the colon behind it.
  std::string key();
  /// Any value, as it is written.
  std::string_view value();
  /// What kind the next value is by its first byte: "a string", "a number", …
  std::string_view kind() const;

 private:
  void skip_space();
  void number();
  void literal(std::string_view word);
  /// Moves over the escape that begins here, and adds what it stands for.
  void escape(std::string& out);
  /// The number of a \uXXXX.
  unsigned code_unit();
  /// Moves over a value that is no list and no object.
  void scalar();

  std::string_view text_;
  Fail fail_;
  Index at_ = 0;
};

}  // namespace unroll
