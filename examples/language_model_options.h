// What can be chosen for a language model and its training.
#pragma once

#include <string>

#include <unroll/examples/program.h>

namespace language_model {

using namespace program;

/// All that a model file remembers of how it was made.
struct Options {
  std::string data, valid, level = "char", cell = "lstm", optimizer = "adamw";
  double held_out = 0.05, dropout = 0, uniform = 0, rate = 4e-3, fall = 0.5, decay = 0.01, clip = 1, epochs = 0;
  Index min_count = 2, vocabulary = 10'000, hidden = 512, layers = 1, embed = 64, tied = 0, lanes = 32, steps = 32;
  Index warm_up = 100, halve_after = 0, updates = 0, seed = 1;

  /// Calls f(name, value, help) for each: one list for the command line, for saving and for loading.
  template <class F>
  void each(F f) {
    f("data", data, "The text to learn from, any UTF-8 file.");
    f("valid", valid, "A text to validate on, instead of the end of --data.");
    f("held-out", held_out, "The share of --data, at its end, that is held out for validation.");
    f("level", level, "Tokens are characters, or words with <unk> for rare ones and <eos> for a line's end.");
    f("min-count", min_count, "Words seen less often than this in training become <unk>.");
    f("vocabulary", vocabulary, "At most so many different words, <unk> and <eos> among them.");
    f("cell", cell, "The recurrent cell.");
    f("hidden", hidden, "Units of a layer.");
    f("layers", layers, "Layers on top of each other.");
    f("embed", embed, "Numbers that stand for a token.");
    f("dropout", dropout, "Share of the outputs that training zeroes, between layers and after the last one.");
    f("tied", tied, "Use the tokens' own numbers as the output layer's weights; --embed must equal --hidden.");
    f("uniform", uniform, "Draw all parameters from ± this at the start (0: weights by their shape, biases 0).");
    f("lanes", lanes, "Parts of the text that are read side by side: the batch.");
    f("steps", steps, "Tokens of each lane in one update: how far gradients flow back.");
    f("optimizer", optimizer, "adamw on the mean loss of tokens, or sgd on the loss summed over steps, per lane.");
    f("rate", rate, "The highest learning rate.");
    f("warm-up", warm_up, "Updates until that rate is reached; then it falls along a cosine to 2 %.");
    f("halve-after", halve_after, "Instead of these two, halve the rate in each epoch after this one (0: do not).");
    f("fall", fall, "What --halve-after leaves of the rate in each epoch, where it is not a half.");
    f("decay", decay, "Weight decay, on matrices only.");
    f("clip", clip, "The largest norm that all gradients together may have.");
    f("epochs", epochs, "Passes over the text, 2.5 say (0: ten, or what 8,729 updates read if that is less).");
    f("updates", updates, "Training steps in all, instead of --epochs (0: as --epochs says).");
    f("seed", seed, "Another seed is another start and dropout; the same seed gives the same model, bit for bit.");
  }
};

inline const std::vector<std::string> recipes{"default", "shakespeare", "zaremba-small", "zaremba-medium",
                                              "tied-small"};

/// The defaults: for four million characters, for one million, and for the Penn Treebank (Zaremba et al. 2014; the last
/// is as small as the first of those, with dropout and tied weights).
inline Options options_of_recipe(const std::string& name) {
  Options o;
  if (name == "shakespeare") {
    o.layers = 2, o.dropout = 0.3, o.rate = 3e-3, o.warm_up = 200, o.epochs = 10, o.held_out = 0.1;
  } else if (name != "default") {
    o.level = "word", o.min_count = 1, o.layers = 2, o.hidden = o.embed = 200, o.lanes = o.steps = 20, o.uniform = 0.1;
    o.optimizer = "sgd", o.rate = 1, o.halve_after = 4, o.clip = 5, o.decay = 0, o.epochs = 13;
    if (name == "zaremba-medium") {
      o.hidden = o.embed = 650, o.steps = 35, o.uniform = 0.05, o.dropout = 0.5, o.epochs = 39;
      o.halve_after = 6, o.fall = 1 / 1.2;
    } else if (name == "tied-small") {
      o.tied = 1, o.steps = 35, o.dropout = 0.3, o.halve_after = 0, o.warm_up = 1, o.epochs = 30;
    }
  }
  return o;
}

inline void put_options(Checkpoint& file, Options o) {
  file.metadata["program"] = "language-model";
  o.each([&]<class T>(const char* name, const T& value, const char*) {
    if constexpr (std::same_as<T, std::string>) {
      file.metadata[name] = value;
    } else {
      put_number(file, name, value);
    }
  });
}

/// Errors: FileError if another program saved the file.
inline Options get_options(const Checkpoint& file) {
  const auto program = file.metadata.find("program");
  require<FileError>(program != file.metadata.end() && program->second == "language-model",
                     "{}: this is no language model that this program saved", file.source);
  Options o;
  o.each([&]<class T>(const char* name, T& value, const char*) {
    if constexpr (std::same_as<T, std::string>) {
      value = get_text(file, name);
    } else {
      value = get_number<T>(file, name);
    }
  });
  return o;
}

}  // namespace language_model
