// The texts behind `sentiment`: a file of labelled texts becomes words, classes and three parts.
#pragma once

#include <algorithm>
#include <set>

#include <unroll/unroll.h>

namespace sentiment {
using namespace unroll;

using Words = std::vector<std::string>;

/// Each text in lower case, as words. Whether they are tokenised already is decided for all of them together.
inline std::vector<Words> words_of(const std::vector<std::string>& texts) {
  const bool tokenised = is_tokenised(fmt::format("{}", fmt::join(texts, "\n")));
  std::vector<Words> all;
  for (const std::string& text : texts) {
    Words& words = all.emplace_back(tokenised ? split_whitespace(lower(text)) : split_words(lower(text)));
    if (words.empty()) words.emplace_back("<unk>");
  }
  return all;
}

/// Labelled texts, in parallel lists.
struct Texts {
  std::vector<std::string> texts;
  std::vector<Words> words;
  std::vector<Id> labels;

  Index size() const { return texts.size(); }
  Words all_words() const {
    Words all;
    for (const Words& w : words) all.insert(all.end(), w.begin(), w.end());
    return all;
  }
  Texts part(const std::vector<Index>& rows) const {
    Texts chosen;
    for (const Index i : rows) {
      chosen.texts.push_back(texts[i]);
      chosen.words.push_back(words[i]);
      chosen.labels.push_back(labels[i]);
    }
    return chosen;
  }
};

struct Corpus {
  std::string path;
  std::vector<std::string> classes;  ///< the labels, sorted: their places are the class ids
  Texts train, valid, test;
  Index size = 0;       ///< texts in the file
  bool latin1 = false;  ///< it was no UTF-8
};

/// The texts of `rows`; `classes` are their labels, sorted.
inline Texts to_texts(const std::vector<Labelled>& rows, const std::vector<std::string>& classes) {
  Texts all;
  for (const auto& [label, text] : rows) {
    all.texts.push_back(fmt::format("{}", fmt::join(split_whitespace(text), " ")));
    all.labels.push_back(static_cast<Id>(std::lower_bound(classes.begin(), classes.end(), label) - classes.begin()));
  }
  all.words = words_of(all.texts);
  return all;
}

/// The labelled texts of a file, split by the hash of each text into ten buckets: `bucket` is for testing, the next for
/// validation, the others for training. With a file of its own for testing all of `path` is trained on, and the texts
/// for testing serve as those for validation too: nothing is chosen by either.
/// Errors: as read_labelled; only one class; a part without texts.
inline Corpus read_corpus(const std::string& path, const std::string& test_path, unsigned bucket) {
  ReadReport report;
  const std::vector<Labelled> rows = read_labelled(path, {}, &report);
  std::set<std::string> labels;
  for (const Labelled& row : rows) labels.insert(row.label);
  require<FileError>(labels.size() >= 2, "{}: all {} texts have the label '{}', expected two labels or more", path,
                     rows.size(), *labels.begin());
  require<FileError>(labels.size() <= 1000 && 2 * labels.size() <= rows.size(),
                     "{}: {} labels for {} texts, expected a label and then its text on each line", path, labels.size(),
                     rows.size());

  Corpus corpus;
  corpus.path = path;
  corpus.classes = {labels.begin(), labels.end()};
  corpus.size = rows.size();
  corpus.latin1 = report.latin1;
  const Texts all = to_texts(rows, corpus.classes);
  if (test_path.empty()) {
    const Split split = split_by_hash(all.texts, bucket);
    require<FileError>(!split.train.empty() && !split.valid.empty() && !split.test.empty(),
                       "{}: of {} texts {} are for training, {} for validation and {} for testing; each needs some",
                       path, rows.size(), split.train.size(), split.valid.size(), split.test.size());
    corpus.train = all.part(split.train);
    corpus.valid = all.part(split.valid);
    corpus.test = all.part(split.test);
  } else {
    corpus.train = all;
    corpus.test = corpus.valid = to_texts(read_labelled(test_path, corpus.classes), corpus.classes);
  }
  return corpus;
}

/// The words that occur twice or more in the texts for training. Errors: there is none.
inline Vocab vocabulary(const Corpus& corpus) {
  std::set<std::string> seen;
  const Words words = corpus.train.all_words();
  const bool any = std::ranges::any_of(words, [&](const std::string& word) { return !seen.insert(word).second; });
  require<FileError>(any, "{}: no word occurs twice in the texts for training", corpus.path);
  return Vocab::of_words(words, {.min_count = 2});
}

inline double unknown_percentage(const Vocab& vocab, const Texts& texts) {
  const Words words = texts.all_words();
  const auto unknown = std::ranges::count_if(words, [&](const std::string& word) { return !vocab.contains(word); });
  return 100 * static_cast<double>(unknown) / static_cast<double>(words.size());
}

}  // namespace sentiment
