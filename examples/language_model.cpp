// A recurrent network that learns to predict the next character or word of a text, beside the n-gram models it has to
// beat; it then writes text, scores it, and ranks sentences.
#include <set>

#include <unroll/examples/language_model_training.h>

using namespace language_model;

namespace {

struct Settings {
  Options options;
  std::string recipe = "default", file = "language-model.safetensors", resume, prefix, score;
  std::vector<std::string> rank, ban;
  std::optional<Index> length;  // of samples
  bool sample = false, one_line = false;
  SamplingOptions sampling{.temperature = 0.8};
  double minutes = 0;
  Index threads = std::clamp<Index>(std::thread::hardware_concurrency(), 1, 2);
  std::string precision = "f32";
  bool quiet = false;
};

// ---- what is printed

std::string token_name(const Vocab& vocab) { return vocab.kind() == Vocab::Kind::words ? "word" : "character"; }

/// A table of mean −ln p in all its units.
class Scores {
 public:
  Scores(const Vocab& vocab, const char* what)
      : table_({what, "nats per " + token_name(vocab), "perplexity", "bits per character"}) {}
  void row(const std::string& name, const Tokens& tokens, double nats) {
    table_.row({name, fmt::format("{:.4f}", nats), fmt::format("{:.2f}", std::exp(nats)),
                fmt::format("{:.4f}", tokens.bits_per_character(nats))});
  }
  std::string to_string() const { return table_.to_string(); }

 private:
  Table table_;
};

/// A line's end, after which samples and ranked sentences begin, where the text has lines.
std::vector<Id> line_end(const Vocab& vocab) {
  std::vector<Id> ids = vocab.encode("\n");
  std::erase(ids, *vocab.unk());
  return ids;
}

std::string write(const Settings& s, const Model& model, const Vocab& vocab, Random& random) {
  SamplingOptions sampling = s.sampling;
  sampling.banned = {*vocab.unk()};
  for (const std::string& text : s.ban) {
    for (const Id id : vocab.encode(text)) sampling.banned.push_back(id);
  }
  const bool by_words = vocab.kind() == Vocab::Kind::words;
  std::vector<Id> prefix = line_end(vocab);
  for (const Id id : vocab.encode(s.prefix)) prefix.push_back(id);
  const std::vector<Id> end = line_end(vocab);
  const std::optional<Id> stop = s.one_line && !end.empty() ? std::optional(end[0]) : std::nullopt;
  std::vector<Id> written = model.generate(prefix, s.length.value_or(by_words ? 60 : 300), sampling, random, stop);
  if (stop && !written.empty() && written.back() == *stop) written.pop_back();
  return s.prefix + (by_words && !s.prefix.empty() ? " " : "") + vocab.decode(written) + "\n";
}

void print_plan(const Training& t) {
  const std::string token = token_name(t.corpus.vocab);
  fmt::print(stderr, "{}\n", bold(t.o.data, colour_wanted(stderr)));
  fmt::print(stderr, "  {} {}s to learn from, {} held out{}; {} different\n", format_count(t.corpus.train.ids.size()),
             token, format_count(t.corpus.valid.ids.size()), t.o.valid.empty() ? " at its end" : " in " + t.o.valid,
             format_count(t.corpus.vocab.size()));
  fmt::print(stderr, "  {}, {} of {} and {} parameters; {} updates of {} × {} {}s, {:.1f} epochs\n\n", t.o.cell,
             t.o.layers == 1 ? "a layer" : fmt::format("{} layers", t.o.layers), t.o.hidden,
             format_count(t.params.count()), format_count(t.o.updates), t.o.lanes, t.o.steps, token,
             t.epoch(t.o.updates));
}

void print_shorter_plan(const Settings& s, const Training& t, const std::string& speed) {
  fmt::print(stderr, "at {}, {} updates, {:.1f} epochs, fit into {}\n\n", speed, format_count(t.o.updates),
             t.epoch(t.o.updates), format_duration(60 * s.minutes));
}

void print_point(const Settings& s, const Training& t, const std::string& speed) {
  const Training::Point& point = t.curve.back();
  fmt::print(stderr,
             "epoch {:5.2f}  training {:.4f}  validation {:.4f}  perplexity {:.2f}  bits/character {:.3f}  {}\n",
             point.epoch, point.train, point.valid, std::exp(point.valid),
             t.corpus.valid.bits_per_character(point.valid), speed);
  if (t.done % t.batches.size() != 0 || t.done == t.o.updates) return;
  Random random(t.o.seed);
  fmt::print(stderr, "\n{}\n", dim(write(s, t.model, t.corpus.vocab, random), colour_wanted(stderr)));
}

void print_results(const Training& t) {
  const auto& [vocab, train, valid] = t.corpus;
  const double ours = t.curve.back().valid;
  Scores scores(vocab, "model");
  double best = std::numeric_limits<double>::infinity();
  for (const auto& [name, order] : {std::pair{"unigram", 1}, {"bigram", 2}, {"5-gram, Kneser–Ney", 5}}) {
    const auto counts = NgramModel::fit(train.ids, vocab.size(), static_cast<Index>(order));
    const double nats = counts.nats_per_token(valid.ids);
    scores.row(name, valid, nats);
    best = std::min(best, nats);
  }
  scores.row(bold(fmt::format("{}, {} × {}", t.o.cell, t.o.layers, t.o.hidden)), valid, ours);
  fmt::print("\n{}\nThe network {} the best n-gram model by {:.4f} nats, on {} {}s ({:.2f} % unknown).\n",
             scores.to_string(), ours < best ? "beats" : "does not beat", std::abs(best - ours),
             format_count(valid.ids.size()), token_name(vocab), valid.unknown_percentage(vocab));
  const auto by_valid = [](const auto& a, const auto& b) { return a.valid < b.valid; };
  const Training::Point& lowest = *std::min_element(t.curve.begin(), t.curve.end(), by_valid);
  if (lowest.valid + 0.01 < ours) {
    fmt::print("It was better at epoch {:.2f}, with {:.4f}: less --epochs, or --dropout, may help.\n", lowest.epoch,
               lowest.valid);
  }
}

void print_curve(const Training& t, const std::string& svg) {
  std::vector<double> epochs, train, valid;
  for (const Training::Point& point : t.curve) {
    epochs.push_back(point.epoch);
    train.push_back(point.train);
    valid.push_back(point.valid);
  }
  Plot plot("Loss", "epoch", "nats per " + token_name(t.corpus.vocab));
  show_plot(plot.curve("training", epochs, train).curve("validation", epochs, valid), svg);
}

// ---- what it does

/// Trains to the end of the plan, or until interrupted, and saves at each point of the curve and in the end.
void train(const Settings& s, Training& t) {
  constexpr Index fine = 10'000, planning = 40;
  Progress progress(fine, s.quiet);
  double seconds = 0;  // in updates
  Index tokens = 0;    // read in them
  const Index first = t.done;
  while (t.done < t.o.updates && interrupted == 0) {
    const Stopwatch watch;
    tokens += t.update();
    seconds += watch.seconds();
    const std::string speed = format_count(static_cast<Index>(static_cast<double>(tokens) / seconds)) + " tokens/s";
    if (s.minutes > 0 && t.done == first + planning) {
      const Index wanted = t.o.updates;
      t.fit_into(60 * s.minutes, seconds / static_cast<double>(planning));
      progress.clear();
      if (!s.quiet && t.o.updates < wanted) print_shorter_plan(s, t, speed);
    }
    progress.update(fine * (t.done - first) / (t.o.updates - first),
                    fmt::format("epoch {:.2f}  loss {:.3f}  {}", t.epoch(t.done), t.mean_loss(), speed));
    if (!t.at_point()) continue;
    t.validate();
    progress.clear();
    if (!s.quiet) print_point(s, t, speed);
    t.save(s.file);
  }
  if (interrupted != 0) t.save(s.file);
}

/// Trains a model, or goes on with one, and tells all about it.
int train_and_report(const Settings& s, const std::optional<Checkpoint>& file) {
  check_writable(s.file);
  const Stopwatch watch;
  Training training(s.options);
  if (file) training.restore(*file);
  if (!s.quiet) print_plan(training);
  train(s, training);
  if (training.done < training.o.updates) {
    fmt::print(stderr, "interrupted in epoch {:.2f}; go on with --resume {}\n", training.epoch(training.done), s.file);
    return status_of_interrupt;
  }
  if (training.curve.empty()) training.validate();
  print_results(training);
  if (s.quiet) return 0;
  const std::string svg = std::filesystem::path(s.file).replace_extension(".svg").string();
  print_curve(training, svg);
  Random random(s.options.seed);
  fmt::print("\n{}\n", bold("Samples"));
  for (int i = 0; i < 2; ++i) fmt::print("\n{}", write(s, training.model, training.corpus.vocab, random));
  fmt::print("\n{} {} after {}, with its curve in {}\n", bold("The model is in"), s.file,
             format_duration(watch.seconds()), svg);
  fmt::print("Try: --sample 500 --prefix \"In the\" or --score FILE{}\n",
             s.file == Settings().file ? "" : " with --model " + s.file);
  return 0;
}

/// Scores, ranks and writes with a saved model.
int use(const Settings& s) {
  require<FileError>(std::filesystem::exists(s.file),
                     "{}: there is no such model; train one first, or name one with --model", s.file);
  const Checkpoint file = load(s.file);
  const Options o = get_options(file);
  const Vocab vocab = get_vocab(file, o);
  Params params(o.seed);
  const Model model = make_model(o, params, vocab.size());
  restore_params(file, params);
  if (!s.score.empty()) {
    const Tokens tokens(vocab, read_text(s.score));
    require<FileError>(!tokens.ids.empty(), "{}: there is no word in it", s.score);
    Scores scores(vocab, "text");
    scores.row(s.score, tokens, model.evaluate(tokens.ids));
    fmt::print("{}{} {}s, of which {:.2f} % are unknown and count as <unk>\n", scores.to_string(),
               format_count(tokens.ids.size()), token_name(vocab), tokens.unknown_percentage(vocab));
  }
  if (!s.rank.empty()) {
    const std::vector<Id> end = line_end(vocab);
    std::vector<std::pair<double, std::string>> ranked;  // by −ln p of the sentence and its end
    for (const std::string& sentence : s.rank) {
      std::vector<Id> ids = end;
      for (const Id id : vocab.encode(sentence)) ids.push_back(id);
      ids.insert(ids.end(), end.begin(), end.end());
      ranked.emplace_back(model.log_probability(end) - model.log_probability(ids), sentence);
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](auto& a, auto& b) { return a.first < b.first; });
    Table table({"ln p", "sentence"});
    for (const auto& [nats, sentence] : ranked) table.row({fmt::format("{:.3f}", -nats), sentence});
    fmt::print("{}", table.to_string());
  }
  if (s.sample) {
    Random random(s.options.seed);
    fmt::print("{}", write(s, model, vocab, random));
  }
  return 0;
}

// ---- the command line

constexpr const char* examples = R"(Examples:
  language_model --data book.txt                  learn a book's characters in at most five minutes
  language_model --data book.txt --level word --dropout 0.5 --save words.safetensors
  language_model --data shakespeare.txt --recipe shakespeare --minutes 12
  language_model --data ptb.train.txt --valid ptb.valid.txt --recipe zaremba-small
  language_model --resume language-model.safetensors   go on after an interruption, exactly
  language_model --sample 500 --prefix "In the" --temperature 0.6
  language_model --score other.txt --model words.safetensors
  language_model --rank "the apple and pear salad" "the apple and pair salad")";

constexpr const char* making = "Options of a new model";

void add_options(CLI::App& app, Settings& s) {
  app.option_defaults()->always_capture_default();
  s.options.each([&]<class T>(const std::string& name, T& value, const char* help) {
    CLI::Option* option =
        name == "tied" ? app.add_flag("--tied", value, help) : app.add_option("--" + name, value, help);
    option->group(making);
    if (!std::same_as<T, std::string> && name != "tied") option->check(in_range(0, 1e15));
  });
  for (const char* name : {"--hidden", "--layers", "--embed", "--lanes", "--steps"})
    app.get_option(name)->check(in_range(1, 1e6));
  for (const char* name : {"--data", "--valid"}) app.get_option(name)->type_name("FILE");
  app.get_option("--level")->check(CLI::IsMember({"char", "word"}));
  app.get_option("--cell")->check(CLI::IsMember(cells));
  app.get_option("--optimizer")->check(CLI::IsMember({"adamw", "sgd"}));
  app.get_option("--dropout")->check(in_range(0, 0.99));
  app.get_option("--held-out")->check(in_range(0.0001, 0.9));
  app.add_option("--recipe", s.recipe, "Other defaults: for a text of a million characters, for the Penn Treebank.")
      ->check(CLI::IsMember(recipes))
      ->group(making);
  app.add_option("--minutes", s.minutes,
                 "Fewer updates, by the speed of the first, if it would take longer (0: as planned). Default: 5, "
                 "but 0 with --recipe, --epochs, --updates or --resume.")
      ->check(in_range(0, 1e6));
  app.add_option("--threads", s.threads, "Threads to compute with.")->check(in_range(1, 1024));
  add_precision(app, s.precision);
  app.add_option("--save,--model", s.file,
                 "The model's file: training writes it often, --sample, --score and --rank read it.")
      ->type_name("FILE");
  app.add_option("--resume", s.resume,
                 "Go on with the training that wrote this file, and save to it again unless --save says otherwise.")
      ->type_name("FILE");
  app.add_option("--sample", "Write so many characters (300) or words (60) with a saved model.")
      ->type_name("N")
      ->expected(0, 1);
  app.add_option("--prefix", s.prefix, "What samples begin with.")->type_name("TEXT");
  app.add_option("--temperature", s.sampling.temperature,
                 "Below 1 samples are more probable, above 1 less; 0 always takes the most probable token.")
      ->check(in_range(0, 1e6));
  app.add_option("--top-k", s.sampling.top_k, "Draw from the k most probable tokens only (0: from all).");
  app.add_option("--top-p", s.sampling.top_p, "Draw from the most probable tokens that reach this together.")
      ->check(in_range(1e-6, 1.0));
  app.add_option("--min-p", s.sampling.min_p,
                 "Draw from tokens at least so probable as this share of the most probable one's probability.")
      ->check(in_range(0, 1));
  add_texts(app, "--ban", s.ban, "TEXT", "Never write the characters, or the words, of this text");
  app.add_option("--repetition-penalty", s.sampling.repetition_penalty,
                 "Above 1 what was written lately becomes less probable.")
      ->check(in_range(0.01, 100));
  app.add_flag("--one-line", s.one_line, "Let samples end where a line ends (at <eos>).");
  app.add_option("--score", s.score, "Nats, perplexity and bits per character of a text by a saved model.")
      ->type_name("FILE");
  app.add_option("--rank", s.rank,
                 "The log-probability of sentences, as lines of their own, by a saved model; the best first.")
      ->type_name("TEXT")
      ->default_str("");
  app.add_flag("--quiet", s.quiet, "Print nothing but the result.");
  app.footer(examples);
}

/// Errors: options that do not go together.
void refuse_making(const CLI::App& app, const std::string& mode, const std::set<std::string>& allowed) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    require<UsageError>(option->count() == 0 || option->get_group() != making || allowed.contains(name),
                        "{} has no meaning with {}", name, mode);
  }
}

/// The options of a model to be trained: the command line's, above those of the recipe or of the file to go on from.
void choose_options(CLI::App& app, int argc, char** argv, Settings& s, const std::optional<Checkpoint>& file) {
  s.options = file ? get_options(*file) : options_of_recipe(s.recipe);
  if (app.count("--epochs") > 0) s.options.updates = 0;
  app.parse(argc, argv);
  for (std::string* path : {&s.options.data, &s.options.valid}) {
    if (!path->empty()) *path = std::filesystem::absolute(*path).string();
  }
  if (file && app.count("--save") == 0) s.file = s.resume;
  const bool planned = file || s.recipe != "default" || s.options.epochs > 0 || s.options.updates > 0;
  if (!planned && app.count("--minutes") == 0) s.minutes = 5;
}

int run(int argc, char** argv) {
  Settings s;
  CLI::App app("Learns to predict a text's next character or word; writes, scores and ranks text.", "language_model");
  add_options(app, s);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) { return app.exit(help); }
  set_up(s.threads, s.precision);
  const CLI::Option* sample = app.get_option("--sample");
  if (sample->count() > 0 || !s.score.empty() || !s.rank.empty()) {
    refuse_making(app, sample->count() > 0 ? "--sample" : s.score.empty() ? "--rank" : "--score", {"--seed"});
    s.sample = sample->count() > 0;
    if (s.sample && !sample->results().front().empty()) s.length = sample->as<Index>();
    return use(s);
  }
  std::optional<Checkpoint> file;
  if (!s.resume.empty()) {
    refuse_making(app, "--resume", {"--data", "--valid", "--epochs", "--updates"});
    file = load(s.resume);
  }
  choose_options(app, argc, argv, s, file);
  require<UsageError>(!s.options.data.empty(), "there is no text to learn from: give one with --data FILE");
  catch_interrupt();
  return train_and_report(s, file);
}

}  // namespace

int main(int argc, char** argv) {
  return with_status("language_model", [&] { return run(argc, argv); });
}
