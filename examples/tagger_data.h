// Tagged sentences for `tagger`: two formats of files, vocabularies, and batches of spelled words.
#pragma once

#include <set>

#include <unroll/examples/program.h>

namespace tagger {

using namespace program;

struct Sentence {
  std::vector<std::string> words, tags;
};

/// Either a word and its tag in the first two columns of a line, split at TABs or blanks, and an empty line after each
/// sentence; or a sentence in a line, as word/TAG. Errors: FileError with the line where a word or tag is missing.
inline std::vector<Sentence> read_tagged(const std::string& path) {
  std::vector<Sentence> all;
  Sentence sentence;
  std::istringstream lines(read_text(path));
  Index number = 0;
  std::optional<bool> in_columns;
  const auto end_sentence = [&] {
    if (!sentence.words.empty()) all.push_back(std::exchange(sentence, {}));
  };
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (is_blank(line)) {
      end_sentence();
      continue;
    }
    const std::vector<std::string> fields = split_whitespace(line);
    const auto has_slash = [](const std::string& field) { return field.find('/', 1) != std::string::npos; };
    if (!in_columns) in_columns = !std::all_of(fields.begin(), fields.end(), has_slash);
    if (*in_columns) {
      require<FileError>(fields.size() >= 2, "{}: line {}: expected a word and its tag, found \"{}\"", path, number,
                         line);
      sentence.words.push_back(fields[0]);
      sentence.tags.push_back(fields[1]);
      continue;
    }
    for (const std::string& field : fields) {
      const Index slash = field.rfind('/');
      require<FileError>(slash != std::string::npos && slash > 0 && slash + 1 < field.size(),
                         "{}: line {}: expected word/TAG, found \"{}\"", path, number, field);
      sentence.words.push_back(field.substr(0, slash));
      sentence.tags.push_back(field.substr(slash + 1));
    }
    end_sentence();
  }
  end_sentence();
  require<FileError>(!all.empty(), "{}: there is no tagged sentence in it", path);
  return all;
}

/// What a model knows: words in lower case, letters as they are written, tags.
struct Vocabularies {
  Vocab words, letters, tags;

  static Vocabularies of(const std::vector<Sentence>& sentences, Index min_count) {
    std::vector<std::string> words, tags;
    std::string letters;
    for (const Sentence& s : sentences) {
      for (const std::string& word : s.words) words.push_back(lower(word)), letters += word;
      tags.insert(tags.end(), s.tags.begin(), s.tags.end());
    }
    return {Vocab::of_words(words, {.min_count = min_count}), Vocab::of_characters(letters, {.unk = true}),
            Vocab::of_words(tags, {.unk = false})};
  }
};

/// Sentences as ids; the tags only where `tagged`. A tag never seen in training is −1: it can only be missed.
struct Encoded {
  std::vector<std::vector<Id>> words, tags;
  std::vector<std::vector<std::string>> spellings;

  Encoded(const Vocabularies& v, const std::vector<Sentence>& sentences) {
    for (const Sentence& s : sentences) {
      auto& w = words.emplace_back();
      auto& t = tags.emplace_back();
      for (const std::string& word : s.words) w.push_back(v.words.id(lower(word)));
      for (const std::string& tag : s.tags) t.push_back(v.tags.contains(tag) ? v.tags.id(tag) : -1);
      spellings.push_back(s.words);
    }
  }
};

/// The sentences `rows` as a batch, the letters of each different word once. `seen` replaces words by UNK in training.
template <class Seen>
SpelledWords batch_of(const Vocabularies& v, const Encoded& all, const std::vector<Index>& rows, Seen seen) {
  Index steps = 0;
  for (const Index row : rows) steps = std::max(steps, all.words[row].size());
  SpelledWords batch{.words = Ids::filled(steps, rows.size(), 0),
                     .lengths = {},
                     .letters = {},
                     .spelled = {},
                     .which = Ids::filled(steps, rows.size(), 0)};
  std::map<std::string, Id> spellings;
  std::vector<std::vector<Id>> letters;
  for (Index b = 0; b < rows.size(); ++b) {
    const auto& words = all.words[rows[b]];
    batch.lengths.push_back(words.size());
    for (Index t = 0; t < words.size(); ++t) {
      batch.words(t, b) = seen(words[t]);
      const std::string& spelling = all.spellings[rows[b]][t];
      const auto [at, added] = spellings.try_emplace(spelling, static_cast<Id>(letters.size()));
      if (added) letters.push_back(v.letters.encode(spelling));
      batch.which(t, b) = at->second;
    }
  }
  const Batch spelled = pad(letters);
  batch.letters = spelled.ids;
  batch.spelled = spelled.lengths;
  return batch;
}

/// The tag each word has most often, and the one all words have most often for the others.
class MostFrequentTag {
 public:
  MostFrequentTag(const Encoded& train, Index words, Index tags) : of_word_(words) {
    std::vector<std::vector<Index>> counts(words, std::vector<Index>(tags, 0));
    std::vector<Index> all(tags, 0);
    for (Index i = 0; i < train.words.size(); ++i) {
      for (Index t = 0; t < train.words[i].size(); ++t) {
        ++counts[static_cast<Index>(train.words[i][t])][static_cast<Index>(train.tags[i][t])];
        ++all[static_cast<Index>(train.tags[i][t])];
      }
    }
    const auto most = [](const std::vector<Index>& c) {
      return static_cast<Id>(std::max_element(c.begin(), c.end()) - c.begin());
    };
    for (Index w = 0; w < words; ++w) {
      const bool known = std::any_of(counts[w].begin(), counts[w].end(), [](Index n) { return n > 0; });
      of_word_[w] = known ? most(counts[w]) : most(all);
    }
  }
  Id operator()(Id word) const { return of_word_[static_cast<Index>(word)]; }

 private:
  std::vector<Id> of_word_;
};

}  // namespace tagger
