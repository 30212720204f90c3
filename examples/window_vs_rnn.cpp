// Why not a standard network? A network over a fixed window learns a feature at the one position where it has seen it;
// a recurrent one knows it everywhere, in texts of any length, with the same parameters.
//
// The texts are T letters; the question is whether an a stands right before a b. In training such pairs stand at one
// position only.
#include <unroll/examples/program.h>

using namespace program;

namespace {

constexpr Index letters = 8, hidden = 32, embed = 16;

struct Settings {
  Common common;
  Index steps = 12, updates = 600, position = 5;
  std::string picture = "window_vs_rnn.svg";
};

struct Texts {
  Ids ids;  // [T, B]
  Array answers;
};

/// Half of the texts have the pair, at `position`; the others have none.
Texts texts(Index steps, Index batch, Index position, Random& random) {
  constexpr Id a = 0, b = 1;
  Texts t{Ids::filled(steps, batch, 0), Array::zeros({batch, 1}, f32)};
  for (Index n = 0; n < batch; ++n) {
    const bool pair = n % 2 == 0;
    const auto here = [&](Index s) { return pair && (s == position || s == position + 1); };
    for (Index s = 0; s < steps; ++s) t.ids(s, n) = static_cast<Id>(random.below(letters));
    if (pair) t.ids(position, n) = a, t.ids(position + 1, n) = b, t.answers.set_flat(n, 1);
    for (Index s = 0; s + 1 < steps; ++s) {  // no pair elsewhere
      if (t.ids(s, n) == a && t.ids(s + 1, n) == b && !(pair && s == position)) {
        const Index change = here(s) ? s + 1 : s;
        t.ids(change, n) = static_cast<Id>(2 + random.below(letters - 2));
      }
    }
  }
  return t;
}

/// A standard network over all letters at once: one-hot vectors of T · 8 numbers, a hidden layer, one logit.
struct Window {
  Embedding input;  // its rows are the first matrix's: one for each letter at each position
  Param b;
  Linear head;

  Window(const Scope& p, Index steps)
      : input(p / "input", steps * letters, hidden, uniform(0.1)),
        b(p("b", {hidden}, zero)),
        head(p / "head", hidden, 1) {}

  Tensor operator()(const Ids& ids) const {
    Ids placed = ids;
    for (Index i = 0; i < ids.size(); ++i) placed[i] = ids[i] + static_cast<Id>(i / ids.dim(1) * letters);
    return head(tanh(sum(input(placed), {0}) + b));
  }
};

/// The recurrent network: its outputs' maximum over time, one logit. In training it starts from random states, so that
/// it cannot count the letters and learn the position by heart.
struct Recurrent {
  Embedding embedding;
  AnyLayer cell;
  Linear head;
  Random* random;

  Recurrent(const Scope& p, const std::string& name)
      : embedding(p / "embedding", letters, embed, normal(1)),
        cell(make_cell(name, p / "cell", embed, hidden)),
        head(p / "head", hidden, 1),
        random(&p.random()) {}

  Tensor operator()(const Ids& ids) const {
    auto start = cell.zero_state(ids.dim(1));
    if (Tape::current() != nullptr) {
      start = map_fields(start, [&](const Tensor& x) { return Tensor(normal(1)(x.shape(), *random).to(x.dtype())); });
    }
    return head(max(scan(cell, embedding(ids), start).outputs, {0}));
  }
};

template <class Model>
double accuracy_at(const Model& model, Index steps, Index position, Random& random) {
  const Texts t = texts(steps, 1000, position, random);
  const Array logits = model(t.ids).value();
  double right = 0;
  for (Index n = 0; n < logits.size(); ++n) right += (logits.flat(n) > 0) == (t.answers.flat(n) > 0.5) ? 1 : 0;
  return right / static_cast<double>(logits.size());
}

template <class Model>
void train(const Settings& s, const Model& model, Params& params, const char* what) {
  Adam adam({.rate = 1e-2});
  Progress progress(s.updates, s.common.quiet);
  for (Index update = 0; update < s.updates; ++update) {
    const Texts t = texts(s.steps, 64, s.position, params.random());
    Tape tape;
    const Tensor loss = bce_with_logits(model(t.ids), t.answers, Reduce::per_sequence);
    adam.step(params, clip(tape.backward(loss), 1.0));
    progress.update(update + 1, fmt::format("{}, loss {:.3f}", what, loss.item()));
  }
}

int run(const Settings& s) {
  require<UsageError>(s.position + 1 < s.steps, "--position {}: the pair ends beyond the {} letters of a text",
                      s.position, s.steps);
  Params window_params(s.common.seed), params(s.common.seed);
  const Window window(window_params, s.steps);
  const Recurrent recurrent(params, s.common.cell);
  train(s, window, window_params, "window");
  train(s, recurrent, params, s.common.cell.c_str());

  Random random(s.common.seed + 1);
  std::vector<double> positions, of_window, of_recurrent;
  Table table({"position of the pair", "standard network", s.common.cell});
  for (Index p = 0; p + 1 < s.steps; ++p) {
    positions.push_back(static_cast<double>(p));
    of_window.push_back(accuracy_at(window, s.steps, p, random));
    of_recurrent.push_back(accuracy_at(recurrent, s.steps, p, random));
    table.row({fmt::format("{}{}", p, p == s.position ? ", as in training" : ""),
               fmt::format("{:.3f}", of_window.back()), fmt::format("{:.3f}", of_recurrent.back())});
  }
  fmt::print("Right answers of 1,000 (0.5 is chance)\n{}\n", table.to_string());
  double longer = 0;
  for (const Index p : {s.steps, 3 * s.steps / 2, 2 * s.steps - 2})
    longer += accuracy_at(recurrent, 2 * s.steps, p, random) / 3;
  Table sizes({"letters in a text", "parameters, standard", s.common.cell});
  for (const Index factor : std::initializer_list<Index>{1, 2, 4}) {
    Params of_window_now;
    const Window larger(of_window_now, factor * s.steps);
    sizes.row({format_count(factor * s.steps), format_count(of_window_now.count()), format_count(params.count())});
  }
  fmt::print("{}\n", sizes.to_string());
  double elsewhere = 0, anywhere = 0;
  for (Index p = 0; p < positions.size(); ++p) {
    if (p != s.position) elsewhere += of_window[p] / static_cast<double>(positions.size() - 1);
    anywhere += of_recurrent[p] / static_cast<double>(positions.size());
  }
  if (!s.common.quiet) {
    Plot plot("Where the pair stands", "position", "right answers");
    show_plot(plot.curve("standard network", positions, of_window).curve(s.common.cell, positions, of_recurrent),
              s.picture);
  }
  fmt::print(
      "elsewhere than in training: standard network {:.3f}; {} at any position {:.3f}, in texts twice as long {:.3f}\n",
      elsewhere, s.common.cell, anywhere, longer);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  s.common.cell = "gru";
  CLI::App app("Shows what a recurrent network has over a network with a fixed window.", "window_vs_rnn");
  add_common(app, s.common, "");
  add_number(app, "--steps", s.steps, 4, 1000, "Letters in a text.");
  add_number(app, "--position", s.position, 0, 998, "Where the pair stands in training.");
  add_number(app, "--updates", s.updates, 1, 1e6, "Training steps.");
  add_file(app, "--picture", s.picture, "Where to draw the accuracy at each position (SVG).");
  app.footer("Example:\n  window_vs_rnn --cell gru --steps 20 --position 10");
  return run_program(app, argc, argv, s.common, [&] { return run(s); });
}
