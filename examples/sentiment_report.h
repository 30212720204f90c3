// What `sentiment` says about its training and its decisions.
#pragma once

#include <limits>

#include <unroll/examples/sentiment_training.h>

namespace sentiment {

/// A row of the table of epochs, for the last one; above the first row its header.
inline void print_epoch(const Training& training, double speed, double seconds) {
  if (training.epochs() == 1)
    fmt::print("epoch  training loss  validation loss  validation accuracy  tokens/s   time\n");
  fmt::print("{:5}  {:13.4f}  {:15.4f}  {:19.3f}  {:>8}  {:>5}\n", training.epochs(), training.train_loss.back(),
             training.valid_loss.back(), training.valid_accuracy.back(), format_count(static_cast<Index>(speed)),
             format_duration(seconds));
  std::fflush(stdout);
}

/// The losses as a picture in the terminal, and as a file.
inline void print_curve(const Training& training, const std::filesystem::path& svg) {
  std::vector<double> epochs(training.epochs());
  std::iota(epochs.begin(), epochs.end(), 1.0);
  Plot plot("Loss", "epoch", "nats per text");
  plot.curve("training", epochs, training.train_loss).curve("validation", epochs, training.valid_loss);
  plot.save_svg(svg);
  fmt::print("\n{}", plot.to_terminal(std::min<Index>(terminal_width(stdout), 90), 14));
}

/// The words in lines that fit the terminal, each on a background as strong as its weight against the strongest one.
inline std::string shaded(const Words& words, const std::vector<double>& weights, Index indent) {
  double strongest = 1e-9;
  for (const double w : weights) strongest = std::max(strongest, std::abs(w));
  const Index width = is_terminal(stdout) ? terminal_width(stdout) : std::numeric_limits<Index>::max();
  const bool coloured = colour_wanted(stdout);
  std::string text(indent, ' ');
  Index column = indent;
  for (Index t = 0; t < words.size(); ++t) {
    const std::string word = shade(words[t], weights[t] / strongest, coloured);
    const Index columns = 1 + characters(coloured ? words[t] : word).size();
    if (t > 0 && column + columns > width) {
      text += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (t > 0) {
      text += ' ';
    }
    text += word;
    column += columns;
  }
  return text + "\n";
}

inline const std::string& class_name(const Model& model, Id c) { return model.classes[static_cast<Index>(c)]; }

/// What the colours of `explained` mean.
inline std::string legend(const Model& model) {
  const std::string whose = model.binary() ? fmt::format("\"{}\"", model.classes[1]) : "the class it chose";
  if (!colour_wanted(stdout)) return fmt::format("(+) speaks for {}, (-) against it, 1.0 loudest", whose);
  return fmt::format("{} speaks for {}, {} against it", shade("green", 0.7), whose, shade("red", -0.7));
}

/// The words, shaded by what they say about the second of two classes, or else about the class that was chosen.
inline std::string explained(const Model& model, const Words& words, Id chosen) {
  return shaded(words, model.word_weights(words, model.binary() ? 1 : chosen), 4);
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

/// "  said positive (0.998), is negative"
inline std::string verdict(const Model& model, const Texts& texts, const Judged& judged, Index i) {
  const Id said = judged.chosen[i], is = texts.labels[i];
  return fmt::format("  said {} ({:.3f}), {}\n", bold(class_name(model, said)), certainty(judged, i),
                     said == is ? green("right") : red("is " + class_name(model, is)));
}

inline std::string surest_mistakes(const Model& model, const Texts& texts, const Judged& judged, Index count) {
  std::string lines;
  for (const Index i : surest_first(judged)) {
    if (judged.chosen[i] == texts.labels[i] || count == 0) continue;
    const Words words = split_whitespace(texts.texts[i]);
    lines += verdict(model, texts, judged, i) + shaded(words, std::vector<double>(words.size()), 4);
    --count;
  }
  return lines.empty() ? "  none\n" : lines;
}

/// Some decisions word by word: the surest right one for each of the first classes, and the surest mistake.
inline std::string decisions(const Model& model, const Texts& texts, const Judged& judged) {
  const std::vector<Index> order = surest_first(judged);
  std::string text;
  const auto explain_first = [&](auto wanted) {
    const auto found = std::find_if(order.begin(), order.end(), wanted);
    if (found == order.end()) return;
    text += verdict(model, texts, judged, *found) + explained(model, texts.words[*found], judged.chosen[*found]);
  };
  for (Id c = 0; c < static_cast<Id>(std::min<Index>(model.classes.size(), 6)); ++c) {
    explain_first([&](Index i) { return judged.chosen[i] == c && texts.labels[i] == c; });
  }
  explain_first([&](Index i) { return judged.chosen[i] != texts.labels[i]; });
  return text;
}

inline std::string confusion(const Model& model, const Texts& texts, const Judged& judged) {
  ConfusionMatrix matrix(model.classes);
  for (Index i = 0; i < texts.size(); ++i) matrix.add(texts.labels[i], judged.chosen[i]);
  return matrix.to_string();
}

}  // namespace sentiment
