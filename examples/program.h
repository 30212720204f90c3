// What the programs share: options that all have, exit codes, interruption, cells by their names.
#pragma once

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <unroll/unroll.h>

namespace program {

using namespace unroll;

// ---- cells

using MakeCell = AnyLayer (*)(const Scope&, Index in, Index hidden, double forget_bias);

template <class C>
AnyLayer make(const Scope& p, Index in, Index hidden, [[maybe_unused]] double forget_bias) {
  if constexpr (std::same_as<C, Lstm>) {
    return Lstm(p, in, hidden, {.forget_bias = forget_bias});
  } else {
    return C(p, in, hidden);
  }
}

inline const std::map<std::string, MakeCell> cells{{"rnn", make<Rnn>},
                                                   {"simple-gru", make<SimpleGru>},
                                                   {"gru", make<Gru>},
                                                   {"lstm", make<Lstm>},
                                                   {"peephole-lstm", make<PeepholeLstm>}};

/// The LSTM's forget bias is 1 where nothing is said. A language model that carries its state does better with 0: with
/// 1, what starts from the zero state is much worse at first.
/// Errors: FileError if there is no cell of that name (a saved model may say anything).
inline AnyLayer make_cell(const std::string& name, const Scope& p, Index in, Index hidden, double forget_bias = 1) {
  const auto found = cells.find(name);
  require<FileError>(found != cells.end(), "there is no cell '{}'", name);
  return found->second(p, in, hidden, forget_bias);
}

/// Such a cell from each end of the sequence, `hidden` units in each direction.
inline AnyLayer make_bidirectional(const std::string& name, const Scope& p, Index in, Index hidden) {
  return Bidirectional<AnyLayer>(make_cell(name, p / "forward", in, hidden),
                                 make_cell(name, p / "backward", in, hidden));
}

// ---- the command line

struct Common {
  std::string data;  ///< empty: the program's own default
  std::string file;  ///< of the model, to be saved or used
  std::string cell = "lstm";
  std::uint64_t seed = 1;
  Index threads = std::clamp<Index>(std::thread::hardware_concurrency(), 1, 2);
  bool quiet = false;
};

inline CLI::Validator in_range(double low, double high) {
  return {[=](const std::string& text) {
            double x = 0;
            const bool good = CLI::detail::lexical_cast(text, x) && low <= x && x <= high;
            return good ? "" : fmt::format("{} is no number from {} to {}", text, low, high);
          },
          ""};
}

/// An option that takes a number from `low` to `high`.
template <class T>
CLI::Option* add_number(CLI::App& app, const std::string& name, T& value, double low, double high,
                        const std::string& help) {
  return app.add_option(name, value, help)->type_name(std::is_integral_v<T> ? "N" : "X")->check(in_range(low, high));
}

inline CLI::Option* add_file(CLI::App& app, const std::string& name, std::string& value, const std::string& help) {
  return app.add_option(name, value, help)->type_name("FILE");
}

/// --data, --cell, --seed, --threads and --quiet. What `data` is, is for the program to say.
inline void add_common(CLI::App& app, Common& c, const std::string& data) {
  app.option_defaults()->always_capture_default();
  if (!data.empty()) app.add_option("--data", c.data, data)->type_name("PATH");
  std::vector<std::string> names;
  for (const auto& [name, make] : cells) names.push_back(name);
  app.add_option("--cell", c.cell, "The recurrent cell.")->type_name("CELL")->check(CLI::IsMember(names));
  add_number(app, "--seed", c.seed, 0, 0x1p53,
             "Decides the start, the order and the draws: the same seed, the same run.");
  add_number(app, "--threads", c.threads, 1, 1024, "Threads to compute with.");
  app.add_flag("--quiet", c.quiet, "Print the result alone.");
}

/// --save, which is --model where the model is used: by the options that `uses` names.
inline void add_model_file(CLI::App& app, Common& c, const std::string& file, const std::string& uses) {
  c.file = file;
  add_file(app, "--save,--model", c.file, "The model's file: training writes it; " + uses + " read it.");
}

/// An option that takes one text, and may be given several times.
inline CLI::Option* add_texts(CLI::App& app, const std::string& name, std::vector<std::string>& texts,
                              const std::string& type, const std::string& help) {
  return app.add_option(name, texts, help + "; may be given several times.")
      ->type_name(type)
      ->default_str("")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

/// Errors: UsageError if one of these options was given, which have no meaning with `mode`.
inline void refuse(const CLI::App& app, const std::string& mode, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    require<UsageError>(app.count(name) == 0, "{} has no meaning with {}", name, mode);
  }
}

// ---- files

/// A small text of this project: examples/data/<name>.
inline std::string bundled(const std::string& name) { return std::string(UNROLL_EXAMPLE_DATA) + "/" + name; }

/// Errors: nothing can be saved at `path`, or what would be lost is no model. Better told before training than after.
inline void check_writable(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  require<FileError>(std::filesystem::is_directory(folder), "{}: there is no folder {}", path.string(),
                     folder.string());
  require<FileError>(access(folder.c_str(), W_OK) == 0, "{}: nothing may be written to the folder {}", path.string(),
                     folder.string());
  if (!std::filesystem::exists(path)) return;
  try {
    load(path);
  } catch (const FileError&) {
    throw FileError(fmt::format("{}: exists and is no saved model; it stays as it is", path.string()));
  }
}

/// The model that `program` saved at `path`. Errors: FileError if there is none, or another program saved it.
inline Checkpoint load_model(const std::string& path, const std::string& program) {
  require<FileError>(std::filesystem::exists(path),
                     "{}: there is no such model; train one first, or name one with --model", path);
  Checkpoint file = load(path);
  const auto by = file.metadata.find("program");
  require<FileError>(by != file.metadata.end() && by->second == program, "{}: this is no model that {} saved", path,
                     program);
  return file;
}

/// The picture that goes with a model's file: the same name with .svg.
inline std::string picture_of(const std::string& file) {
  return std::filesystem::path(file).replace_extension(".svg").string();
}

/// Draws a plot into a file, and on a terminal as well.
inline void show_plot(const Plot& plot, const std::string& svg) {
  plot.save_svg(svg);
  if (is_terminal(stdout)) fmt::print("\n{}", plot.to_terminal(std::min<Index>(terminal_width(stdout), 90), 14));
}

// ---- running

constexpr int status_of_interrupt = 130;
inline volatile std::sig_atomic_t interrupted = 0;

/// From now on Ctrl-C sets `interrupted`, so that a loop can end and save; the second one ends the program at once.
inline void catch_interrupt() {
  std::signal(SIGINT, [](int) {
    interrupted = 1;
    std::signal(SIGINT, SIG_DFL);
  });
}

/// What f returns, or the exit status of what it throws, with one line on stderr: 2 for a command line or a file that
/// makes no sense, 1 for what fails otherwise.
template <class F>
int with_status(const std::string& program, F f) {
  try {
    return f();
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}: {}\n", program, error.what());
    return 2;
  } catch (const UsageError& error) {
    fmt::print(stderr, "{}: {}\n", program, error.what());
    return 2;
  } catch (const FileError& error) {
    fmt::print(stderr, "{}: {}\n", program, error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", program, error.what());
    return 1;
  }
}

/// Parses the command line, sets the threads and calls `run()`; the status of its end.
template <class F>
int run_program(CLI::App& app, int argc, char** argv, const Common& common, F run) {
  return with_status(app.get_name(), [&] {
    try {
      app.parse(argc, argv);
    } catch (const CLI::Success& help) { return app.exit(help); }
    set_threads(common.threads);
    return run();
  });
}

}  // namespace program
