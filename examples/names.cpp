// One-to-many and many-to-one: a character model that writes names of a given class, and a classifier that tells the
// class of a name, beside n-grams and naive Bayes.
#include <unroll/examples/program.h>

using namespace program;

namespace {

struct Settings {
  Common common;
  Index embed = 24, hidden = 64, epochs = 0, batch = 16, count = 8;
  double rate = 4e-3, dropout = 0.5, temperature = 0.8;
  std::vector<std::string> classify;
  std::string generate;
};

struct Names {
  std::vector<std::string> texts;
  std::vector<Id> labels;
  void add(const std::string& text, Id label) {
    texts.push_back(text);
    labels.push_back(label);
  }
  Index size() const { return texts.size(); }
};

/// All names, a fifth of them held out by the hash of each.
struct Corpus {
  std::vector<std::string> classes;
  Names train, test;
};

/// A folder with a file for each class, a name a line; or a .csv of labels and names; or a file of names of one class.
Corpus read_names(const std::filesystem::path& path) {
  std::vector<Labelled> all;
  const auto add_lines = [&](const std::filesystem::path& file) {
    std::istringstream lines(read_text(file));
    for (std::string line; std::getline(lines, line);) {
      if (!is_blank(line)) all.push_back({file.stem().string(), line});
    }
  };
  if (std::filesystem::is_directory(path)) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const auto& file : files) add_lines(file);
  } else if (path.extension() == ".csv") {
    all = read_labelled(path);
  } else {
    add_lines(path);
  }
  require<FileError>(!all.empty(), "{}: there is no name in it", path.string());
  Corpus corpus;
  std::map<std::string, Id> ids;
  for (const Labelled& name : all) {
    if (ids.try_emplace(name.label, static_cast<Id>(ids.size())).second) corpus.classes.push_back(name.label);
    (hash_bucket(name.text) < 2 ? corpus.test : corpus.train).add(name.text, ids.at(name.label));
  }
  require<FileError>(corpus.train.size() > 0 && corpus.test.size() > 0, "{}: there are too few names: {}",
                     path.string(), all.size());
  return corpus;
}

using Generator = LanguageModel<AnyLayer>;

/// Both networks over one vocabulary of characters, <eos>, and a token for each class, which begins a name.
struct Model {
  std::string cell;
  Index embed, hidden;
  std::vector<std::string> classes;
  Vocab vocab;
  Params params;
  std::optional<Generator> generator;
  std::optional<Classifier> classifier;

  Model(const std::string& cell, Index embed, Index hidden, double dropout, std::vector<std::string> classes,
        Vocab vocab, std::uint64_t seed)
      : cell(cell), embed(embed), hidden(hidden), classes(std::move(classes)), vocab(std::move(vocab)), params(seed) {
    const Scope p = params;
    const Index tokens = this->vocab.size() + this->classes.size();
    generator.emplace(p / "generator", tokens, LanguageModelOptions{.embed = embed, .dropout = dropout},
                      make_cell(cell, p / "generator_cell", embed, hidden));
    if (this->classes.size() < 2) return;
    classifier.emplace(
        p / "classifier", this->vocab.size(), embed, make_bidirectional(cell, p / "classifier_cell", embed, hidden),
        this->classes.size(),
        ClassifierOptions{.pool = Pool::mean_max, .embedding_dropout = dropout / 2, .output_dropout = dropout});
  }
  explicit Model(const Checkpoint& file)
      : Model(get_text(file, "cell"), get_number<Index>(file, "embed"), get_number<Index>(file, "hidden"), 0,
              get_strings(file, "classes"),
              Vocab::from_tokens(Vocab::Kind::characters, get_strings(file, "vocabulary")), 0) {
    restore_params(file, params);
  }
  void save(const std::string& path) const {
    Checkpoint file;
    file.metadata = {{"program", "names"}, {"cell", cell}};
    put_number(file, "embed", embed);
    put_number(file, "hidden", hidden);
    put_strings(file, "classes", classes);
    put_strings(file, "vocabulary", vocab.tokens());
    put_params(file, params);
    unroll::save(path, file);
  }

  Id class_token(Id label) const { return static_cast<Id>(vocab.size()) + label; }
  Id stop() const { return *vocab.eos(); }

  std::vector<std::string> write(Id label, Index count, double temperature, Random& random) const {
    SamplingOptions options{.temperature = temperature};
    options.banned = {*vocab.unk()};
    for (Id k = 0; k < static_cast<Id>(classes.size()); ++k) options.banned.push_back(class_token(k));
    std::vector<std::string> names;
    while (names.size() < count) {
      std::vector<Id> ids = generator->generate({class_token(label)}, 30, options, random, stop());
      if (!ids.empty() && ids.back() == stop()) ids.pop_back();
      if (!ids.empty()) names.push_back(vocab.decode(ids));
    }
    return names;
  }
  std::vector<double> probabilities(const std::string& name) const {
    const std::vector<Id> ids = vocab.encode(name);
    const Array p = softmax((*classifier)(Ids(ids, ids.size(), 1), {})).value();
    std::vector<double> all;
    for (Index c = 0; c < p.size(); ++c) all.push_back(p.flat(c));
    return all;
  }
};

std::vector<std::vector<Id>> encoded(const Vocab& vocab, const Names& names) {
  std::vector<std::vector<Id>> ids;
  for (const std::string& text : names.texts) ids.push_back(vocab.encode(text));
  return ids;
}

/// −ln p of the names of a batch: [class, a, b, c] → [a, b, c, <eos>].
Tensor generator_loss(const Model& model, const Batch& batch, Reduce reduce) {
  std::vector<Id> first;
  for (const Id label : batch.targets) first.push_back(model.class_token(label));
  const Batch next = next_tokens(unpad(batch), first, model.stop());
  const auto output = (*model.generator)(next.ids, model.generator->zero_state(first.size()));
  return cross_entropy(output.logits, next.targets, reduce, next.lengths);
}

struct Judged {
  double nats = 0;      // per character, the end of a name being one
  double accuracy = 0;  // of the classifier
};
Judged judge(const Model& model, const Names& names) {
  Judged judged;
  double characters_read = 0;
  for (const Batch& batch : bucketed(encoded(model.vocab, names), names.labels, {.batch = 64})) {
    judged.nats += generator_loss(model, batch, Reduce::sum).item();
    for (const Index length : batch.lengths) characters_read += static_cast<double>(length) + 1;
    if (!model.classifier) continue;
    const Ids chosen = argmax((*model.classifier)(batch.ids, batch.lengths), -1);
    judged.accuracy += accuracy(chosen.values(), batch.targets.values()) * static_cast<double>(chosen.size());
  }
  judged.nats /= characters_read;
  judged.accuracy /= static_cast<double>(names.size());
  return judged;
}

void print_results(const Model& model, const Corpus& corpus, const Judged& ours) {
  const std::vector<Id> train = joined(encoded(model.vocab, corpus.train), model.stop()),
                        test = joined(encoded(model.vocab, corpus.test), model.stop());
  Table written({fmt::format("{} held-out names", format_count(corpus.test.size())), "nats per character"});
  for (const Index order : {2u, 4u}) {
    const double nats = NgramModel::fit(train, model.vocab.size(), order).nats_per_token(test);
    written.row({order == 2 ? "bigram, Kneser–Ney, all classes" : "4-gram, Kneser–Ney, all classes",
                 fmt::format("{:.4f}", nats)});
  }
  written.row({bold(model.cell + ", given the class"), fmt::format("{:.4f}", ours.nats)});
  fmt::print("{}\n", written.to_string());
  if (!model.classifier) return;
  const auto documents = [](const Names& names) {
    std::vector<NaiveBayes::Document> all;
    for (const std::string& text : names.texts) all.push_back(characters(text));
    return all;
  };
  const NaiveBayes bayes = NaiveBayes::fit(documents(corpus.train), corpus.train.labels, corpus.classes.size());
  std::vector<Id> chosen;
  for (const auto& document : documents(corpus.test)) chosen.push_back(bayes.predict(document));
  std::vector<Index> counts(corpus.classes.size(), 0);
  for (const Id label : corpus.train.labels) ++counts[static_cast<Index>(label)];
  const auto most = static_cast<Id>(std::max_element(counts.begin(), counts.end()) - counts.begin());
  Table told({"", "accuracy"});
  told.row({"the most frequent class",
            fmt::format("{:.3f}", accuracy(std::vector<Id>(corpus.test.size(), most), corpus.test.labels))});
  told.row({"naive Bayes of characters and bigrams", fmt::format("{:.3f}", accuracy(chosen, corpus.test.labels))});
  told.row({bold("bidirectional " + model.cell), fmt::format("{:.3f}", ours.accuracy)});
  fmt::print("{}\n", told.to_string());
}

int train(const Settings& s) {
  check_writable(s.common.file);
  const Stopwatch watch;
  const std::string data = s.common.data.empty() ? bundled("names.csv") : s.common.data;
  const Corpus corpus = read_names(data);
  std::string text;
  for (const std::string& name : corpus.train.texts) text += name;
  Model model(s.common.cell, s.embed, s.hidden, s.dropout, corpus.classes,
              Vocab::of_characters(text, {.unk = true, .eos = true}), s.common.seed);
  if (!s.common.quiet) {
    fmt::print("{}\n  {} names to learn from, {} held out by their hash; {} class{}; {} characters; {} parameters\n\n",
               bold(data), format_count(corpus.train.size()), format_count(corpus.test.size()), corpus.classes.size(),
               corpus.classes.size() == 1 ? "" : "es", model.vocab.size(), format_count(model.params.count()));
  }
  AdamW adam({.rate = s.rate, .weight_decay = 0.01, .decay_matrices_only = true});
  const Index each = (corpus.train.size() + s.batch - 1) / s.batch;
  const Index passes = s.epochs > 0 ? s.epochs : std::clamp<Index>(1500 / each, 20, 100), steps = passes * each;
  const CosineRate rate{s.rate, 0.02 * s.rate, steps, std::min<Index>(50, steps / 2)};
  Progress progress(steps, s.common.quiet);
  std::vector<double> epochs, nats;
  const auto ids = encoded(model.vocab, corpus.train);
  Judged judged;
  for (Index epoch = 0, step = 0; epoch < passes && interrupted == 0; ++epoch) {
    double loss = 0;
    for (const Batch& batch : bucketed(ids, corpus.train.labels, {.batch = s.batch, .seed = s.common.seed + epoch})) {
      Tape tape;
      Tensor both = generator_loss(model, batch, Reduce::per_token);
      loss = both.item();
      if (model.classifier) {
        both = both + cross_entropy((*model.classifier)(batch.ids, batch.lengths), batch.targets, Reduce::per_sequence);
      }
      adam.step(model.params, clip(tape.backward(both), 1.0), rate(step++));
      progress.update(step, fmt::format("epoch {}, {:.3f} nats a character", epoch + 1, loss));
    }
    judged = judge(model, corpus.test);
    epochs.push_back(static_cast<double>(epoch + 1));
    nats.push_back(judged.nats);
    model.save(s.common.file);
    progress.clear();
    if (!s.common.quiet && (epoch + 1) % std::max<Index>(1, passes / 8) == 0)
      fmt::print(stderr, "epoch {:2}  held out: {:.4f} nats a character, accuracy {:.3f}\n", epoch + 1, judged.nats,
                 judged.accuracy);
  }
  progress.finish();
  if (interrupted != 0) return status_of_interrupt;
  print_results(model, corpus, judged);
  if (s.common.quiet) return 0;
  Random random(s.common.seed);
  fmt::print("{}\n", bold("New names"));
  for (Index k = 0; k < corpus.classes.size(); ++k) {
    fmt::print("  {:12} {}\n", corpus.classes[k],
               fmt::join(model.write(static_cast<Id>(k), 5, s.temperature, random), ", "));
  }
  const std::string svg = picture_of(s.common.file);
  show_plot(Plot("Names", "epoch", "nats per character").curve("held out", epochs, nats), svg);
  fmt::print("\n{} {} after {}, with its curve in {}\nTry: --generate {}{}\n", bold("The model is in"), s.common.file,
             format_duration(watch.seconds()), svg, corpus.classes[0],
             corpus.classes.size() > 1 ? " or --classify Lorenzetti" : "");
  return 0;
}

int use(const Settings& s) {
  const Model model(load_model(s.common.file, "names"));
  for (const std::string& name : s.classify) {
    require<UsageError>(model.classifier.has_value(), "{}: the model knows one class only", s.common.file);
    require<UsageError>(!is_blank(name) && valid_utf8(name), "--classify: the name is empty or not UTF-8");
    const std::vector<double> p = model.probabilities(name);
    std::vector<Index> order(p.size());
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return p[a] > p[b]; });
    fmt::print("{}:", bold(name));
    for (Index k = 0; k < std::min<Index>(3, order.size()); ++k)
      fmt::print(" {} {:.3f}", model.classes[order[k]], p[order[k]]);
    fmt::print("\n");
  }
  if (!s.generate.empty()) {
    const auto found = std::find(model.classes.begin(), model.classes.end(), s.generate);
    require<UsageError>(found != model.classes.end(), "--generate: there is no class '{}', but {}", s.generate,
                        fmt::join(model.classes, ", "));
    Random random(s.common.seed);
    for (const std::string& name :
         model.write(static_cast<Id>(found - model.classes.begin()), s.count, s.temperature, random))
      fmt::print("{}\n", name);
  }
  return 0;
}

int run(const CLI::App& app, const Settings& s) {
  if (s.classify.empty() && s.generate.empty()) {
    catch_interrupt();
    return train(s);
  }
  refuse(app, s.generate.empty() ? "--classify" : "--generate",
         {"--data", "--cell", "--embed", "--hidden", "--epochs", "--batch", "--rate", "--dropout"});
  return use(s);
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  CLI::App app("Learns to write names of a class, and to tell the class of a name.", "names");
  add_common(app, s.common,
             "A folder with a file of names for each class, a .csv of labels and names, or one file of names. Without "
             "this, family names from eight languages.");
  add_model_file(app, s.common, "names.safetensors", "--generate and --classify");
  app.add_option("--generate", s.generate, "Write names of this class with a saved model.")
      ->type_name("CLASS")
      ->default_str("");
  add_texts(app, "--classify", s.classify, "NAME", "Tell the class of this name");
  add_number(app, "--count", s.count, 1, 1e6, "How many names --generate writes.");
  add_number(app, "--temperature", s.temperature, 0, 1e6, "Below 1 names are more probable, above 1 less.");
  add_number(app, "--embed", s.embed, 1, 1e5, "Numbers that stand for a character.");
  add_number(app, "--hidden", s.hidden, 1, 1e5, "Units of a cell.");
  add_number(app, "--epochs", s.epochs, 0, 1e5, "Passes over the names (0: 20, and more of few names).");
  add_number(app, "--batch", s.batch, 1, 1e5, "Names in a step.");
  add_number(app, "--rate", s.rate, 1e-9, 10, "AdamW's highest rate; it falls along a cosine to 2 %.");
  add_number(app, "--dropout", s.dropout, 0, 0.99, "Of the outputs before the last product.");
  app.footer(
      "Examples:\n  names                                  family names from eight languages\n  names --generate "
      "Italian --count 20\n  names --classify Lorenzetti --classify Okonogi\n  names --data dinosaurs.txt --save "
      "dinosaurs.safetensors");
  return run_program(app, argc, argv, s.common, [&] { return run(app, s); });
}
