// RNN, GRU and LSTM with the same number of parameters on the same text: speed, loss with its spread over seeds,
// memory. Each run is a process of its own, so that its memory can be told.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <unroll/examples/program.h>

using namespace program;

namespace {

struct Settings {
  Common common;
  std::vector<std::string> cells{"rnn", "gru", "lstm"};
  Index hidden = 128, embed = 32, updates = 600, lanes = 32, steps = 32, seeds = 3;
  double rate = 4e-3;
  std::string picture = "gru_vs_lstm.svg";
};

constexpr Index points = 12;  // of a curve

struct Outcome {
  double parameters = 0, tokens_per_second = 0;
  std::array<double, points> valid{};  // nats per character, after equal parts of the training
  double megabytes = 0;
};

struct Corpus {
  Vocab vocab;
  std::vector<Id> train, valid;
};
Corpus read_corpus(const std::string& path) {
  const std::string text = read_text(path);
  const std::vector<std::string> all = characters(text);
  const Index cut = all.size() * 95 / 100;
  std::string head, tail;
  for (Index i = 0; i < all.size(); ++i) (i < cut ? head : tail) += all[i];
  require<FileError>(cut > 0 && !tail.empty(), "{}: the text is too short", path);
  const Vocab vocab = Vocab::of_characters(head, {.unk = true});
  return {vocab, vocab.encode(head), vocab.encode(tail)};
}

using Model = LanguageModel<AnyLayer>;

Index parameters_of(const Settings& s, const std::string& cell, Index hidden, Index vocabulary) {
  Params params;
  const Model model(params / "lm", vocabulary, {.embed = s.embed},
                    make_cell(cell, params / "cell", s.embed, hidden, /*forget_bias=*/0));
  return params.count();
}

/// The units that come closest to so many parameters.
Index units_for(const Settings& s, const std::string& cell, Index wanted, Index vocabulary) {
  Index high = 1;  // no model much larger than wanted is made: its parameters would have to be drawn
  while (parameters_of(s, cell, high, vocabulary) < wanted) high *= 2;
  Index low = high / 2 + 1;
  while (low < high) {
    const Index middle = (low + high) / 2;
    if (parameters_of(s, cell, middle, vocabulary) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const auto distance = [&](Index hidden) {
    const auto n = static_cast<double>(parameters_of(s, cell, hidden, vocabulary));
    return std::abs(n - static_cast<double>(wanted));
  };
  return low > 1 && distance(low - 1) < distance(low) ? low - 1 : low;
}

Outcome train(const Settings& s, const Corpus& corpus, const std::string& cell, Index hidden, std::uint64_t seed) {
  Params params(seed);
  const Model model(params / "lm", corpus.vocab.size(), {.embed = s.embed},
                    make_cell(cell, params / "cell", s.embed, hidden, /*forget_bias=*/0));
  AdamW adam({.rate = s.rate, .beta2 = 0.99, .decay_matrices_only = true});
  const CosineRate rate{s.rate, 0.02 * s.rate, s.updates, std::min<Index>(50, s.updates / 2)};
  const Stream batches(corpus.train, {.lanes = s.lanes, .steps = s.steps});
  Outcome outcome{.parameters = static_cast<double>(params.count())};
  auto state = model.zero_state(s.lanes);
  double seconds = 0, tokens = 0;
  for (Index update = 0, point = 0; update < s.updates;) {
    const Batch batch = batches[update % batches.size()];
    if (batch.first) state = model.zero_state(s.lanes);
    const Stopwatch watch;
    {
      Tape tape;
      auto [logits, last] = model(batch.ids, state);
      const Tensor loss = cross_entropy(logits, batch.targets, Reduce::per_token);
      adam.step(params, clip(tape.backward(loss), 1.0), rate(update));
      state = detach(last);
    }
    seconds += watch.seconds();
    tokens += static_cast<double>(batch.ids.size());
    if (++update * points / s.updates > point) outcome.valid[point++] = model.evaluate(corpus.valid);
  }
  outcome.tokens_per_second = tokens / seconds;
  return outcome;
}

/// One run in a process of its own. Errors: it failed.
Outcome in_a_process(const Settings& s, const Corpus& corpus, const std::string& cell, Index hidden,
                     std::uint64_t seed) {
  int ends[2];
  require<Error>(pipe(ends) == 0, "no pipe: {}", std::strerror(errno));
  std::fflush(stdout);
  const pid_t child = fork();
  require<Error>(child >= 0, "no process: {}", std::strerror(errno));
  if (child == 0) {
    int status = 1;
    try {
      const Outcome outcome = train(s, corpus, cell, hidden, seed);
      status = write(ends[1], &outcome, sizeof(outcome)) == static_cast<ssize_t>(sizeof(outcome)) ? 0 : 1;
    } catch (const std::exception& error) { fmt::print(stderr, "gru_vs_lstm: {}: {}\n", cell, error.what()); }
    _exit(status);
  }
  close(ends[1]);
  Outcome outcome;
  const bool whole = read(ends[0], &outcome, sizeof(outcome)) == static_cast<ssize_t>(sizeof(outcome));
  close(ends[0]);
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  require<Error>(whole && status == 0, "the run of {} failed", cell);
  outcome.megabytes = static_cast<double>(usage.ru_maxrss) / 1024;
  return outcome;
}

int run(const CLI::App& app, Settings s) {
  if (app.count("--cell") > 0) s.cells = {s.common.cell};
  const std::string data = s.common.data.empty() ? bundled("harbour.txt") : s.common.data;
  const Corpus corpus = read_corpus(data);
  const Index wanted = parameters_of(s, "lstm", s.hidden, corpus.vocab.size());
  if (!s.common.quiet) {
    fmt::print(
        "{}\n  {} characters to learn from, {} held out; {} updates of {} × {}, {} seeds each; about {} parameters\n\n",
        bold(data), format_count(corpus.train.size()), format_count(corpus.valid.size()), s.updates, s.lanes, s.steps,
        s.seeds, format_count(wanted));
  }
  Table table({"cell", "units", "parameters", "nats per character", "± over seeds", "characters/s", "peak MB"});
  Plot plot(fmt::format("The same number of parameters, {}", format_count(wanted)), "updates",
            "held-out nats per character");
  Progress progress(s.cells.size() * s.seeds, s.common.quiet);
  Index done = 0;
  for (const std::string& cell : s.cells) {
    const Index hidden = units_for(s, cell, wanted, corpus.vocab.size());
    std::vector<double> last, speed, updates, mean(points, 0);
    double megabytes = 0, parameters = 0;
    for (std::uint64_t seed = s.common.seed; seed < s.common.seed + s.seeds; ++seed) {
      progress.update(done, cell);
      const Outcome outcome = in_a_process(s, corpus, cell, hidden, seed);
      last.push_back(outcome.valid.back());
      speed.push_back(outcome.tokens_per_second);
      megabytes = std::max(megabytes, outcome.megabytes);
      parameters = outcome.parameters;
      for (Index k = 0; k < points; ++k) mean[k] += outcome.valid[k] / static_cast<double>(s.seeds);
      progress.update(++done, cell);
    }
    for (Index k = 0; k < points; ++k) updates.push_back(static_cast<double>((k + 1) * s.updates / points));
    plot.curve(fmt::format("{}, {} units", cell, hidden), updates, mean);
    double average = 0, spread = 0;
    for (const double x : last) average += x / static_cast<double>(last.size());
    for (const double x : last) spread += (x - average) * (x - average);
    spread = last.size() > 1 ? std::sqrt(spread / static_cast<double>(last.size() - 1)) : 0;
    std::sort(speed.begin(), speed.end());
    table.row({cell, fmt::format("{}", hidden), format_count(static_cast<Index>(parameters)),
               fmt::format("{:.4f}", average), fmt::format("{:.4f}", spread),
               format_count(static_cast<Index>(speed[speed.size() / 2])), fmt::format("{:.0f}", megabytes)});
  }
  progress.finish();
  const double bigram = NgramModel::fit(corpus.train, corpus.vocab.size(), 2).nats_per_token(corpus.valid);
  const double fivegram = NgramModel::fit(corpus.train, corpus.vocab.size(), 5).nats_per_token(corpus.valid);
  fmt::print("{}beside them: bigram {:.4f}, Kneser–Ney 5-gram {:.4f} nats per character\n", table.to_string(), bigram,
             fivegram);
  if (s.common.quiet) return 0;
  show_plot(plot, s.picture);
  fmt::print("drawn in {}\n", s.picture);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  CLI::App app("Compares cells at the same number of parameters.", "gru_vs_lstm");
  add_common(app, s.common, "A text, whose last 5 % are held out. Without this, a small one of this project.");
  app.get_option("--cell")->description("This cell alone.")->default_str("rnn, gru and lstm");
  add_number(app, "--hidden", s.hidden, 1, 1e4, "Units of the LSTM; the others get as many as its parameters allow.");
  add_number(app, "--embed", s.embed, 1, 1e4, "Numbers that stand for a character.");
  add_number(app, "--updates", s.updates, points, 1e7, "Training steps.");
  add_number(app, "--lanes", s.lanes, 1, 1e4, "Parts of the text that are read side by side.");
  add_number(app, "--steps", s.steps, 1, 1e4, "Characters of each in one update.");
  add_number(app, "--seeds", s.seeds, 1, 100, "Runs of each cell.");
  add_number(app, "--rate", s.rate, 1e-9, 10, "AdamW's highest rate; it falls along a cosine to 2 %.");
  add_file(app, "--picture", s.picture, "Where to draw the losses (SVG).");
  app.footer("Example:\n  gru_vs_lstm --data book.txt --hidden 256 --updates 2000");
  return run_program(app, argc, argv, s.common, [&] { return run(app, s); });
}
