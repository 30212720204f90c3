// The model, the text it learns from, and its training: truncated backpropagation through time, carrying the state.
#pragma once

#include <numbers>

#include <unroll/examples/language_model_options.h>

namespace language_model {

// ---- text

/// Tokens, and the characters they stand for.
struct Tokens {
  std::vector<Id> ids;
  Index characters;

  Tokens(const Vocab& vocab, std::string_view text) : ids(vocab.encode(text)), characters(count_characters(text)) {}

  static Index count_characters(std::string_view text) {
    const auto begins = [](char c) { return (c & 0xC0) != 0x80; };
    return static_cast<Index>(std::count_if(text.begin(), text.end(), begins));
  }
  double unknown_percentage(const Vocab& vocab) const {
    const auto unknown = static_cast<double>(std::count(ids.begin(), ids.end(), *vocab.unk()));
    return 100 * unknown / static_cast<double>(ids.size());
  }
  double bits_per_character(double nats_per_token) const {
    return nats_per_token / std::numbers::ln2 * static_cast<double>(ids.size()) / static_cast<double>(characters);
  }
};

struct Corpus {
  Vocab vocab;  // of the training part
  Tokens train, valid;
};

/// The text in two parts; words are held out by whole lines. Errors: FileError for files that are missing, no text, or
/// too short.
inline Corpus read_corpus(const Options& o) {
  const bool words_wanted = o.level == "word";
  std::string train = read_text(o.data), valid;
  if (o.valid.empty()) {
    const auto kept = (1 - o.held_out) * static_cast<double>(Tokens::count_characters(train));
    Index cut = 0;
    for (Index n = 0; n < static_cast<Index>(kept); ++n) cut += character_at(train, cut).size();
    if (words_wanted) cut = std::min(train.find('\n', cut), train.size() - 1) + 1;
    valid = train.substr(cut);
    train.resize(cut);
  } else {
    valid = read_text(o.valid);
  }
  require<FileError>(!is_blank(train) && !is_blank(valid), "{}: the text is too short to learn from it",
                     is_blank(train) || o.valid.empty() ? o.data : o.valid);
  const Vocab vocab =
      words_wanted ? Vocab::of_words(words(train), {.min_count = o.min_count, .max_size = o.vocabulary, .eos = true})
                   : Vocab::of_characters(train, {.unk = true});
  return {vocab, {vocab, train}, {vocab, valid}};
}

// ---- the model

using Model = LanguageModel<Stack>;

inline Model make_model(const Options& o, Params& params, Index vocabulary) {
  std::vector<AnyLayer> layers;
  for (Index i = 0; i < o.layers; ++i) {
    const Scope scope = params / fmt::format("layer{}", i);
    layers.push_back(make_cell(o.cell, scope, i == 0 ? o.embed : o.hidden, o.hidden, /*forget_bias=*/0));
  }
  Model model(params, vocabulary, {.embed = o.embed, .dropout = o.dropout, .tied = o.tied != 0},
              Stack(std::move(layers), Dropout(params, o.dropout)));
  if (o.uniform > 0) params.fill(uniform(o.uniform));
  return model;
}

inline Vocab get_vocab(const Checkpoint& file, const Options& o) {
  return Vocab::from_tokens(o.level == "word" ? Vocab::Kind::words : Vocab::Kind::characters,
                            get_strings(file, "vocab"));
}

// ---- training

inline std::unique_ptr<Optimizer> make_optimizer(const Options& o) {
  if (o.optimizer == "sgd")
    return std::make_unique<Sgd>(SgdOptions{.weight_decay = o.decay, .decay_matrices_only = true});
  return std::make_unique<AdamW>(AdamWOptions{.beta2 = 0.99, .weight_decay = o.decay, .decay_matrices_only = true});
}

/// A run of training, which can stop after any update, be saved, and go on with the same bits.
struct Training {
  struct Point {
    double epoch, train, valid;  // nats per token
  };

  Options o;
  Corpus corpus;
  Params params;
  Model model;
  std::unique_ptr<Optimizer> optimizer;
  Stream batches;  // of one epoch
  Model::State state;
  Index done = 0;  // updates
  double loss = 0;
  Index tokens = 0;  // that it was summed over, since the last point
  std::vector<Point> curve;

  explicit Training(const Options& options)
      : o(options),
        corpus(read_corpus(o)),
        params(o.seed),
        model(make_model(o, params, corpus.vocab.size())),
        optimizer(make_optimizer(o)),
        batches(corpus.train.ids, {.lanes = o.lanes, .steps = o.steps}),
        state(model.zero_state(o.lanes)) {
    if (o.updates > 0) return;
    const auto per_epoch = static_cast<double>(batches.size());
    const double wanted = o.epochs > 0 ? o.epochs * per_epoch : std::min(8729.0, 10 * per_epoch);
    o.updates = std::max<Index>(1, static_cast<Index>(std::llround(wanted)));
  }

  double epoch(Index update) const { return static_cast<double>(update) / static_cast<double>(batches.size()); }
  double mean_loss() const { return loss / static_cast<double>(tokens); }

  double rate() const {
    if (o.halve_after > 0) {
      return StepRate{o.rate, batches.size(), o.fall, (o.halve_after - 1) * batches.size()}(done);
    }
    return CosineRate{o.rate, 0.02 * o.rate, o.updates, std::min(o.warm_up, o.updates / 2)}(done);
  }

  /// Reads one batch and changes the parameters; returns how many tokens it had.
  Index update() {
    Batch batch = batches[done % batches.size()];
    if (batch.first) {  // in every lane x<1> = 0 and a<0> = 0
      state = model.zero_state(o.lanes);
      for (Index lane = 0; lane < o.lanes; ++lane) batch.ids(0, lane) = before_first;
    }
    const bool per_lane = o.optimizer == "sgd";
    Tape tape;
    auto [logits, last] = model(batch.ids, state);
    const Tensor mean = cross_entropy(logits, batch.targets, per_lane ? Reduce::per_sequence : Reduce::per_token);
    require<Error>(std::isfinite(mean.item()), "the loss became {} in update {}; a --rate below {} may help",
                   mean.item(), done + 1, o.rate);
    optimizer->step(params, clip(tape.backward(mean), o.clip), rate());
    state = detach(last);
    ++done;
    loss += mean.item() * static_cast<double>(per_lane ? o.lanes : batch.ids.size());
    tokens += batch.ids.size();
    return batch.ids.size();
  }

  /// Whether to validate now: after each epoch, at the end, and in between so often that there are about ten points.
  bool at_point() const {
    const Index in_epoch = done % batches.size(), parts = (10 * batches.size() + o.updates - 1) / o.updates;
    const auto part = [&](Index update) { return update * parts / batches.size(); };
    return done == o.updates || in_epoch == 0 || part(in_epoch) != part(in_epoch - 1);
  }

  const Point& validate() {
    const auto& ids = corpus.train.ids;
    const auto end = ids.end() - static_cast<std::ptrdiff_t>(std::min<Index>(200, ids.size()));
    const std::vector<Id> before(o.valid.empty() ? end : ids.end(), ids.end());
    curve.push_back({epoch(done), mean_loss(), model.evaluate(corpus.valid.ids, before)});
    loss = 0, tokens = 0;
    return curve.back();
  }

  /// Plans fewer updates, if the run would else take more than `seconds`. Reading a token to validate takes a third of
  /// the time that learning from it does.
  void fit_into(double seconds, double seconds_per_update) {
    const double points = 12, per_point = static_cast<double>(corpus.valid.ids.size()) / 3;
    const double validation = points * per_point / static_cast<double>(o.lanes * o.steps);
    const double fitting = 0.95 * seconds / seconds_per_update - validation;
    o.updates = std::min(o.updates, done + static_cast<Index>(std::max(1.0, fitting)));
  }

  void save(const std::string& path) {
    Checkpoint file;
    put_options(file, o);
    put_strings(file, "vocab", corpus.vocab.tokens());
    put_number(file, "text tokens", corpus.train.ids.size());
    put_params(file, params);
    const OptimizerState moments = optimizer->state(params);
    put_arrays(file, "optimizer", {moments.begin(), moments.end()});
    NamedArrays states;
    each_field(state, [&](const Tensor& x) { states.emplace_back(fmt::format("{:03}", states.size()), x.value()); });
    put_arrays(file, "state", states);
    put_random(file, "random", params.random());
    put_number(file, "done", done);
    put_number(file, "loss", loss);
    put_number(file, "tokens", tokens);
    std::vector<std::string> points;
    for (const Point& p : curve) points.push_back(fmt::format("{} {} {}", p.epoch, p.train, p.valid));
    put_strings(file, "curve", points);
    unroll::save(path, file);
  }

  /// Errors: FileError if the file's run had another text.
  void restore(const Checkpoint& file) {
    require<FileError>(
        get_vocab(file, o) == corpus.vocab && get_number<Index>(file, "text tokens") == corpus.train.ids.size(),
        "{}: was not trained on the text of {}; give the right one with --data", file.source, o.data);
    restore_params(file, params);
    const NamedArrays moments = get_arrays(file, "optimizer"), states = get_arrays(file, "state");
    optimizer->restore(params, {moments.begin(), moments.end()});
    Index field = 0;
    state = map_fields(state, [&](const Tensor& zero) {
      require<FileError>(field < states.size() && states[field].second.shape() == zero.shape(),
                         "{}: the state that was carried is missing or ill-shaped", file.source);
      return Tensor(states[field++].second);
    });
    restore_random(file, "random", params.random());
    done = get_number<Index>(file, "done");
    loss = get_number<double>(file, "loss");
    tokens = get_number<Index>(file, "tokens");
    for (const std::string& point : get_strings(file, "curve")) {
      std::istringstream in(point);
      Point& p = curve.emplace_back();
      require<FileError>(static_cast<bool>(in >> p.epoch >> p.train >> p.valid), "{}: '{}' is no point of a curve",
                         file.source, point);
    }
  }
};

}  // namespace language_model
