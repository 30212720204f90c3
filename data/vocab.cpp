#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <ranges>
#include <utility>

#include <unroll/core/error.h>
#include <unroll/data/collector.h>
#include <unroll/data/text.h>
#include <unroll/data/vocab.h>

namespace unroll {
namespace {

struct NamedKind {
  Vocab::Kind kind;
  std::string_view name;
};
constexpr std::array kinds{NamedKind{Vocab::Kind::characters, "characters"}, NamedKind{Vocab::Kind::words, "words"},
                           NamedKind{Vocab::Kind::bytes, "bytes"}, NamedKind{Vocab::Kind::graphemes, "graphemes"}};

std::string byte_token(unsigned byte) {
  return byte < 0x80 ? std::string(1, static_cast<char>(byte)) : fmt::format("<0x{:02X}>", byte);
}

/// The byte that `token` is the token of.
std::optional<char> byte_of(std::string_view token) {
  if (token.size() == 1 && static_cast<unsigned char>(token[0]) < 0x80) return token[0];
  unsigned byte = 0;
  if (token.size() == 6 && token.starts_with("<0x")) std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  if (byte >= 0x80 && token == byte_token(byte)) return static_cast<char>(byte);
  return std::nullopt;
}

bool is_special(std::string_view token) { return token == "<pad>" || token == "<unk>" || token == "<eos>"; }

/// Counts tokens and remembers the order in which they first came.
class Counter {
 public:
  void add(std::string_view token) {
    if (const auto known = index_.find(token); known != index_.end()) {
      ++counts_[known->second].second;
    } else {
      index_.emplace(token, counts_.size());
      counts_.emplace_back(token, 1);
    }
  }

  bool empty() const { return counts_.empty(); }

  std::vector<std::string> vocabulary(const VocabOptions& options) const {
    std::vector<std::string> tokens;
    if (options.pad) tokens.emplace_back("<pad>");
    if (options.unk) tokens.emplace_back("<unk>");
    if (options.eos) tokens.emplace_back("<eos>");
    const Index special = tokens.size();
    require<UsageError>(options.max_size == 0 || options.max_size > special,
                        "Vocab: max_size {} leaves no room besides {} special tokens", options.max_size, special);
    auto sorted = counts_;
    std::ranges::stable_sort(sorted, std::greater{}, &std::pair<std::string_view, Index>::second);
    for (const auto& [token, count] : sorted) {
      if (count < options.min_count || (options.max_size > 0 && tokens.size() == options.max_size)) break;
      const auto specials = tokens.begin() + static_cast<std::ptrdiff_t>(special);
      if (std::find(tokens.begin(), specials, token) == specials) tokens.emplace_back(token);
    }
    require<UsageError>(tokens.size() > special, "Vocab: no token is seen {} times", options.min_count);
    return tokens;
  }

 private:
  std::vector<std::pair<std::string_view, Index>> counts_;
  std::unordered_map<std::string_view, Index> index_;
};

/// The tokens of a text, where `token_at(text, byte)` is the one that begins at a byte.
template <class TokenAt>
Counter count_tokens(std::string_view text, const VocabOptions& options, TokenAt token_at) {
  Counter counter;
  for (Index at = 0; at < text.size();) {
    const std::string_view token = token_at(text, at);
    if (!options.eos || token != "\n") counter.add(token);
    at += token.size();
  }
  return counter;
}

}  // namespace

Vocab::Vocab(Kind kind, std::vector<std::string> tokens) : kind_(kind), tokens_(std::move(tokens)) {
  require<UsageError>(tokens_.size() <= static_cast<Index>(std::numeric_limits<Id>::max()),
                      "Vocab: {} tokens are too many", tokens_.size());
  ids_.reserve(tokens_.size());
  for (Index i = 0; i < tokens_.size(); ++i) {
    check(tokens_[i], i);
    const auto [known, added] = ids_.emplace(tokens_[i], static_cast<Id>(i));
    require<UsageError>(added, "Vocab: '{}' stands twice, with the ids {} and {}", tokens_[i], known->second, i);
  }
  if (const auto end_of_line = eos()) {
    require<UsageError>(ids_.emplace("\n", *end_of_line).second,
                        "Vocab: the line end is a token of its own beside <eos>");
  }
  if (kind == Kind::bytes) find_bytes();
}

void Vocab::check(std::string_view token, Index id) const {
  if (kind_ == Kind::words) {
    require<UsageError>(!is_blank(token), "Vocab: the word with id {} is blank", id);
  } else if (!is_special(token)) {
    const bool some = !token.empty();
    if (kind_ == Kind::characters)
      require<UsageError>(some && character_at(token, 0) == token, "Vocab: '{}' (id {}) is not one character", token,
                          id);
    if (kind_ == Kind::graphemes)
      require<UsageError>(some && grapheme_at(token, 0) == token,
                          "Vocab: '{}' (id {}) is not one grapheme of Unicode {}", token, id, unicode_version());
    if (kind_ == Kind::bytes)
      require<UsageError>(byte_of(token).has_value(), "Vocab: '{}' (id {}) is not one byte", token, id);
  }
}

void Vocab::find_bytes() {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto known = find(byte_token(byte));
    require<UsageError>(known.has_value(), "Vocab: the byte 0x{:02X} is missing, expected all 256", byte);
    byte_ids_[byte] = *known;
  }
}

std::string_view Vocab::kind_name(Kind kind) { return std::ranges::find(kinds, kind, &NamedKind::kind)->name; }

Vocab::Kind Vocab::kind_named(std::string_view name) {
  const auto found = std::ranges::find(kinds, name, &NamedKind::name);
  require<UsageError>(found != kinds.end(), "Vocab: '{}' is no kind of vocabulary, expected one of {}", name,
                      fmt::join(kinds | std::views::transform(&NamedKind::name), ", "));
  return found->kind;
}

Vocab Vocab::of_characters(std::string_view text, VocabOptions options) {
  require<UsageError>(!text.empty(), "Vocab: the text has no characters");
  return {Kind::characters, count_tokens(text, options, character_at).vocabulary(options)};
}

Vocab Vocab::of_graphemes(std::string_view text, VocabOptions options) {
  require<UsageError>(!text.empty(), "Vocab: the text has no graphemes");
  return {Kind::graphemes, count_tokens(text, options, grapheme_at).vocabulary(options)};
}

Vocab Vocab::of_bytes(ByteOptions options) {
  std::vector<std::string> tokens;
  if (options.pad) tokens.emplace_back("<pad>");
  if (options.eos) tokens.emplace_back("<eos>");
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (!options.eos || byte != '\n') tokens.push_back(byte_token(byte));
  }
  return {Kind::bytes, std::move(tokens)};
}

Vocab Vocab::of_words(const std::vector<std::string>& tokens, VocabOptions options) {
  require<UsageError>(!tokens.empty(), "Vocab: the text has no words");
  Counter counter;
  for (const auto& token : tokens) counter.add(token);
  return {Kind::words, counter.vocabulary(options)};
}

Vocab Vocab::from_tokens(Kind kind, std::vector<std::string> tokens) { return {kind, std::move(tokens)}; }

Vocab Vocab::read(const std::filesystem::path& path) {
  const std::string text = read_text(path);
  std::vector<std::string> tokens;
  std::unordered_map<std::string, Index> lines;
  for (Index begin = 0; begin < text.size();) {
    const Index end = std::min(text.find('\n', begin), text.size());
    const Index line = tokens.size() + 1;
    const std::string& token = tokens.emplace_back(text, begin, end - begin);
    require<FileError>(!is_blank(token), "{}, line {}: a blank line, expected a token", path.string(), line);
    const auto [known, added] = lines.emplace(token, line);
    require<FileError>(added, "{}, line {}: '{}' stands on line {} already", path.string(), line, excerpt(token),
                       known->second);
    begin = end + 1;
  }
  return {Kind::words, std::move(tokens)};
}

std::optional<Id> Vocab::find(std::string_view token) const {
  const auto known = ids_.find(token);
  if (known == ids_.end()) return std::nullopt;
  return known->second;
}

Id Vocab::id(std::string_view token) const {
  if (const auto known = find(token)) return *known;
  const auto unknown = unk();
  require<UsageError>(unknown.has_value(), "'{}' is not in the vocabulary of {} tokens, which has no <unk>", token,
                      size());
  return *unknown;
}

const std::string& Vocab::token(Id id) const {
  require<UsageError>(id >= 0 && static_cast<Index>(id) < size(), "id {} is outside the vocabulary of {} tokens", id,
                      size());
  return tokens_[static_cast<Index>(id)];
}

std::vector<Id> Vocab::encode(std::string_view text) const {
  if (kind_ == Kind::words) return encode_words(text);
  std::vector<Id> ids;
  if (kind_ == Kind::bytes) {
    ids.reserve(text.size());
    for (const char byte : text) ids.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
    return ids;
  }
  const auto token_at = kind_ == Kind::characters ? character_at : grapheme_at;
  for (Index at = 0; at < text.size();) {
    const std::string_view token = token_at(text, at);
    ids.push_back(id(token));
    at += token.size();
  }
  return ids;
}

std::vector<Id> Vocab::encode_words(std::string_view text) const {
  std::vector<Id> ids;
  const auto end_of_line = eos();
  const bool tokenised = is_tokenised(text);
  for (Index begin = 0; begin < text.size();) {
    const Index end = std::min(text.find('\n', begin), text.size());
    for (const auto& chunk : split_whitespace(text.substr(begin, end - begin))) {
      if (tokenised || contains(chunk)) {
        ids.push_back(id(chunk));
      } else {
        for (const auto& word : split_words(chunk)) ids.push_back(id(word));
      }
    }
    if (end_of_line && end < text.size()) ids.push_back(*end_of_line);
    begin = end + 1;
  }
  return ids;
}

std::vector<Id> Vocab::encode(const std::vector<std::string>& tokens) const {
  std::vector<Id> ids;
  ids.reserve(tokens.size());
  for (const auto& token : tokens) ids.push_back(id(token));
  return ids;
}

std::string Vocab::decode(const std::vector<Id>& ids) const {
  const auto end_of_line = eos();
  std::string text;
  for (const Id id : ids) {
    if (id == end_of_line) {
      text += '\n';
      continue;
    }
    if (kind_ == Kind::words && !text.empty() && text.back() != '\n') text += ' ';
    const std::string& written = token(id);
    const auto byte = kind_ == Kind::bytes ? byte_of(written) : std::nullopt;
    if (byte) {
      text += *byte;
    } else {
      text += written;
    }
  }
  return text;
}

}  // namespace unroll
