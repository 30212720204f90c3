#include <algorithm>
#include <limits>
#include <queue>

#include <unroll/core/error.h>
#include <unroll/data/byte_pairs.h>
#include <unroll/data/pretokenise.h>

namespace unroll {
namespace {

/// The different pieces of a text as chains of tokens, with the counts and places of all pairs. A merge touches nothing
/// but the places where its pair stands, so that all merges together take time in proportion to the text's length.
class Chains {
 public:
  struct Pair {
    Id left, right;
    bool operator<(const Pair& other) const { return left != other.left ? left < other.left : right < other.right; }
  };

  /// `id_of` gives the token of a byte.
  template <class IdOf>
  Chains(std::string_view text, IdOf id_of) {
    std::unordered_map<std::string_view, Place> known;
    std::vector<std::string_view> pieces;
    for (Index at = 0; at < text.size();) {
      const std::string_view piece = piece_at(text, at);
      const auto [entry, is_new] = known.try_emplace(piece, static_cast<Place>(pieces.size()));
      if (is_new) {
        pieces.push_back(piece);
        counts_.push_back(0);
      }
      ++counts_[entry->second];
      at += piece.size();
    }
    for (Place i = 0; i < pieces.size(); ++i) add_piece(pieces[i], i, id_of);
    for (const auto& [key, pair] : pairs_) waiting_.push({pair.count, left_of(key), right_of(key)});
  }

  /// The pair with the greatest count, of equals the smallest; nothing if it is seen less than `least` times.
  const Pair* most_frequent(Index least) {
    while (!waiting_.empty()) {
      const Candidate top = waiting_.top();
      const auto found = pairs_.find(key(top.left, top.right));
      const Index count = found == pairs_.end() ? 0 : found->second.count;
      if (count == top.count && count > 0) {
        best_ = {top.left, top.right};
        return count >= least ? &best_ : nullptr;
      }
      waiting_.pop();
      if (count > 0 && count < top.count) waiting_.push({count, top.left, top.right});
    }
    return nullptr;
  }

  /// Joins the pair to `token` wherever it stands, in each piece from the left.
  void merge(Pair pair, Id token) {
    auto node = pairs_.extract(key(pair.left, pair.right));
    std::vector<Place>& places = node.mapped().places;
    std::ranges::sort(places);
    raised_.clear();
    for (const Place at : places) {
      if (ids_[at] != pair.left || next_[at] == none || ids_[next_[at]] != pair.right) continue;
      const Place right = next_[at];
      const Place before = previous_[at];
      const Place after = next_[right];
      if (before != none) lower(ids_[before], pair.left, counts_[piece_[at]]);
      if (after != none) lower(pair.right, ids_[after], counts_[piece_[at]]);
      ids_[at] = token;
      ids_[right] = gone;
      next_[at] = after;
      if (after != none) previous_[after] = at;
      if (before != none) raise(before);
      if (after != none) raise(at);
    }
    std::ranges::sort(raised_);
    const auto repeated = std::ranges::unique(raised_);
    raised_.erase(repeated.begin(), repeated.end());
    for (const std::uint64_t k : raised_) {
      const auto found = pairs_.find(k);
      if (found != pairs_.end()) waiting_.push({found->second.count, left_of(k), right_of(k)});
    }
  }

 private:
  using Place = std::uint32_t;
  static constexpr Place none = std::numeric_limits<Place>::max();
  static constexpr Id gone = -1;

  struct Occurrences {
    Index count = 0;
    std::vector<Place> places;  // of the left tokens; some may be out of date
  };
  /// A pair as it was counted once: its count may have fallen since, and is never above the one it waits with.
  struct Candidate {
    Index count;
    Id left, right;
    bool operator<(const Candidate& other) const {
      if (count != other.count) return count < other.count;
      return Pair{other.left, other.right} < Pair{left, right};
    }
  };

  static std::uint64_t key(Id left, Id right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32U | static_cast<std::uint32_t>(right);
  }
  static Id left_of(std::uint64_t key) { return static_cast<Id>(key >> 32U); }
  static Id right_of(std::uint64_t key) { return static_cast<Id>(key & 0xFFFFFFFFU); }

  template <class IdOf>
  void add_piece(std::string_view bytes, Place piece, IdOf id_of) {
    require<UsageError>(ids_.size() + bytes.size() < none, "BytePairs: more than {} bytes of different pieces", none);
    const auto begin = static_cast<Place>(ids_.size());
    const auto end = static_cast<Place>(begin + bytes.size());
    for (Place at = begin; at < end; ++at) {
      ids_.push_back(id_of(bytes[at - begin]));
      next_.push_back(at + 1 < end ? at + 1 : none);
      previous_.push_back(at > begin ? at - 1 : none);
      piece_.push_back(piece);
    }
    for (Place at = begin; at + 1 < end; ++at) {
      Occurrences& pair = pairs_[key(ids_[at], ids_[at + 1])];
      pair.count += counts_[piece];
      pair.places.push_back(at);
    }
  }

  /// One occurrence less of a pair, which may be the one that is being merged and has no count any more.
  void lower(Id left, Id right, Index count) {
    const auto found = pairs_.find(key(left, right));
    if (found == pairs_.end()) return;
    found->second.count -= count;
    if (found->second.count == 0) pairs_.erase(found);
  }

  /// One occurrence more of the pair that begins at a place.
  void raise(Place at) {
    const std::uint64_t k = key(ids_[at], ids_[next_[at]]);
    Occurrences& pair = pairs_[k];
    pair.count += counts_[piece_[at]];
    pair.places.push_back(at);
    raised_.push_back(k);
  }

  std::vector<Index> counts_;  // of each different piece
  std::vector<Id> ids_;        // of all different pieces, one behind the other, by the first byte of the token
  std::vector<Place> next_, previous_, piece_;
  std::unordered_map<std::uint64_t, Occurrences> pairs_;
  std::priority_queue<Candidate> waiting_;
  std::vector<std::uint64_t> raised_;
  Pair best_{};
};

}  // namespace

BytePairs BytePairs::train(std::string_view text, BytePairOptions options) {
  BytePairs pairs;
  require<UsageError>(options.size >= pairs.size(), "BytePairs: a size of {}, expected at least the {} bytes",
                      options.size, pairs.size());
  require<UsageError>(options.min_count > 0, "BytePairs: min_count is 0, expected at least 1");
  Chains chains(text, [&](char byte) { return pairs.ids_.at(std::string(1, byte)); });
  while (pairs.size() < options.size) {
    const auto* best = chains.most_frequent(options.min_count);
    require<UsageError>(best != nullptr,
                        "BytePairs: a size of {}, but with pairs seen at least {} times the text gives {} tokens",
                        options.size, options.min_count, pairs.size());
    chains.merge(*best, pairs.merge(best->left, best->right));
  }
  return pairs;
}

}  // namespace unroll
