// Tokens between bytes and words, learnt from a text: byte-pair encoding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

struct BytePairOptions {
  Index size = 8192;    ///< of the vocabulary, the 256 bytes included
  Index min_count = 2;  ///< a pair that is seen less often is never merged
};

/// Byte-pair encoding (R. Sennrich, B. Haddow and A. Birch, "Neural Machine Translation of Rare Words with Subword
/// Units", ACL 2016) over bytes, so that every text has ids and there is no UNK.
///
///     const BytePairs pairs = BytePairs::train(text, {.size = 4096});
///     const std::vector<Id> ids = pairs.encode("the harbour");
///     pairs.decode(ids);                                         // "the harbour"
///     put_strings(checkpoint, "pairs", pairs.merges());          // BytePairs::from_merges reads them
///
/// A text is cut into pieces first, as `piece_at` says, and no token crosses their edges. Training begins with the
/// bytes of the pieces and again and again joins the pair of neighbouring tokens with the greatest count into a new
/// token. A count is over all pieces of the text and over overlapping places (`aaa` has the pair (a, a) twice); of
/// equal counts the pair with the smaller left id goes first, then the one with the smaller right id.
///
/// Ids 0 … 255 are the bytes in the order of GPT-2 (Radford et al. 2019): 0x21–0x7E, 0xA1–0xAC, 0xAE–0xFF, then the
/// others. A merge's token takes the next id, unless the same bytes have been joined in another way before: then it is
/// that token. Merges are written as there, so that those of GPT-2's file give its ids, without its end-of-text mark.
/// Ids from `size()` on are free for marks of the user's own.
class BytePairs {
 public:
  /// Time N log N in the length of the text, for any text.
  /// Errors: UsageError if `size` is below 256, if the pairs that are seen `min_count` times run out before there are
  /// `size` tokens (it says how many there are), if `min_count` is 0, or for text that is not UTF-8.
  static BytePairs train(std::string_view text, BytePairOptions options = {});

  /// The encoder whose `merges()` these are; none: only bytes.
  /// Errors: UsageError with its number, from 1 on, for a merge that is not two tokens with a blank between them that
  /// are there before it, or that stands twice.
  static BytePairs from_merges(const std::vector<std::string>& merges);

  /// How many tokens there are.
  Index size() const { return tokens_.size(); }
  /// The bytes of every token; those of one alone need not be UTF-8.
  const std::vector<std::string>& tokens() const { return tokens_; }
  /// Errors: UsageError for an id outside 0 … size() − 1.
  const std::string& token(Id id) const;

  /// The merges in their order, each two tokens with a blank between them, in UTF-8. A byte is written as a character
  /// that can be seen: 0x21–0x7E, 0xA1–0xAC and 0xAE–0xFF as the code point of their number, the other 68 in their
  /// order as U+0100 … U+0143 (a blank is Ġ). There are size() − 256 of them, or more where a token is made in two
  /// ways.
  std::vector<std::string> merges() const;

  /// In each piece of the text, joins the pair whose merge comes first, the leftmost of several, until none is left.
  /// Time in proportion to the text: each different piece is computed once, and none is long.
  /// Errors: UsageError if `text` is not UTF-8.
  std::vector<Id> encode(std::string_view text) const;

  /// The tokens joined; of `encode(text)`, the text. Other ids may give bytes that are not UTF-8. Errors: as `token`.
  std::string decode(const std::vector<Id>& ids) const;

  bool operator==(const BytePairs& other) const { return merges_ == other.merges_; }

 private:
  using Pair = std::pair<Id, Id>;
  struct Merge {
    Index rank;
    Id token;
  };
  class Piece;

  BytePairs();
  static std::uint64_t key(Id left, Id right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32U | static_cast<std::uint32_t>(right);
  }
  /// The token of a pair, made if it is new; and its merge, if the pair has none.
  Id merge(Id left, Id right);

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, Id> ids_;
  std::vector<Pair> merges_;
  std::unordered_map<std::uint64_t, Merge> rules_;
};

}  // namespace unroll
