// A file of tokens becomes a vocabulary of exactly them; vocabularies of a text give its ids and the text again.
#include <numeric>

#include <unroll/data/vocab.h>

#include "fuzzing.h"

using namespace unroll;
using namespace unroll::fuzzing;

namespace {

void check(const Vocab& vocab) {
  promise(vocab.size() > 0 && Vocab::from_tokens(vocab.kind(), vocab.tokens()) == vocab, "tokens make it again");
  std::vector<Id> all(vocab.size());
  std::iota(all.begin(), all.end(), 0);
  promise(vocab.encode(vocab.tokens()) == all, "ids count the tokens");
  for (const std::string& token : vocab.tokens()) promise(valid_utf8(token), "tokens are UTF-8");
}

void check_file(const std::filesystem::path& path) {
  const auto vocab = unless_refused<FileError>([&] { return Vocab::read(path); });
  if (!vocab) return;
  check(*vocab);
  // Behind a byte order mark, so that one of the first token's own is not taken for the file's.
  const std::string text = "\xEF\xBB\xBF" + fmt::format("{}\n", fmt::join(vocab->tokens(), "\n"));
  promise(Vocab::read(file("again.txt", text)) == *vocab, "what is written is read again");
}

void check_tokens(const std::string& text) {
  std::vector<std::string> lines;
  for (Index begin = 0; begin < text.size();) {
    const Index end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  lines.emplace_back("\n");
  for (const char* name : {"characters", "words", "bytes", "graphemes"}) {
    const auto made = unless_refused<UsageError>([&] { return Vocab::from_tokens(Vocab::kind_named(name), lines); });
    if (made) check(*made);
  }
}

void check_text(const std::string& text) {
  for (const bool special : {false, true}) {
    const VocabOptions options{.unk = special, .eos = special, .pad = special};
    // A text of line ends alone has no other token.
    const auto encodes = [&](const std::optional<Vocab>& vocab) {
      if (!vocab) return;
      const std::vector<Id> ids = vocab->encode(text);
      promise(vocab->decode(ids) == text, "ids give the text again");
      promise(vocab->encode(vocab->decode(ids)) == ids, "the text gives the ids again");
      if (vocab->kind() != Vocab::Kind::bytes) check(*vocab);
    };
    encodes(unless_refused<UsageError>([&] { return Vocab::of_characters(text, options); }));
    encodes(unless_refused<UsageError>([&] { return Vocab::of_graphemes(text, options); }));
    static const std::optional<Vocab> bytes[]{Vocab::of_bytes(), Vocab::of_bytes({.eos = true, .pad = true})};
    encodes(bytes[special]);

    const auto made = unless_refused<UsageError>([&] { return Vocab::of_words(words(text), options); });
    if (!made) continue;
    check(*made);
    const auto ids = unless_refused<UsageError>([&] { return made->encode(text); });
    promise(ids.has_value(), "the words of the text are those of its vocabulary");
    promise(made->encode(made->decode(*ids)) == *ids, "the words give the ids again");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = file("in.txt", view(data, size));
  check_file(path);
  const auto text = unless_refused<FileError>([&] { return read_text(path); });
  if (!text) return 0;
  check_tokens(*text);
  check_text(*text);
  return 0;
}
