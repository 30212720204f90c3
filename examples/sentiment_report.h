// What `sentiment` says about its decisions.
#pragma once

#include <numeric>

#include <unroll/examples/sentiment_training.h>

namespace sentiment {

/// The words, each on a background as strong as its weight against the strongest one, in lines that fit the terminal.
inline std::string shaded(const Words& words, const std::vector<double>& weights, Index indent) {
  double strongest = 0;
  for (const double w : weights) strongest = std::max(strongest, std::abs(w));
  const Index width = is_terminal(stdout) ? terminal_width(stdout) : ~Index{0};
  std::string text(indent, ' ');
  Index column = indent;
  for (Index t = 0; t < words.size(); ++t) {
    const std::string word = shade(words[t], strongest > 0 ? weights[t] / strongest : 0);
    const Index columns = display_width(word);
    if (t > 0 && column + 1 + columns > width) {
      text += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (t > 0) {
      text += ' ';
      ++column;
    }
    text += word;
    column += columns;
  }
  return text;
}

/// The class whose words are green: the second of two, else the one that was chosen.
inline Id green_class(const Model& model, Id chosen) { return model.binary() ? 1 : chosen; }

inline std::string legend(const Model& model) {
  const std::string whose = model.binary() ? fmt::format("\"{}\"", model.classes[1]) : "the class it chose";
  if (!colour_wanted(stdout)) return fmt::format("(+) speaks for {}, (-) against; 1.0 is the strongest word", whose);
  return fmt::format("{} speaks for {}, {} against it", shade("green", 0.7), whose, shade("red", -0.7));
}

inline std::string explained(const Model& model, const Words& words, Id chosen, Index indent) {
  return shaded(words, model.word_weights(words, green_class(model, chosen)), indent);
}

inline double certainty(const Judged& judged, Index i) {
  return judged.probabilities[i][static_cast<Index>(judged.chosen[i])];
}
inline std::vector<Index> surest_first(const Judged& judged) {
  std::vector<Index> order(judged.chosen.size());
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](Index a, Index b) { return certainty(judged, a) > certainty(judged, b); });
  return order;
}

inline std::string confusion(const Model& model, const Texts& texts, const Judged& judged) {
  ConfusionMatrix matrix(model.classes);
  for (Index i = 0; i < texts.size(); ++i) matrix.add(texts.labels[i], judged.chosen[i]);
  return matrix.to_string();
}

inline std::string surest_mistakes(const Model& model, const Texts& texts, const Judged& judged, Index count) {
  std::string lines;
  for (const Index i : surest_first(judged)) {
    if (judged.chosen[i] == texts.labels[i] || count == 0) continue;
    const std::string line = fmt::format("  {:.3f} {}, is {}:  {}", certainty(judged, i),
                                         model.classes[static_cast<Index>(judged.chosen[i])],
                                         model.classes[static_cast<Index>(texts.labels[i])], texts.texts[i]);
    lines += (is_terminal(stdout) ? clip_to_width(line, terminal_width(stdout)) : line) + "\n";
    --count;
  }
  return lines.empty() ? "  none\n" : lines;
}

/// Some decisions word by word: for each class the surest one that was right, then the surest mistake and the least
/// sure decision.
inline std::string decisions(const Model& model, const Texts& texts, const Judged& judged) {
  std::vector<Index> rows;
  const std::vector<Index> order = surest_first(judged);
  const auto add_first = [&](auto wanted) {
    const auto found = std::find_if(order.begin(), order.end(), wanted);
    if (found != order.end() && std::find(rows.begin(), rows.end(), *found) == rows.end()) rows.push_back(*found);
  };
  for (Index c = 0; c < std::min<Index>(model.classes.size(), 4); ++c) {
    add_first([&](Index i) { return judged.chosen[i] == static_cast<Id>(c) && texts.labels[i] == judged.chosen[i]; });
  }
  add_first([&](Index i) { return judged.chosen[i] != texts.labels[i]; });
  add_first([&](Index i) { return i == order.back(); });
  std::string text;
  for (const Index i : rows) {
    const std::string& is = model.classes[static_cast<Index>(texts.labels[i])];
    const std::string& said = model.classes[static_cast<Index>(judged.chosen[i])];
    const bool right = judged.chosen[i] == texts.labels[i];
    text += fmt::format("  {} {:.3f}, {}\n{}\n", bold(said), certainty(judged, i),
                        right ? green("right") : red(fmt::format("is {}", is)),
                        explained(model, texts.words[i], judged.chosen[i], 4));
  }
  return text;
}

}  // namespace sentiment
