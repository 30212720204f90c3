// Vanishing and exploding gradients: how much of the gradient reaches the first steps, what gates change about it, and
// what clipping saves.
#include <numeric>
#include <span>
#include <sstream>

#include <unroll/examples/vanishing_tasks.h>

using namespace vanishing;

namespace {

struct Settings {
  Common common;
  std::vector<std::string> tasks{"gradients", "adding", "clipping"};
  std::vector<std::string> cells{"rnn", "gru", "lstm"};
  Index length = 100, hidden = 64, updates = 0, seeds = 3;
  std::string picture = "vanishing";
};

const std::vector<std::string> all_tasks{"gradients", "adding", "copy", "clipping"};

/// A cell, what comes before it and what after it.
struct Model {
  AnyLayer cell;
  std::optional<Embedding> embedding;
  Linear head;

  Model(const Scope& p, const std::string& name, Index in, Index hidden, Index out)
      : cell(make_cell(name, p / "cell", in, hidden)), head(p / "head", hidden, out) {}
  Model(const Scope& p, const std::string& name, Index vocabulary, Index embed, Index hidden, Index out)
      : Model(p, name, embed, hidden, out) {
    embedding.emplace(p / "embedding", vocabulary, embed, normal(1));
  }
  Tensor last(const Tensor& xs) const { return head(cell.output(scan(cell, xs).last)); }
};

/// Gates that begin open for about as long as the task is (Tallec and Ollivier 2018): forget biases ln u and update
/// biases −ln u with u uniform on 1 … `length`.
void remember_long(Params& params, const std::string& cell, Index hidden, Index length) {
  if (cell == "rnn") return;
  const Param& b = params["cell.b"];
  Array bias = b.value().copy();
  for (Index j = 0; j < hidden; ++j) {
    const double u = std::log(params.random().uniform(1, static_cast<double>(length)));
    bias.set_flat(j, -u);                                      // of the update (input) gate
    if (cell.ends_with("lstm")) bias.set_flat(hidden + j, u);  // of the forget gate
  }
  b.set(bias);
}

void draw(const Settings& s, const Plot& plot, const std::string& name) {
  if (s.common.quiet) return;
  const std::string path = fmt::format("{}-{}.svg", s.picture, name);
  show_plot(plot, path);
  fmt::print("drawn in {}\n\n", path);
}

// ---- ‖∂L/∂a<t>‖, and agreement by distance

/// √Σ ‖∂L/∂s<t>‖² / B over the tensors s<t> of the state after each step. L is the logit of "were" minus that of "was"
/// after the last step: of a network that knows the answer, the gradient of its cross-entropy is near 0 everywhere.
std::vector<double> gradient_norms(const Model& model, const Sentences& s) {
  Tape tape;
  auto state = model.cell.zero_state(s.ids.dim(1));
  std::vector<AnyLayer::State> states;
  for (const Tensor& x : unstack((*model.embedding)(s.ids))) {
    state = map_fields(model.cell.step(x, state), [&](const Tensor& field) { return tape.watch(field); });
    states.push_back(state);
  }
  const auto [was, were] = split<2>(model.head(model.cell.output(state)));
  const Grads grads = tape.backward(sum(were - was));
  std::vector<double> norms;
  for (const auto& at : states) {
    double sum = 0;
    each_field(at, [&](const Tensor& field) {
      const Array& g = grads[field];
      for (Index i = 0; i < g.size(); ++i) sum += g.flat(i) * g.flat(i);
    });
    norms.push_back(std::sqrt(sum / static_cast<double>(s.ids.dim(1))));
  }
  return norms;
}

double agreement_accuracy(const Model& model, Index distance, Random& random) {
  const Sentences s = agreement(distance, 400, random);
  const Ids chosen = [&] {
    const Array logits = model.last((*model.embedding)(s.ids)).value();
    std::vector<Id> ids;
    for (Index b = 0; b < s.plural.size(); ++b) ids.push_back(logits.flat(2 * b + 1) > logits.flat(2 * b) ? 1 : 0);
    return Ids(std::move(ids));
  }();
  return accuracy(chosen.values(), s.plural.values());
}

/// What one seed finds: norms by steps before the end, before and after training, and right answers by distance.
struct Found {
  std::vector<double> start, after, right;
};

Found learn_agreement(const Settings& s, const std::string& cell, std::uint64_t seed, Index longest, Index updates,
                      const std::vector<Index>& distances) {
  Params params(seed, f64);  // f32 ends at 1e-45, where an RNN's gradients do not
  const Model model(params, cell, vocabulary.size(), 16, s.hidden, 2);
  params.fill(uniform(1 / std::sqrt(static_cast<double>(s.hidden))));  // all alike: only the cells differ
  if (cell == "lstm") params["cell.b"].set(parts({0, 1, 0, 0})({4 * s.hidden}, params.random()));
  Random test(seed + 1);
  const Sentences sample = agreement(longest, 64, test);
  const auto from_the_end = [&] {
    std::vector<double> norms = gradient_norms(model, sample);
    std::reverse(norms.begin(), norms.end());
    return norms;
  };
  Found found{from_the_end(), {}, {}};
  Adam adam({.rate = 3e-3});
  Progress progress(updates, s.common.quiet);
  for (Index update = 0; update < updates; ++update) {
    const Sentences batch = agreement(params.random().below(longest + 1), 32, params.random());
    Tape tape;
    const Tensor loss = cross_entropy(model.last((*model.embedding)(batch.ids)), batch.plural, Reduce::per_sequence);
    adam.step(params, clip(tape.backward(loss), 1.0));
    progress.update(update + 1, fmt::format("{}, seed {}, loss {:.3f}", cell, seed, loss.item()));
  }
  found.after = from_the_end();
  for (const Index distance : distances) found.right.push_back(agreement_accuracy(model, distance, test));
  return found;
}

void gradients(const Settings& s) {
  const Index longest = s.length / 2, updates = s.updates > 0 ? s.updates : 600;
  Random example(7);
  fmt::print("{}\n  {}\n", bold("Agreement"), sentence(agreement(6, 1, example), 0));
  fmt::print("  was or were? Up to {} words lie between; each network sees {} batches of 32; seeds: {}.\n\n", longest,
             updates, s.seeds);
  Plot norms("How the answer depends on the states before", "steps before the end", "norm for the state",
             AxisScale::logarithmic);
  Plot accuracies("Agreement", "words between", "right answers");
  std::vector<Index> distances;
  for (const Index k : std::initializer_list<Index>{0, 5, 10, 20, 35, 50}) distances.push_back(k * longest / 50);
  std::vector<std::string> head{"steps before the end"};
  for (const Index k : distances) head.push_back(fmt::format("{}", k));
  Table start(head), after(head);
  head[0] = "words between";
  Table by_distance(head);
  for (const std::string& cell : s.cells) {
    std::vector<double> logs_at_start, logs_after, right(distances.size(), 0), steps;
    for (std::uint64_t seed = s.common.seed; seed < s.common.seed + s.seeds; ++seed) {
      const Found found = learn_agreement(s, cell, seed, longest, updates, distances);
      const double share = 1 / static_cast<double>(s.seeds);
      logs_at_start.resize(found.start.size()), logs_after.resize(found.after.size());
      for (Index k = 0; k < found.start.size(); ++k) {
        logs_at_start[k] += share * std::log(std::max(found.start[k], 1e-300));
        logs_after[k] += share * std::log(std::max(found.after[k], 1e-300));
      }
      for (Index k = 0; k < right.size(); ++k) right[k] += share * found.right[k];
    }
    std::vector<std::string> at_start{cell}, at_the_end{cell}, answers{cell};
    std::vector<double> places, curve;
    for (Index k = 0; k < logs_after.size(); ++k) {
      steps.push_back(static_cast<double>(k));
      curve.push_back(std::exp(logs_after[k]));
    }
    for (Index k = 0; k < distances.size(); ++k) {
      at_start.push_back(fmt::format("{:.1e}", std::exp(logs_at_start[distances[k]])));
      at_the_end.push_back(fmt::format("{:.1e}", std::exp(logs_after[distances[k]])));
      answers.push_back(fmt::format("{:.3f}", right[k]));
      places.push_back(static_cast<double>(distances[k]));
    }
    start.row(at_start), after.row(at_the_end), by_distance.row(answers);
    norms.curve(cell, steps, curve);
    accuracies.curve(cell, places, right);
  }
  fmt::print("‖∂L/∂a<t>‖ before training, the geometric mean over the seeds\n{}\nand after it\n{}\n", start.to_string(),
             after.to_string());
  draw(s, norms, "gradients");
  fmt::print("Right answers by distance (0.5 is chance)\n{}\n", by_distance.to_string());
  draw(s, accuracies, "agreement");
}

// ---- the adding problem

double squared_error(const Model& model, const Sums& sums) {
  const Tensor error = model.last(sums.xs) - sums.answers;
  return mean(error * error).item();
}

void add(const Settings& s) {
  const Index updates = s.updates > 0 ? s.updates : 2500;
  fmt::print("{}: the sum of two marked numbers among {}\n\n", bold("Adding problem"), s.length);
  Table table({"cell", "mean squared error", "updates"});
  table.row({"always answering 1", fmt::format("{:.5f}", always_one), ""});
  Plot plot("Adding problem", "updates", "mean squared error", AxisScale::logarithmic);
  for (const std::string& cell : s.cells) {
    Params params(s.common.seed);
    const Model model(params, cell, 2, s.hidden, 1);
    Adam adam({.rate = 5e-3});
    const CosineRate rate{5e-3, 1e-4, updates, 0};
    Progress progress(updates, s.common.quiet);
    std::vector<double> at, errors;
    double average = always_one;
    Index update = 0;
    while (update < updates && average > 0.0004) {
      const Sums batch = adding(s.length, 64, params.random());
      Tape tape;
      const Tensor error = model.last(batch.xs) - batch.answers;
      const Tensor loss = mean(error * error);
      adam.step(params, clip(tape.backward(loss), 1.0), rate(update));
      average += (loss.item() - average) / 50;
      if (++update % 25 == 0) at.push_back(static_cast<double>(update)), errors.push_back(average);
      progress.update(update, fmt::format("{}, error {:.5f}", cell, average));
    }
    progress.finish();
    plot.curve(cell, at, errors);
    Random test(s.common.seed + 1);
    const double error =
        squared_error(model, s.common.data.empty() ? adding(s.length, 1000, test) : read_adding(s.common.data));
    table.row({cell, fmt::format("{:.5f}", error), format_count(update)});
  }
  fmt::print("{}\n", table.to_string());
  draw(s, plot, "adding");
}

// ---- copy memory

Tensor copy_loss(const Model& model, const Copies& c) {
  const Tensor logits = model.head(scan(model.cell, (*model.embedding)(c.ids)).outputs);
  return cross_entropy(logits, c.targets, Reduce::per_token);
}

void copy(const Settings& s) {
  const Index updates = s.updates > 0 ? s.updates : 1500;
  const double chance = copy_chance(s.length);
  fmt::print("{}: ten symbols, {} blanks, then the ten symbols\n\n", bold("Copy memory"), s.length);
  Table table({"cell", "nats per step", "share of chance"});
  table.row({"knowing when, not what", fmt::format("{:.4f}", chance), "1.00"});
  Plot plot("Copy memory", "updates", "nats per step");
  for (const std::string& cell : s.cells) {
    Params params(s.common.seed);
    const Model model(params, cell, copy_vocabulary, copy_vocabulary, 2 * s.hidden, copy_vocabulary);
    remember_long(params, cell, 2 * s.hidden, s.length + 2 * copied);
    Adam adam({.rate = 3e-3});
    Progress progress(updates, s.common.quiet);
    std::vector<double> at, losses;
    double average = chance;
    for (Index update = 0; update < updates && average > 0.02 * chance; ++update) {
      const Copies batch = copy_memory(s.length, 32, params.random());
      Tape tape;
      const Tensor loss = copy_loss(model, batch);
      adam.step(params, clip(tape.backward(loss), 1.0));
      average += (loss.item() - average) / 25;
      if (update % 25 == 0) at.push_back(static_cast<double>(update)), losses.push_back(average);
      progress.update(update + 1, fmt::format("{}, {:.4f} nats", cell, average));
    }
    progress.finish();
    plot.curve(cell, at, losses);
    Random test(s.common.seed + 1);
    const double nats = copy_loss(model, s.common.data.empty() ? copy_memory(s.length, 500, test)
                                                               : read_copies(s.common.data, s.length))
                            .item();
    table.row({cell, fmt::format("{:.4f}", nats), fmt::format("{:.2f}", nats / chance)});
  }
  fmt::print("{}\n", table.to_string());
  draw(s, plot, "copy");
}

// ---- clipping

/// A ReLU network whose gradients explode: with clipping it learns all the same.
void clipping(const Settings& s) {
  const Index steps = s.length / 2, updates = s.updates > 0 ? s.updates : 3000;
  fmt::print("{}: a ReLU network on the adding problem over {} steps, by plain gradient descent\n\n", bold("Clipping"),
             steps);
  Table table({"gradients", "largest norm", "mean squared error of the last 100 batches"});
  table.row({"(always answering 1)", "", fmt::format("{:.4f}", always_one)});
  Plot plot("Exploding gradients", "updates", "mean squared error", AxisScale::logarithmic);
  for (const auto& [name, limit] : {std::pair{"as they are", 0.0}, {"clipped to a norm of 1", 1.0}}) {
    Params params(s.common.seed);
    const Rnn cell(params / "cell", 2, s.hidden, Activation::relu);
    const Linear head(params / "head", s.hidden, 1);
    Array larger = cell.wh.value().copy();
    for (Index i = 0; i < larger.size(); ++i) larger.set_flat(i, 1.7 * larger.flat(i));
    cell.wh.set(larger);
    Sgd sgd({.rate = 1e-2});
    std::vector<double> at, errors;
    double largest = 0, last = always_one;
    for (Index update = 0; update < updates && std::isfinite(last); ++update) {
      const Sums batch = adding(steps, 64, params.random());
      Tape tape;
      const Tensor error = head(scan(cell, batch.xs).last.a) - batch.answers;
      const Tensor loss = mean(error * error);
      Grads grads = tape.backward(loss);
      if (std::isfinite(grads.norm())) largest = std::max(largest, grads.norm());
      sgd.step(params, limit > 0 ? clip(std::move(grads), limit) : std::move(grads));
      last = loss.item();
      at.push_back(static_cast<double>(update)), errors.push_back(last);
    }
    plot.curve(name, at, errors);
    const std::span tail = std::span(errors).last(std::min<Index>(100, errors.size()));
    const double average = std::accumulate(tail.begin(), tail.end(), 0.0) / static_cast<double>(tail.size());
    const std::string outcome =
        std::isfinite(last) ? fmt::format("{:.4f}", average) : fmt::format("not a number after {} updates", at.size());
    table.row({name, fmt::format("{:.1e}", largest), outcome});
  }
  fmt::print("{}\n", table.to_string());
  draw(s, plot, "clipping");
}

int run(const CLI::App& app, Settings s) {
  if (app.count("--cell") > 0) s.cells = {s.common.cell};
  require<UsageError>(
      s.common.data.empty() || (s.tasks.size() == 1 && (s.tasks[0] == "adding" || s.tasks[0] == "copy")),
      "--data is for --task adding or --task copy");
  for (const std::string& task : s.tasks) {
    if (task == "gradients") gradients(s);
    if (task == "adding") add(s);
    if (task == "copy") copy(s);
    if (task == "clipping") clipping(s);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  CLI::App app("Shows where gradients vanish and explode, and what gates and clipping do about it.", "vanishing");
  add_common(app, s.common, "Problems to test on, for --task adding or copy; without this they are generated.");
  app.add_option("--task", s.tasks, "What to show: gradients, adding, copy, clipping.")
      ->type_name("TASK")
      ->check(CLI::IsMember(all_tasks));
  add_number(app, "--length", s.length, 10, 1e5, "Steps of the adding problem, blanks of copy memory.");
  add_number(app, "--hidden", s.hidden, 1, 1e5, "Units of a cell.");
  add_number(app, "--updates", s.updates, 0, 1e7, "Training steps of each run (0: as many as the task needs).");
  add_number(app, "--seeds", s.seeds, 1, 1000, "Runs of --task gradients, from --seed on.");
  app.add_option("--picture", s.picture, "What the names of the pictures begin with.")->type_name("PATH");
  app.get_option("--cell")->description("This cell alone.")->default_str("rnn, gru and lstm");
  app.footer(
      "Examples:\n  vanishing --task gradients\n  vanishing --task copy --cell gru --length 100\n  vanishing --task "
      "adding "
      "--data problems.tsv");
  return run_program(app, argc, argv, s.common, [&] { return run(app, s); });
}
