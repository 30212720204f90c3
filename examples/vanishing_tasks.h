// The generated tasks of `vanishing`: what must be remembered over many steps.
#pragma once

#include <array>

#include <unroll/examples/program.h>

namespace vanishing {

using namespace program;

// ---- agreement: "the cat, which …, was", "the cats, which …, were"

inline const std::vector<std::string> vocabulary{
    "the", "cat",  "cats", "which", "already", "ate",   "a",      "big",  "fish", "in",  "house", "near",
    "old", "tree", "and",  "slept", "long",    "after", "summer", "rain", "by",   "our", "green", "river"};

/// Sentences of 3 + distance words, and whether "were" comes next. ids [T, B]
struct Sentences {
  Ids ids;
  Ids plural;
};
inline Sentences agreement(Index distance, Index batch, Random& random) {
  constexpr Id the = 0, cat = 1, which = 3, first_filler = 4;
  Sentences s{Ids::filled(3 + distance, batch, the), std::vector<Id>(batch)};
  for (Index b = 0; b < batch; ++b) {
    s.plural[b] = static_cast<Id>(random.below(2));
    s.ids(1, b) = cat + s.plural[b];
    s.ids(2, b) = which;
    for (Index t = 3; t < 3 + distance; ++t) {
      s.ids(t, b) = first_filler + static_cast<Id>(random.below(vocabulary.size() - first_filler));
    }
  }
  return s;
}
inline std::string sentence(const Sentences& s, Index b) {
  std::string text;
  for (Index t = 0; t < s.ids.dim(0); ++t) text += vocabulary[static_cast<Index>(s.ids(t, b))] + " ";
  return text + (s.plural[b] == 1 ? "were" : "was");
}

// ---- the adding problem (Hochreiter and Schmidhuber 1997)

/// Pairs of a number from [0, 1) and a mark; the answer is the sum of the two marked numbers.
struct Sums {
  Tensor xs;       // [T, B, 2]
  Tensor answers;  // [B, 1]
};
constexpr double always_one = 1.0 / 6;  ///< the mean squared error of always answering 1

inline Sums adding(Index steps, Index batch, Random& random) {
  Array xs = Array::zeros({steps, batch, 2}, f32), answers = Array::zeros({batch, 1}, f32);
  const auto at = [&](Index t, Index b, Index k) { return (t * batch + b) * 2 + k; };
  for (Index b = 0; b < batch; ++b) {
    for (Index t = 0; t < steps; ++t) xs.set_flat(at(t, b, 0), random.uniform());
    for (const Index t : {random.below(steps / 2), steps / 2 + random.below(steps - steps / 2)}) {
      xs.set_flat(at(t, b, 1), 1);
      answers.set_flat(b, answers.flat(b) + xs.flat(at(t, b, 0)));
    }
  }
  return {xs, answers};
}

/// A file of such problems: a line has the two marked places, the answer, and the numbers, between white space.
/// Errors: FileError with the line for what is no such problem.
inline Sums read_adding(const std::string& path) {
  std::vector<std::vector<double>> all;
  Index line = 0;
  std::istringstream lines(read_text(path));
  for (std::string text; std::getline(lines, text);) {
    ++line;
    std::istringstream in(text);
    std::vector<double>& row = all.emplace_back();
    for (double v; in >> v;) row.push_back(v);
    const bool good = in.eof() && row.size() > 3 && row.size() == all[0].size() && row[0] >= 0 && row[1] >= 0 &&
                      row[0] + 3 < static_cast<double>(row.size()) && row[1] + 3 < static_cast<double>(row.size());
    require<FileError>(good, "{}: line {}: expected two places, an answer and {} numbers", path, line,
                       all[0].size() < 4 ? "some" : fmt::format("{}", all[0].size() - 3));
  }
  require<FileError>(!all.empty(), "{}: there is no problem in it", path);
  const Index steps = all[0].size() - 3, batch = all.size();
  Array xs = Array::zeros({steps, batch, 2}, f32), answers = Array::zeros({batch, 1}, f32);
  for (Index b = 0; b < batch; ++b) {
    for (Index t = 0; t < steps; ++t) xs.set_flat((t * batch + b) * 2, all[b][t + 3]);
    for (const Index k : std::initializer_list<Index>{0, 1})
      xs.set_flat((static_cast<Index>(all[b][k]) * batch + b) * 2 + 1, 1);
    answers.set_flat(b, all[b][2]);
  }
  return {xs, answers};
}

// ---- copy memory (Hochreiter and Schmidhuber 1997; Arjovsky et al. 2016)

constexpr Index copied = 10, kinds = 8;
/// Ids: 0 is blank, 1 … 8 the symbols, 9 asks for them.
constexpr Index copy_vocabulary = kinds + 2;

/// Ten symbols, `delay` blanks, the question, and blanks while the answer is written: T = delay + 20. ids [T, B]
struct Copies {
  Ids ids, targets;
};
inline Copies copies_of(const std::vector<std::array<Id, copied>>& symbols, Index delay) {
  const Index batch = symbols.size(), steps = delay + 2 * copied;
  Copies c{Ids::filled(steps, batch, 0), Ids::filled(steps, batch, 0)};
  for (Index b = 0; b < batch; ++b) {
    for (Index k = 0; k < copied; ++k) {
      c.ids(k, b) = symbols[b][k];
      c.targets(steps - copied + k, b) = symbols[b][k];
    }
    c.ids(steps - copied - 1, b) = kinds + 1;
  }
  return c;
}
inline Copies copy_memory(Index delay, Index batch, Random& random) {
  std::vector<std::array<Id, copied>> symbols(batch);
  for (auto& row : symbols) {
    for (Id& id : row) id = static_cast<Id>(1 + random.below(kinds));
  }
  return copies_of(symbols, delay);
}
/// A file of such tasks: ten symbols 1 … 8 in a line. Errors: FileError with the line.
inline Copies read_copies(const std::string& path, Index delay) {
  std::vector<std::array<Id, copied>> symbols;
  std::istringstream lines(read_text(path));
  for (std::string text; std::getline(lines, text);) {
    std::istringstream in(text);
    bool good = true;
    for (Id& id : symbols.emplace_back()) good = good && in >> id && id >= 1 && id <= static_cast<Id>(kinds);
    require<FileError>(good, "{}: line {}: expected ten symbols from 1 to 8", path, symbols.size());
  }
  require<FileError>(!symbols.empty(), "{}: there is no task in it", path);
  return copies_of(symbols, delay);
}
/// The mean nats per step of knowing when, but not what: the answer's symbols at random.
inline double copy_chance(Index delay) {
  return static_cast<double>(copied) * std::log(static_cast<double>(kinds)) / static_cast<double>(delay + 2 * copied);
}

}  // namespace vanishing
