// An encoder–decoder with attention that learns to turn one text into another: dates into ISO 8601, sums into numbers,
// English into French.
#include <unroll/examples/translate_data.h>

using namespace translate;

namespace {

struct Settings {
  Common common;
  std::string level = "auto", score = "additive", picture;
  Index embed = 64, hidden = 128, epochs = 6, batch = 64, max_words = 8, min_count = 2, pairs = 12'000;
  Index beam = 4, n_best = 3;
  double rate = 3e-3, dropout = 0.1, length_penalty = 0;
  std::vector<std::string> translate;
};

/// Everything that a model's file remembers.
struct Model {
  std::string cell, score;
  bool by_words = false;
  Index embed = 0, hidden = 0;
  double dropout = 0;
  Vocab source, target;
  Params params;
  std::optional<EncoderDecoder> network;

  Model(const Settings& s, bool by_words, Vocab source, Vocab target)
      : cell(s.common.cell),
        score(s.score),
        by_words(by_words),
        embed(s.embed),
        hidden(s.hidden),
        dropout(s.dropout),
        source(std::move(source)),
        target(std::move(target)),
        params(s.common.seed) {
    build();
  }
  explicit Model(const Checkpoint& file)
      : cell(get_text(file, "cell")),
        score(get_text(file, "score")),
        by_words(get_text(file, "level") == "word"),
        embed(get_number<Index>(file, "embed")),
        hidden(get_number<Index>(file, "hidden")),
        source(Vocab::from_tokens(kind(), get_strings(file, "source"))),
        target(Vocab::from_tokens(kind(), get_strings(file, "target"))) {
    build();
    restore_params(file, params);
  }
  Vocab::Kind kind() const { return by_words ? Vocab::Kind::words : Vocab::Kind::characters; }
  Id stop() const { return *target.eos(); }

  void build() {
    const std::map<std::string, std::optional<Score>> scores{
        {"additive", Score::additive}, {"general", Score::general}, {"dot", Score::dot}, {"none", {}}};
    const auto found = scores.find(score);
    require<FileError>(found != scores.end(), "there is no attention '{}'", score);
    // The dot product needs a decoder as wide as both directions of the encoder.
    const Index width = found->second == Score::dot ? 2 * hidden : hidden;
    network.emplace(
        params, source.size(), target.size(), make_bidirectional(cell, Scope(params) / "encoder", embed, hidden),
        [&](const Scope& p, Index in) { return make_cell(cell, p, in, width); },
        EncoderDecoderOptions{.embed = embed, .attention = found->second, .dropout = dropout});
  }
  void save(const std::string& path) const {
    Checkpoint file;
    file.metadata = {{"program", "translate"}, {"cell", cell}, {"score", score}, {"level", by_words ? "word" : "char"}};
    put_number(file, "embed", embed);
    put_number(file, "hidden", hidden);
    put_strings(file, "source", source.tokens());
    put_strings(file, "target", target.tokens());
    put_params(file, params);
    unroll::save(path, file);
  }
  Words words(const std::vector<Id>& ids) const {
    Words all;
    for (const Id id : ids) all.push_back(target.token(id));
    return all;
  }
  std::string text(const Words& words) const { return fmt::format("{}", fmt::join(words, by_words ? " " : "")); }
};

Vocab vocabulary(const std::vector<Words>& texts, bool by_words, Index min_count) {
  Words all;
  std::string joined;
  for (const Words& words : texts) {
    for (const std::string& word : words) {
      if (by_words) all.push_back(word);
      joined += word;
    }
  }
  return by_words ? Vocab::of_words(all, {.min_count = min_count, .unk = true, .eos = true})
                  : Vocab::of_characters(joined, {.unk = true, .eos = true});
}

// ---- training

/// One epoch; returns the mean loss of a token.
double train_epoch(const Settings& s, Model& model, const Examples& train, Optimizer& adam, const Schedule& rate,
                   Index epoch, Index& step, Progress& progress) {
  std::vector<std::vector<Id>> sources;
  for (const Words& words : train.sources) sources.push_back(model.source.encode(words));
  double nats = 0, tokens = 0;
  for (const Batch& batch : by_length(sources, {.batch = s.batch, .seed = s.common.seed + epoch})) {
    std::vector<std::vector<Id>> targets;
    for (const Index row : batch.rows) targets.push_back(model.target.encode(train.targets[row]));
    const Batch out = next_tokens(targets, std::vector<Id>(targets.size(), model.stop()), model.stop());
    Tape tape;
    const Tensor logits = (*model.network)(model.network->start(batch.ids, batch.lengths), out.ids);
    const Tensor loss = cross_entropy(logits, out.targets, Reduce::per_token, out.lengths);
    adam.step(model.params, clip(tape.backward(loss), 1.0), rate(step++));
    const auto n = static_cast<double>(std::accumulate(out.lengths.begin(), out.lengths.end(), Index{0}));
    nats += loss.item() * n;
    tokens += n;
    progress.update(step, fmt::format("epoch {}, {:.4f} nats a token", epoch + 1, nats / tokens));
    if (interrupted != 0) break;
  }
  return nats / tokens;
}

std::vector<Hypothesis> decode_all(const Model& model, const std::vector<Words>& sources, Index beam, double penalty) {
  std::vector<Hypothesis> best;
  for (Index begin = 0; begin < sources.size(); begin += 100) {
    std::vector<std::vector<Id>> ids;
    for (Index i = begin; i < std::min(sources.size(), begin + 100); ++i)
      ids.push_back(model.source.encode(sources[i]));
    const Batch p = pad(ids);
    for (auto& found : model.network->decode(p.ids, p.lengths, model.stop(), model.stop(),
                                             {.beam = beam, .max_length = 60, .length_penalty = penalty})) {
      best.push_back(std::move(found.at(0)));
    }
  }
  return best;
}

struct Scores {
  double exact = 0, bleu = 0;
};
Scores scores_of(const std::vector<Words>& hypotheses, const Examples& test, const Corpus& corpus) {
  Scores s;
  std::vector<std::vector<Words>> references;
  for (Index i = 0; i < test.size(); ++i) {
    references.push_back(corpus.references.at(test.texts[i]));
    const auto& right = references.back();
    s.exact += std::find(right.begin(), right.end(), hypotheses[i]) != right.end() ? 1 : 0;
  }
  s.exact /= static_cast<double>(test.size());
  s.bleu = corpus_bleu(hypotheses, references).score;
  return s;
}

Heatmap attention_of(const Model& model, const Words& source, const Hypothesis& h) {
  const Array weights =
      model.network->attention_weights(Ids(model.source.encode(source), source.size(), 1), h.ids, model.stop());
  Words rows = model.words(h.ids);
  rows.push_back("<eos>");
  std::vector<double> values;
  for (Index i = 0; i < weights.size(); ++i) values.push_back(weights.flat(i));
  return {"What each token of the answer attends to", source, rows, values};
}

void show(const Settings& s, const Model& model, const std::string& text) {
  const Words source = tokens_of(text, model.by_words);
  require<UsageError>(!source.empty(), "--translate: the text is empty");
  const auto best = model.network->decode(
      Ids(model.source.encode(source), source.size(), 1), {}, model.stop(), model.stop(),
      {.beam = s.beam, .max_length = 60, .length_penalty = s.length_penalty, .n_best = std::min(s.n_best, s.beam)})[0];
  fmt::print("{}\n", bold(text));
  Table table({"ln p", "translation"});
  for (const Hypothesis& h : best)
    table.row({fmt::format("{:.3f}", h.log_probability), model.text(model.words(h.ids))});
  fmt::print("{}\n", table.to_string());
  if (s.common.quiet || model.score == "none") return;
  const Heatmap map = attention_of(model, source, best[0]);
  fmt::print("{}\n", map.to_terminal());
  if (!s.picture.empty()) map.save_svg(s.picture);
}

int train(const Settings& s) {
  check_writable(s.common.file);
  const Stopwatch watch;
  std::vector<Pair> pairs;
  if (s.common.data.empty()) {
    Random random(17);
    for (Index i = 0; i < s.pairs; ++i) pairs.push_back(date(random));
  } else {
    pairs = read_pairs(s.common.data);
  }
  const bool by_words = s.level == "word" || (s.level == "auto" && !s.common.data.empty() &&
                                              read_bytes(s.common.data).find('\t') != std::string::npos);
  const Corpus corpus(pairs, by_words, s.max_words);
  Model model(s, by_words, vocabulary(corpus.train.sources, by_words, s.min_count),
              vocabulary(corpus.train.targets, by_words, s.min_count));
  if (!s.common.quiet) {
    fmt::print("{}\n  {} pairs to learn from, {} held out by the hash of their source; for example\n",
               bold(s.common.data.empty() ? "Dates" : s.common.data), format_count(corpus.train.size()),
               format_count(corpus.test.size()));
    for (Index i = 0; i < std::min<Index>(3, pairs.size()); ++i)
      fmt::print("    {}  →  {}\n", pairs[i].source, pairs[i].target);
    fmt::print("  {} {}s in the source, {} in the target; a bidirectional {} reads, {} writes{}; {} parameters\n\n",
               format_count(model.source.size()), by_words ? "word" : "character", format_count(model.target.size()),
               model.cell, model.cell, model.score == "none" ? "" : " with " + model.score + " attention",
               format_count(model.params.count()));
  }
  const Index each = (corpus.train.size() + s.batch - 1) / s.batch, steps = s.epochs * each;
  Adam adam({.rate = s.rate});
  const CosineRate rate{s.rate, 0.02 * s.rate, steps, std::min<Index>(100, steps / 2)};
  Progress progress(steps, s.common.quiet);
  std::vector<double> epochs, nats, exact;
  Examples some;
  for (Index i = 0; i < std::min<Index>(200, corpus.test.size()); ++i) {
    some.sources.push_back(corpus.test.sources[i]), some.texts.push_back(corpus.test.texts[i]);
  }
  for (Index epoch = 0, step = 0; epoch < s.epochs && interrupted == 0; ++epoch) {
    nats.push_back(train_epoch(s, model, corpus.train, adam, rate, epoch, step, progress));
    std::vector<Words> greedy;
    for (const Hypothesis& h : decode_all(model, some.sources, 1, 0)) greedy.push_back(model.words(h.ids));
    epochs.push_back(static_cast<double>(epoch + 1));
    exact.push_back(scores_of(greedy, some, corpus).exact);
    model.save(s.common.file);
    progress.clear();
    if (!s.common.quiet)
      fmt::print(stderr, "epoch {:2}  {:.4f} nats a token  {:.3f} exact of {} held out\n", epoch + 1, nats.back(),
                 exact.back(), some.size());
  }
  progress.finish();
  if (interrupted != 0) return status_of_interrupt;

  const auto baseline = WordTranslation::fit(corpus.train.sources, corpus.train.targets);
  std::vector<Words> word_by_word, greedy, beam;
  for (const Words& source : corpus.test.sources) word_by_word.push_back(baseline.translate(source));
  for (const Hypothesis& h : decode_all(model, corpus.test.sources, 1, 0)) greedy.push_back(model.words(h.ids));
  for (const Hypothesis& h : decode_all(model, corpus.test.sources, s.beam, s.length_penalty))
    beam.push_back(model.words(h.ids));
  Table table({fmt::format("{} held-out sources", format_count(corpus.test.size())), "exact", "BLEU"});
  const auto row = [&](const std::string& name, const std::vector<Words>& hypotheses) {
    const Scores scores = scores_of(hypotheses, corpus.test, corpus);
    table.row({name, fmt::format("{:.4f}", scores.exact), fmt::format("{:.2f}", 100 * scores.bleu)});
  };
  row(fmt::format("{} by {}, by counts (IBM model 1)", by_words ? "word" : "character",
                  by_words ? "word" : "character"),
      word_by_word);
  row("greedy", greedy);
  row(fmt::format("beam of {}", s.beam), beam);
  fmt::print("{}\n", table.to_string());
  if (s.common.quiet) return 0;
  Index wrong = 0;
  for (Index i = 0; i < beam.size() && wrong < 5; ++i) {
    const auto& right = corpus.references.at(corpus.test.texts[i]);
    if (std::find(right.begin(), right.end(), beam[i]) != right.end()) continue;
    if (wrong++ == 0) fmt::print("{}\n", bold("Mistakes"));
    fmt::print("  {}  →  {}  ({})\n", corpus.test.texts[i], model.text(beam[i]), model.text(right[0]));
  }
  const std::string svg = picture_of(s.common.file);
  Plot plot("Translation", "epoch", "exact");
  show_plot(plot.curve("exact, held out", epochs, exact), svg);
  if (model.score != "none") {
    const auto best = decode_all(model, {corpus.test.sources[0]}, 1, 0)[0];
    const Heatmap map = attention_of(model, corpus.test.sources[0], best);
    fmt::print("\n{}", map.to_terminal());
    const std::string drawn = std::filesystem::path(s.common.file).replace_extension().string() + "-attention.svg";
    map.save_svg(drawn);
    fmt::print("\nThe attention is drawn in {}", drawn);
  }
  fmt::print("\n{} {} after {}, with its curve in {}\nTry: --translate \"{}\"{}\n", bold("The model is in"),
             s.common.file, format_duration(watch.seconds()), svg, corpus.test.texts[0],
             s.common.file == "translate.safetensors" ? "" : " --model " + s.common.file);
  return 0;
}

int run(const CLI::App& app, const Settings& s) {
  if (s.translate.empty()) {
    catch_interrupt();
    return train(s);
  }
  refuse(app, "--translate",
         {"--data", "--level", "--attention", "--cell", "--embed", "--hidden", "--epochs", "--batch", "--max-words",
          "--min-count", "--pairs", "--rate", "--dropout"});
  const Model model(load_model(s.common.file, "translate"));
  for (const std::string& text : s.translate) show(s, model, text);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  s.common.cell = "gru";
  CLI::App app("Learns to turn one text into another, with an encoder, a decoder and attention.", "translate");
  add_common(app, s.common,
             "Pairs of texts: lines of a source, a TAB (or _) and a target. Without this, generated dates.");
  add_model_file(app, s.common, "translate.safetensors", "--translate");
  add_texts(app, "--translate", s.translate, "TEXT", "Translate this text with a saved model");
  app.add_option("--level", s.level, "Tokens are characters or words; auto: words where a TAB separates the pairs.")
      ->check(CLI::IsMember({"auto", "char", "word"}));
  app.add_option("--attention", s.score, "How the decoder attends; none: it sees the encoder's last output.")
      ->check(CLI::IsMember({"additive", "general", "dot", "none"}));
  add_number(app, "--beam", s.beam, 1, 100, "Beginnings kept while decoding.");
  add_number(app, "--n-best", s.n_best, 1, 100, "Translations shown by --translate, at most --beam.");
  add_number(app, "--length-penalty", s.length_penalty, 0, 10, "Above 0 longer translations gain (Wu et al. 2016).");
  add_file(app, "--picture", s.picture, "Where --translate draws the attention (SVG).");
  add_number(app, "--embed", s.embed, 1, 1e5, "Numbers that stand for a token.");
  add_number(app, "--hidden", s.hidden, 1, 1e5, "Units of a cell.");
  add_number(app, "--epochs", s.epochs, 1, 1e5, "Passes over the pairs.");
  add_number(app, "--batch", s.batch, 1, 1e5, "Pairs in a step.");
  add_number(app, "--pairs", s.pairs, 100, 1e7, "Dates that are generated.");
  add_number(app, "--max-words", s.max_words, 0, 1e5, "Longer pairs of words are left out (0: none).");
  add_number(app, "--min-count", s.min_count, 1, 1e5, "Words seen less often become <unk>.");
  add_number(app, "--rate", s.rate, 1e-9, 10, "Adam's highest rate; it falls along a cosine to 2 %.");
  add_number(app, "--dropout", s.dropout, 0, 0.99, "Of embedded tokens and before the last product.");
  app.footer(
      "Examples:\n  translate                                   dates into ISO 8601\n  translate --translate \"3rd of "
      "May 1999\" --picture attention.svg\n  translate --data fra.txt --save french.safetensors --epochs 4");
  return run_program(app, argc, argv, s.common, [&] { return run(app, s); });
}
