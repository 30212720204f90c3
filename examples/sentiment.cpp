// A recurrent network that learns to tell classes of texts apart (positive and negative reviews, say) from a file of
// labelled ones, beside the baselines it has to beat.
#include <iostream>

#include <unroll/examples/sentiment_report.h>

using namespace sentiment;

namespace {

struct Settings {
  Plan plan;
  Design design;
  std::string file = "sentiment.safetensors", resume;
  std::vector<std::string> classify;
  bool interactive = false, quiet = false;
  bool both_ways = false, one_way = false, with_counts = false, no_counts = false;
  Index epochs = 0, threads = 1, seeds = 1;
  std::string precision = "f32";
  std::uint64_t seed = 1;
};

/// Naive Bayes of words and bigrams; the network may build on its counts, and has to beat it.
NaiveBayes naive_bayes(const Corpus& corpus) {
  return NaiveBayes::fit(corpus.train.words, corpus.train.labels, corpus.classes.size());
}

std::optional<NaiveBayes> wanted_counts(const Settings& s, const Corpus& corpus) {
  if (s.no_counts || corpus.classes.size() != 2) return {};
  return naive_bayes(corpus);
}

struct Baselines {
  double majority, naive_bayes;
};
Baselines baselines(const Corpus& corpus) {
  const NaiveBayes bayes = naive_bayes(corpus);
  const std::vector<Index>& documents = bayes.counts().class_documents;
  const auto most = static_cast<Id>(std::max_element(documents.begin(), documents.end()) - documents.begin());
  std::vector<Id> chosen;
  for (const Words& words : corpus.test.words) chosen.push_back(bayes.predict(words));
  return {accuracy(std::vector<Id>(corpus.test.size(), most), corpus.test.labels),
          accuracy(chosen, corpus.test.labels)};
}

// ---- what is printed

void print_data(const Plan& plan, const Corpus& corpus) {
  fmt::print("{}\n", bold(plan.data));
  fmt::print("  {} texts with the labels {}{}\n", format_count(corpus.size),
             fmt::join(corpus.classes, corpus.classes.size() == 2 ? " and " : ", "),
             corpus.latin1 ? " (not UTF-8, read as Latin-1)" : "");
  if (plan.test.empty()) {
    fmt::print("  {} for training, {} for validation, {} for testing, by the hash of each text (bucket {} of 0 … 9)\n",
               format_count(corpus.train.size()), format_count(corpus.valid.size()), format_count(corpus.test.size()),
               plan.bucket);
  } else {
    fmt::print("  all for training; {} from {} for validation and testing, since nothing is chosen by either\n",
               format_count(corpus.test.size()), plan.test);
  }
}

void print_model(const Model& model, const Corpus& corpus) {
  fmt::print("  {} words seen twice or more in training; unknown are {:.1f} % of its words and {:.1f} % in testing\n\n",
             format_count(model.vocab.size() - 1), unknown_percentage(model.vocab, corpus.train),
             unknown_percentage(model.vocab, corpus.test));
  fmt::print("{}\n{}\n", bold(model.name()), model.params.summary());
  if (model.counts) {
    fmt::print("The counts were made from the texts for training, so the loss is small there from the start.\n\n");
  }
}

void print_results(const Model& model, const Texts& test, const Judged& judged, const Baselines& base) {
  const double error = std::sqrt(judged.accuracy * (1 - judged.accuracy) / static_cast<double>(test.size()));
  Table table({fmt::format("test accuracy, {} texts", format_count(test.size())), ""});
  table.row({"the most frequent class", fmt::format("{:.3f}", base.majority)});
  table.row({"naive Bayes, words and bigrams", fmt::format("{:.3f}", base.naive_bayes)});
  table.row({model.name(), fmt::format("{:.3f} ± {:.3f} (standard error)", judged.accuracy, error)});
  fmt::print("\n{}\n{}\n", table.to_string(), confusion(model, test, judged));
  fmt::print("{}\n{}\n", bold("The surest mistakes"), surest_mistakes(model, test, judged, 10));
  fmt::print("{}: {}\n{}", bold("What decisions rested on"), legend(model), decisions(model, test, judged));
}

void print_result(const std::string& accuracy, const std::string& of, const Baselines& base) {
  fmt::print("test accuracy {} ({}); naive Bayes {:.3f}, most frequent class {:.3f}\n", accuracy, of, base.naive_bayes,
             base.majority);
}

// ---- what it does

/// The plan of a training that goes on: the file's, with what the command line says of it.
Plan plan_to_resume(const Settings& s, const Checkpoint& file) {
  Plan plan = plan_of(file);
  if (!s.plan.data.empty()) plan.data = s.plan.data;
  if (!s.plan.test.empty()) plan.test = s.plan.test;
  if (s.epochs > 0) plan.epochs = s.epochs;
  return plan;
}

void check_same_texts(const Model& model, const Corpus& corpus, const Settings& s) {
  const bool same_words = model.classes == corpus.classes && model.vocab == vocabulary(corpus);
  const auto counted = [](const NaiveBayes& bayes) { return bayes.counts().feature_counts; };
  require<FileError>(same_words && (!model.counts || counted(*model.counts) == counted(naive_bayes(corpus))),
                     "{}: was not trained on the texts of {}; give the right ones with --data", s.resume, s.plan.data);
}

Corpus read(const Settings& s) {
  require<UsageError>(!s.plan.data.empty(), "there are no texts to train on: give some with --data FILE");
  Corpus corpus = read_corpus(s.plan.data, s.plan.test, s.plan.bucket);
  require<UsageError>(corpus.classes.size() == 2 || !s.with_counts, "--with-counts needs two classes; {} has {}",
                      s.plan.data, corpus.classes.size());
  return corpus;
}

/// Trains a model, or goes on with one, and tells all about it.
int train_and_report(Settings s) {
  std::optional<Checkpoint> file;
  if (!s.resume.empty()) {
    file = load(s.resume);
    s.plan = plan_to_resume(s, *file);
  }
  check_writable(s.file);
  const Corpus corpus = read(s);
  const Stopwatch watch;
  Model model =
      file ? Model(*file) : Model(s.design, corpus.classes, vocabulary(corpus), wanted_counts(s, corpus), s.seed);
  Training training;
  if (file) {
    check_same_texts(model, corpus, s);
    restore_training(*file, model, training);
  }
  if (!s.quiet) {
    print_data(s.plan, corpus);
    print_model(model, corpus);
    if (file) fmt::print("going on after epoch {} of {}\n", training.epochs(), s.plan.epochs);
  }
  train(s.plan, model, training, corpus, s.quiet, [&](double speed, double seconds) {
    save_training(s.file, s.plan, model, training);
    if (!s.quiet) print_epoch(training, speed, seconds);
  });
  if (interrupted != 0) {
    fmt::print(stderr, "\ninterrupted in epoch {}", training.epochs() + 1);
    if (training.epochs() > 0) fmt::print(stderr, "; go on with --resume {}", s.file);
    fmt::print(stderr, "\n");
    return status_of_interrupt;
  }

  const Judged judged = judge(model, Prepared(model, corpus.test));
  const Baselines base = baselines(corpus);
  if (!s.quiet) {
    const std::string svg = std::filesystem::path(s.file).replace_extension(".svg").string();
    print_curve(training, svg);
    print_results(model, corpus.test, judged, base);
    fmt::print("\n{} {} after {}, with its curve in {}\n", bold("The model is in"), s.file,
               format_duration(watch.seconds()), svg);
    fmt::print("{}\n",
               s.plan.test.empty()
                   ? "It is one seed and one split: --seeds 3 and --bucket 1 (2 … 9) tell how much hangs on them."
                   : "It is one seed: --seeds 3 tells how much hangs on it.");
    fmt::print("Use it with --classify \"what a film\" or --interactive{}\n\n",
               s.file == Settings().file ? "" : " and --model " + s.file);
  }
  print_result(fmt::format("{:.3f}", judged.accuracy), fmt::format("{} texts", corpus.test.size()), base);
  return 0;
}

/// Trains with several seeds and tells the mean and the spread of their results; saves nothing.
int repeat(const Settings& s) {
  const Corpus corpus = read(s);
  const Vocab vocab = vocabulary(corpus);
  const std::optional<NaiveBayes> counts = wanted_counts(s, corpus);
  if (!s.quiet) {
    print_data(s.plan, corpus);
    fmt::print("\nseed  validation accuracy  test accuracy   time\n");
  }
  std::vector<double> results;
  std::string name;
  for (std::uint64_t seed = s.seed; seed < s.seed + s.seeds; ++seed) {
    const Stopwatch watch;
    Model model(s.design, corpus.classes, vocab, counts, seed);
    Training training;
    train(s.plan, model, training, corpus, s.quiet, [](double, double) {});
    if (interrupted != 0) return status_of_interrupt;
    results.push_back(judge(model, Prepared(model, corpus.test)).accuracy);
    name = model.name();
    if (s.quiet) continue;
    fmt::print("{:4}  {:19.3f}  {:13.3f}  {:>5}\n", seed, training.valid_accuracy.back(), results.back(),
               format_duration(watch.seconds()));
    std::fflush(stdout);
  }
  if (!s.quiet) fmt::print("\n{}\n", name);
  print_result(summarize_runs(results).to_string(), fmt::format("{} texts, {} seeds", corpus.test.size(), s.seeds),
               baselines(corpus));
  return 0;
}

void print_class(const Model& model, std::string text, bool quiet) {
  if (!valid_utf8(text)) text = latin1_to_utf8(text);
  const Words words = words_of({text})[0];
  const std::vector<double> p = model.classify(words);
  const Id chosen = most_probable(p);
  fmt::print("{} {:.3f}\n", bold(class_name(model, chosen)), p[static_cast<Index>(chosen)]);
  if (!quiet) fmt::print("{}", explained(model, words, chosen));
}

/// Tells the classes of the texts on the command line, then of lines from stdin.
int use(const Settings& s) {
  require<FileError>(std::filesystem::exists(s.file),
                     "{}: there is no such model; train one first, or name one with --model", s.file);
  const Model model(load(s.file));
  if (!s.quiet) fmt::print("{}\n", legend(model));
  for (const std::string& text : s.classify) print_class(model, text, s.quiet);
  const bool prompts = s.interactive && is_terminal(stdin) && is_terminal(stdout);
  std::string line;
  while (s.interactive) {
    if (prompts) fmt::print("> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    if (!is_blank(line)) print_class(model, line, s.quiet);
  }
  if (prompts) fmt::print("\n");
  return 0;
}

// ---- the command line

constexpr const char* examples = R"(Examples:
  sentiment --data reviews.csv                     train on your own texts; a row is a label and a text
  sentiment --data train.txt --test dev.txt        test on a file of its own; a line is a label, a blank and a text
  sentiment --data reviews.csv --cell gru --hidden 128 --epochs 8 --save gru.safetensors
  sentiment --data reviews.csv --seeds 3           how much the result depends on the seed
  sentiment --resume sentiment.safetensors         go on after an interruption, exactly
  sentiment --classify "a charming film" --classify "not my cup of tea"
  sentiment --interactive --model gru.safetensors  a class for every line you type)";

void add_options(CLI::App& app, Settings& s) {
  constexpr Index many = 1 << 20;
  app.option_defaults()->always_capture_default();
  const auto file = [&](const char* name, std::string& value, const char* help) {
    return app.add_option(name, value, help)->type_name("FILE");
  };
  const auto count = [&](const char* name, auto& value, Index low, Index high, const char* help) {
    return app.add_option(name, value, help)->type_name("N")->check(CLI::Range(low, high).description(""));
  };
  const auto share = [&](const char* name, double& value, const char* help) {
    return app.add_option(name, value, help)->type_name("P")->check(CLI::Range(0.0, 0.99).description(""));
  };
  file("--data", s.plan.data,
       "Labelled texts to learn from: a .csv of labels and texts, or lines of a label and a text.");
  file("--test", s.plan.test, "Labelled texts to test on; without this, a tenth of --data, held back.");
  count("--bucket", s.plan.bucket, 0, 9, "Which tenth is held back (0 to 9), by the hash of each text.");

  app.add_option("--cell", s.design.cell, "The recurrent cell.")->type_name("CELL")->check(CLI::IsMember(cells));
  app.add_flag("--bidirectional", s.both_ways, "Read each text from both ends (the default).");
  app.add_flag("--no-bidirectional", s.one_way, "Read each text from its start alone.");
  count("--hidden", s.design.hidden, 1, many, "Units of a layer, in each direction.");
  count("--layers", s.design.layers, 1, 100, "Layers on top of each other.");
  count("--embed", s.design.embed, 1, many, "Numbers that stand for a word.");
  share("--dropout", s.design.dropout,
        "Share of the numbers zeroed in training: of words, between layers, of the pooled states.");
  share("--word-dropout", s.design.word_dropout, "Share of the words taken for unknown in training.");
  app.add_flag("--with-counts", s.with_counts,
               "Add the fixed counts of naive Bayes to the logit of two classes (the default).");
  app.add_flag("--no-counts", s.no_counts, "Let the network decide alone.");

  count("--epochs", s.epochs, 1, many, "Passes over the texts.")->default_str("5");
  count("--batch", s.plan.batch, 1, many, "Texts in a step.");
  app.add_option("--rate", s.plan.rate, "AdamW's rate at the start; it falls linearly to 2 % of that.")
      ->type_name("R")
      ->check(CLI::Range(1e-9, 1e3).description(""));
  count("--seed", s.seed, 0, Index{1} << 53,
        "Decides the start, the order and the dropout: the same seed, the same model.");
  count("--seeds", s.seeds, 1, many,
        "Train with this many seeds, from --seed on, and print mean and spread; saves nothing.");
  count("--threads", s.threads, 1, 1024, "Threads to compute with; small models gain nothing from a second one.");
  add_precision(app, s.precision);
  file("--save,--model", s.file,
       "The model's file: training writes it after each epoch; --classify and --interactive read it.");
  add_texts(app, "--classify", s.classify, "TEXT", "Tell the class of this text");
  app.add_flag("--interactive", s.interactive, "Tell the class of every line that is typed.");
  file("--resume", s.resume, "Go on with the training that wrote this file, as if it had never stopped.");
  app.add_flag("--quiet", s.quiet, "Print the result alone.");
  app.footer(examples);
}

/// Errors: options that do not go together.
void check_options(const CLI::App& app, Settings& s) {
  const auto refuse = [&](const std::string& mode, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      require<UsageError>(app.count(name) == 0, "{} has no meaning with {}", name, mode);
    }
  };
  const auto for_new_models = {"--bucket",       "--cell",        "--bidirectional", "--no-bidirectional",
                               "--hidden",       "--layers",      "--embed",         "--dropout",
                               "--word-dropout", "--with-counts", "--no-counts",     "--batch",
                               "--rate",         "--seed",        "--seeds"};
  for (const std::string& text : s.classify) require<UsageError>(!is_blank(text), "--classify: the text is empty");
  if (!s.classify.empty() || s.interactive) {
    const std::string mode = s.interactive ? "--interactive" : "--classify";
    refuse(mode, {"--data", "--test", "--epochs", "--resume"});
    refuse(mode, for_new_models);
  }
  if (s.one_way) refuse("--no-bidirectional", {"--bidirectional"});
  if (s.no_counts) refuse("--no-counts", {"--with-counts"});
  s.design.bidirectional = !s.one_way;
  if (!s.resume.empty()) {
    refuse("--resume", for_new_models);
    if (app.count("--save") == 0) s.file = s.resume;
  } else if (s.epochs > 0) {
    s.plan.epochs = s.epochs;
  }
  if (app.count("--seeds") > 0) refuse("--seeds", {"--save"});
}

int run(int argc, char** argv) {
  Settings settings;
  CLI::App app("Learns to tell classes of texts apart, such as positive and negative reviews.", "sentiment");
  add_options(app, settings);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) { return app.exit(error) == 0 ? 0 : 2; }
  check_options(app, settings);
  set_up(settings.threads, settings.precision);
  if (!settings.classify.empty() || settings.interactive) return use(settings);
  catch_interrupt();
  return settings.seeds > 1 ? repeat(settings) : train_and_report(settings);
}

}  // namespace

int main(int argc, char** argv) {
  return with_status("sentiment", [&] { return run(argc, argv); });
}
