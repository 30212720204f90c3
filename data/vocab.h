// The one place that decides which ids tokens get, what an unknown token becomes, and where a line ends.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

struct VocabOptions {
  Index min_count = 1;  ///< tokens seen less often are left out
  Index max_size = 0;   ///< at most so many tokens, the special ones included; 0: no limit
  bool unk = true;      ///< `<unk>`, for every token outside the vocabulary
  bool eos = false;     ///< `<eos>`, the end of a line
  bool pad = false;     ///< `<pad>`, for padding
};

/// The special tokens of a vocabulary of bytes, which has all bytes and so needs no `<unk>`.
struct ByteOptions {
  bool eos = false;  ///< `<eos>`, the end of a line, in the place of the byte 0x0A
  bool pad = false;  ///< `<pad>`, for padding
};

/// A two-way map between tokens and the ids 0 … size() − 1.
///
/// Order: the special tokens asked for come first, in the order `<pad>`, `<unk>`, `<eos>`; then the others by falling
/// count, those of equal count as first seen.
///
/// The special tokens are those spelled so: a word `<unk>` in a text is the special one, also when it was not asked
/// for. (In a text for characters it is five characters.)
///
/// EOS is the end of a line: where a vocabulary has it, `encode` of a text makes it of every "\n", and `decode` writes
/// it as "\n". In a vocabulary without it, a line end is an ordinary character, and mere white space between words.
class Vocab {
 public:
  enum class Kind { characters, words, bytes, graphemes };

  /// "characters", "words", "bytes" or "graphemes": what a model's file calls the kind.
  static std::string_view kind_name(Kind kind);
  /// The kind of that name. Errors: UsageError for any other name; it lists them.
  static Kind kind_named(std::string_view name);

  /// Each code point is a token. By default every character of the text gets an id and there is no UNK.
  /// Errors: UsageError if the text is empty or not UTF-8, if no character is seen `min_count` times, or if
  /// `max_size` leaves no room besides the special tokens.
  static Vocab of_characters(std::string_view text, VocabOptions options = {.unk = false});

  /// Each extended grapheme cluster is a token, as `graphemes` finds them: an accented letter or an emoji stays whole.
  /// CR LF is one, and no end of a line; `read_text` leaves none. Errors: as `of_characters`.
  static Vocab of_graphemes(std::string_view text, VocabOptions options = {.unk = false});

  /// Each byte is a token, so that any text has ids. Without special tokens the id is the byte; with them, those come
  /// first and the bytes follow in order. A byte below 0x80 is the token of its character, another one is spelled
  /// `<0xE9>`: tokens are UTF-8.
  static Vocab of_bytes(ByteOptions options = {});

  /// Errors: UsageError if there are no tokens, one is blank, none is seen `min_count` times, or `max_size` leaves no
  /// room besides the special tokens.
  static Vocab of_words(const std::vector<std::string>& tokens, VocabOptions options = {});

  /// The vocabulary whose `kind()` and `tokens()` these are.
  /// Errors: UsageError for a token that stands twice, is blank (words), or is neither special nor one character, byte
  /// or grapheme; for a byte that is missing.
  static Vocab from_tokens(Kind kind, std::vector<std::string> tokens);

  /// A vocabulary of words from a file with one token a line; the first line has id 0.
  /// Errors: FileError as in `read_text`, and with the lines for a token that stands twice or is blank.
  static Vocab read(const std::filesystem::path& path);

  Kind kind() const { return kind_; }
  Index size() const { return tokens_.size(); }
  const std::vector<std::string>& tokens() const { return tokens_; }

  /// The ids of the special tokens, where the vocabulary has them.
  std::optional<Id> unk() const { return find("<unk>"); }
  std::optional<Id> eos() const { return find("<eos>"); }
  std::optional<Id> pad() const { return find("<pad>"); }

  bool contains(std::string_view token) const { return find(token).has_value(); }

  /// UNK for a token outside the vocabulary. Errors: UsageError that names the token if there is no UNK.
  Id id(std::string_view token) const;

  /// Errors: UsageError for an id outside 0 … size() − 1.
  const std::string& token(Id id) const;

  /// The ids of a text's characters, graphemes or bytes, or of its words as `words` finds them. A word with marks that
  /// the vocabulary knows stays whole ("mr."). Errors: UsageError for a token outside a vocabulary without UNK, or text
  /// that is not UTF-8 (bytes may be any).
  std::vector<Id> encode(std::string_view text) const;

  /// One id for each token.
  std::vector<Id> encode(const std::vector<std::string>& tokens) const;

  /// The tokens joined: characters, graphemes and bytes as they are, words by one blank. It is the text again for the
  /// `encode` of a text whose characters, graphemes or bytes are all in the vocabulary. `encode` of it gives `ids`
  /// again: always for characters and bytes, for words if the vocabulary was made by `words`; graphemes that stand in
  /// an order no text has may join. Any ids of bytes may give a text that is not UTF-8. Errors: as `token`.
  std::string decode(const std::vector<Id>& ids) const;

  bool operator==(const Vocab& other) const { return kind_ == other.kind_ && tokens_ == other.tokens_; }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  Vocab(Kind kind, std::vector<std::string> tokens);
  std::optional<Id> find(std::string_view token) const;
  void check(std::string_view token, Index id) const;
  void find_bytes();
  std::vector<Id> encode_words(std::string_view text) const;

  Kind kind_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, Id, Hash, std::equal_to<>> ids_;
  std::array<Id, 256> byte_ids_{};  // of a vocabulary of bytes
};

}  // namespace unroll
