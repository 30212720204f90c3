#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <queue>

#include <unroll/core/error.h>
#include <unroll/data/byte_pairs.h>
#include <unroll/data/code_points.h>
#include <unroll/data/pretokenise.h>

namespace unroll {
namespace {

/// The bytes and their visible characters, by id, and the ids by byte.
struct Alphabet {
  std::array<unsigned char, 256> bytes{};
  std::array<std::int32_t, 256> characters{};
  std::array<Id, 256> ids{};

  constexpr Alphabet() {
    Index id = 0;
    const auto is_visible = [](int byte) { return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD); };
    const auto add = [&](int byte, std::int32_t character) {
      bytes[id] = static_cast<unsigned char>(byte);
      characters[id] = character;
      ids[static_cast<Index>(byte)] = static_cast<Id>(id);
      ++id;
    };
    for (int byte = 0; byte < 256; ++byte) {
      if (is_visible(byte)) add(byte, byte);
    }
    std::int32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      if (!is_visible(byte)) add(byte, next++);
    }
  }
};
constexpr Alphabet alphabet;

Id id_of_byte(char byte) { return alphabet.ids[static_cast<unsigned char>(byte)]; }

std::string visible(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_code_point(text, alphabet.characters[static_cast<Index>(id_of_byte(byte))]);
  return text;
}

/// The bytes of a visible text; none if one of its characters stands for no byte.
std::optional<std::string> invisible(std::string_view text) {
  std::string bytes;
  for (Index at = 0; at < text.size();) {
    const Decoded next = decode_at(text, at);
    const auto found = std::ranges::find(alphabet.characters, next.code);
    if (found == alphabet.characters.end()) return std::nullopt;
    bytes += static_cast<char>(alphabet.bytes[static_cast<Index>(found - alphabet.characters.begin())]);
    at += next.bytes;
  }
  return bytes;
}

}  // namespace

/// Encodes one piece; its memory is used again for the next one.
class BytePairs::Piece {
 public:
  explicit Piece(const BytePairs& pairs) : pairs_(pairs) {}

  void encode(std::string_view bytes, std::vector<Id>& ids) {
    size_ = bytes.size();
    ids_.clear();
    next_.clear();
    previous_.clear();
    for (Index i = 0; i < size_; ++i) {
      ids_.push_back(id_of_byte(bytes[i]));
      next_.push_back(i + 1);
      previous_.push_back(i - 1);
    }
    for (Index i = 0; i + 1 < size_; ++i) offer(i);
    while (!waiting_.empty()) {
      const auto [rank, at] = waiting_.top();
      waiting_.pop();
      const auto* merge = merge_at(at);
      if (merge && merge->rank == rank) apply(*merge, at);
    }
    for (Index i = 0; i < size_; i = next_[i]) ids.push_back(ids_[i]);
  }

 private:
  static constexpr Id gone = -1;
  using Place = std::pair<Index, Index>;  // rank of a merge, where its left token begins

  /// The merge of the token at a place and the next one, or nullptr.
  const Merge* merge_at(Index at) const {
    if (ids_[at] == gone || next_[at] == size_) return nullptr;
    const auto found = pairs_.rules_.find(key(ids_[at], ids_[next_[at]]));
    return found == pairs_.rules_.end() ? nullptr : &found->second;
  }

  void offer(Index at) {
    if (const auto* merge = merge_at(at)) waiting_.emplace(merge->rank, at);
  }

  void apply(const Merge& merge, Index at) {
    const Index right = next_[at];
    ids_[at] = merge.token;
    ids_[right] = gone;
    next_[at] = next_[right];
    if (next_[at] < size_) previous_[next_[at]] = at;
    if (at > 0) offer(previous_[at]);
    offer(at);
  }

  const BytePairs& pairs_;
  Index size_ = 0;
  std::vector<Id> ids_;  // by the first byte of the token
  std::vector<Index> next_, previous_;
  std::priority_queue<Place, std::vector<Place>, std::greater<>> waiting_;
};

BytePairs::BytePairs() {
  for (const unsigned char byte : alphabet.bytes) {
    tokens_.emplace_back(1, static_cast<char>(byte));
    ids_.emplace(tokens_.back(), static_cast<Id>(ids_.size()));
  }
}

Id BytePairs::merge(Id left, Id right) {
  std::string bytes = token(left) + token(right);
  const auto [known, added] = ids_.emplace(bytes, static_cast<Id>(tokens_.size()));
  if (added) tokens_.push_back(std::move(bytes));
  if (rules_.emplace(key(left, right), Merge{merges_.size(), known->second}).second) merges_.emplace_back(left, right);
  return known->second;
}

BytePairs BytePairs::from_merges(const std::vector<std::string>& merges) {
  BytePairs pairs;
  for (const std::string& text : merges) {
    const Index number = pairs.merges_.size() + 1;
    const Index blank = text.find(' ');
    require<UsageError>(blank != std::string::npos && text.find(' ', blank + 1) == std::string::npos,
                        "BytePairs: merge {} is '{}', expected two tokens with one blank between them", number, text);
    const auto id_of = [&](std::string_view written) {
      const auto bytes = invisible(written);
      const auto known = bytes ? pairs.ids_.find(*bytes) : pairs.ids_.end();
      require<UsageError>(known != pairs.ids_.end(),
                          "BytePairs: merge {} is '{}', and there is no token '{}' before it", number, text, written);
      return known->second;
    };
    const Id left = id_of(std::string_view(text).substr(0, blank));
    const Id right = id_of(std::string_view(text).substr(blank + 1));
    pairs.merge(left, right);
    require<UsageError>(pairs.merges_.size() == number, "BytePairs: merge {}, '{}', stands twice", number, text);
  }
  return pairs;
}

const std::string& BytePairs::token(Id id) const {
  require<UsageError>(id >= 0 && static_cast<Index>(id) < size(), "id {} is outside the {} tokens of the byte pairs",
                      id, size());
  return tokens_[static_cast<Index>(id)];
}

std::vector<std::string> BytePairs::merges() const {
  std::vector<std::string> written;
  for (const auto& [left, right] : merges_) written.push_back(visible(token(left)) + " " + visible(token(right)));
  return written;
}

std::vector<Id> BytePairs::encode(std::string_view text) const {
  struct Range {
    Index begin, end;
  };
  std::unordered_map<std::string_view, Range> known;  // where in `ids` the tokens of a piece stand
  std::vector<Id> ids;
  Piece piece(*this);
  for (Index at = 0; at < text.size();) {
    const std::string_view bytes = piece_at(text, at);
    const auto [entry, is_new] = known.try_emplace(bytes, Range{ids.size(), ids.size()});
    auto& [begin, end] = entry->second;
    if (is_new) {
      piece.encode(bytes, ids);
      end = ids.size();
    } else {
      for (Index i = begin; i < end; ++i) ids.push_back(ids[i]);
    }
    at += bytes.size();
  }
  return ids;
}

std::string BytePairs::decode(const std::vector<Id>& ids) const {
  std::string text;
  for (const Id id : ids) text += token(id);
  return text;
}

}  // namespace unroll
