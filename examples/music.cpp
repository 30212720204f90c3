// One-to-many: a network that learns tunes note by note, or pieces frame by frame, and then writes one of its own, as
// ABC notation and as a MIDI file.
#include <unroll/examples/music_data.h>

using namespace music;

namespace {

struct Settings {
  Common common;
  std::string valid, tune = "tune";
  Index embed = 32, hidden = 0, epochs = 0, batch = 8, length = 0;
  double rate = 0, dropout = 0.5, temperature = 0.8;
  bool sample = false;
};

struct Point {
  double epoch, train, valid;
};

void draw(const Settings& s, const std::vector<Point>& curve, const char* what) {
  std::vector<double> epochs, train, valid;
  for (const Point& p : curve) epochs.push_back(p.epoch), train.push_back(p.train), valid.push_back(p.valid);
  Plot plot("Music", "epoch", what);
  show_plot(plot.curve("training", epochs, train).curve("held out", epochs, valid), picture_of(s.common.file));
}

// ---- tunes, note by note

struct Notes {
  std::string cell;
  Index embed, hidden;
  Vocab vocab;
  Params params;
  LanguageModel<AnyLayer> network;

  Notes(std::string name, Index embed, Index hidden, double dropout, Vocab words, std::uint64_t seed)
      : cell(std::move(name)),
        embed(embed),
        hidden(hidden),
        vocab(std::move(words)),
        params(seed),
        network(params / "notes", vocab.size(), {.embed = embed, .dropout = dropout},
                make_cell(cell, params / "cell", embed, hidden)) {}
  explicit Notes(const Checkpoint& file)
      : Notes(get_text(file, "cell"), get_number<Index>(file, "embed"), get_number<Index>(file, "hidden"), 0,
              Vocab::from_tokens(Vocab::Kind::words, get_strings(file, "notes")), 0) {
    restore_params(file, params);
  }
  void save(const std::string& path) const {
    Checkpoint file;
    file.metadata = {{"program", "music"}, {"kind", "notes"}, {"cell", cell}};
    put_number(file, "embed", embed);
    put_number(file, "hidden", hidden);
    put_strings(file, "notes", vocab.tokens());
    put_params(file, params);
    unroll::save(path, file);
  }
  Id stop() const { return *vocab.eos(); }
};

std::vector<std::vector<Id>> ids_of(const Vocab& vocab, const std::vector<Tune>& tunes) {
  std::vector<std::vector<Id>> all;
  for (const Tune& tune : tunes) all.push_back(vocab.encode(tokens_of(tune)));
  return all;
}

/// −ln p of the notes of a batch, the end of each tune being one.
Tensor notes_loss(const Notes& model, const Batch& batch, Reduce reduce) {
  const Batch next = next_tokens(unpad(batch), std::vector<Id>(batch.rows.size(), model.stop()), model.stop());
  const auto output = model.network(next.ids, model.network.zero_state(batch.rows.size()));
  return cross_entropy(output.logits, next.targets, reduce, next.lengths);
}

double nats_per_note(const Notes& model, const std::vector<std::vector<Id>>& tunes) {
  double nats = 0, notes = 0;
  for (const Batch& batch : by_length(tunes, {.batch = 16})) {
    nats += notes_loss(model, batch, Reduce::sum).item();
    for (const Index length : batch.lengths) notes += static_cast<double>(length + 1);
  }
  return nats / notes;
}

void write_tune(const Settings& s, const Notes& model) {
  Random random(s.common.seed);
  SamplingOptions sampling{.temperature = s.temperature, .banned = {*model.vocab.unk()}};
  Tune tune;
  for (int tries = 0; tries < 20 && tune.notes.size() < 16; ++tries) {  // a tune of three notes is none
    std::vector<std::string> tokens;
    for (const Id id :
         model.network.generate({model.stop()}, s.length > 0 ? s.length : 80, sampling, random, model.stop())) {
      tokens.push_back(model.vocab.token(id));
    }
    tune = tune_of(tokens, fmt::format("Tune {}", s.common.seed));
  }
  const std::string abc = to_abc(tune);
  write_atomically(s.tune + ".abc", {abc});
  write_atomically(s.tune + ".mid", {to_midi(tune.notes)});
  fmt::print("{}\n{} and {}.mid, which any player opens\n", abc, s.tune + ".abc", s.tune);
}

int train_notes(const Settings& s, const std::string& data) {
  std::vector<Tune> all = read_abc(data), train, test;
  for (Tune& tune : all) {
    (hash_bucket(fmt::format("{}", fmt::join(tokens_of(tune), " "))) < 2 ? test : train).push_back(std::move(tune));
  }
  if (!s.valid.empty()) {
    for (Tune& tune : test) train.push_back(std::move(tune));
    test = read_abc(s.valid);
  }
  require<FileError>(train.size() > 1 && !test.empty(), "{}: there are too few tunes: {}", data, all.size());
  std::vector<std::string> tokens;
  for (const Tune& tune : train) {
    const auto some = tokens_of(tune);
    tokens.insert(tokens.end(), some.begin(), some.end());
  }
  Notes model(s.common.cell, s.embed, s.hidden > 0 ? s.hidden : 48, s.dropout,
              Vocab::of_words(tokens, {.unk = true, .eos = true}), s.common.seed);
  const auto train_ids = ids_of(model.vocab, train), test_ids = ids_of(model.vocab, test);
  if (!s.common.quiet) {
    fmt::print("{}\n  {} tunes to learn from, {} held out; {} different notes; {} parameters\n\n", bold(data),
               train.size(), test.size(), model.vocab.size(), format_count(model.params.count()));
  }
  const Index each = (train.size() + s.batch - 1) / s.batch;
  const Index epochs = s.epochs > 0 ? s.epochs : std::clamp<Index>(400 / each, 10, 100);
  const double highest = s.rate > 0 ? s.rate : 4e-3;
  AdamW adam({.rate = highest, .weight_decay = 0.05, .decay_matrices_only = true});
  const CosineRate rate{highest, 0.02 * highest, epochs * each, std::min<Index>(20, epochs * each / 2)};
  Progress progress(epochs * each, s.common.quiet);
  std::vector<Point> curve;
  for (Index epoch = 0, step = 0; epoch < epochs && interrupted == 0; ++epoch) {
    double loss = 0, batches = 0;
    for (const Batch& batch : by_length(train_ids, {.batch = s.batch, .seed = s.common.seed + epoch})) {
      Tape tape;
      const Tensor nats = notes_loss(model, batch, Reduce::per_token);
      adam.step(model.params, clip(tape.backward(nats), 1.0), rate(step++));
      loss += nats.item(), batches += 1;
    }
    curve.push_back({static_cast<double>(epoch + 1), loss / batches, nats_per_note(model, test_ids)});
    progress.update(step, fmt::format("epoch {}, held out {:.3f} nats a note", epoch + 1, curve.back().valid));
  }
  progress.finish();
  model.save(s.common.file);
  if (interrupted != 0) return status_of_interrupt;
  Table table({fmt::format("{} held-out notes", format_count(joined(test_ids, 0).size())), "nats per note"});
  const auto stream = joined(train_ids, model.stop()), held_out = joined(test_ids, model.stop());
  for (const Index order : {1u, 2u}) {
    table.row({order == 1 ? "notes by their counts" : "note bigram, Kneser–Ney",
               fmt::format("{:.4f}", NgramModel::fit(stream, model.vocab.size(), order).nats_per_token(held_out))});
  }
  table.row({bold(model.cell), fmt::format("{:.4f}", curve.back().valid)});
  fmt::print("{}\n", table.to_string());
  if (s.common.quiet) return 0;
  draw(s, curve, "nats per note");
  write_tune(s, model);
  return 0;
}

// ---- pieces, frame by frame

/// p(key k sounds in frame t | frames before) = σ(w h<t> + b)ₖ: 88 independent keys.
struct FrameModel {
  std::string cell;
  Index hidden;
  Params params;
  AnyLayer layer;
  Dropout dropout;
  Linear head;

  FrameModel(std::string name, Index hidden, double dropout, std::uint64_t seed)
      : cell(std::move(name)),
        hidden(hidden),
        params(seed),
        layer(make_cell(cell, params / "cell", keys, hidden)),
        dropout(params, dropout),
        head(params / "head", hidden, keys) {}
  explicit FrameModel(const Checkpoint& file)
      : FrameModel(get_text(file, "cell"), get_number<Index>(file, "hidden"), 0, 0) {
    restore_params(file, params);
  }
  void save(const std::string& path) const {
    Checkpoint file;
    file.metadata = {{"program", "music"}, {"kind", "frames"}, {"cell", cell}};
    put_number(file, "hidden", hidden);
    put_params(file, params);
    unroll::save(path, file);
  }
  /// Σ −ln p of the frames of a batch.
  Tensor loss(const FrameBatch& batch) const {
    const Tensor h = dropout(scan(layer, batch.now, {.lengths = batch.lengths}).outputs);
    return bce_with_logits(head(h), batch.next, Reduce::sum, batch.lengths);
  }
};

double nats_per_frame(const FrameModel& model, const std::vector<Frames>& pieces) {
  double nats = 0, frames = 0;
  Random random(1);
  for (const FrameBatch& batch : batches_of(pieces, 16, random)) {
    nats += model.loss(batch).item();
    frames += static_cast<double>(batch.frames);
  }
  return nats / frames;
}

void write_frames(const Settings& s, const FrameModel& model) {
  Random random(s.common.seed);
  auto state = model.layer.zero_state(1);
  Tensor x = Tensor::zeros({1, keys});
  std::vector<Chord> chords;
  for (Index t = 0; t < (s.length > 0 ? s.length : 120); ++t) {
    state = model.layer.step(x, state);
    const Array p = sigmoid(model.head(model.layer.output(state)) / std::max(0.01, s.temperature)).value();
    Array frame = Array::zeros({1, keys}, f32);
    auto& chord = chords.emplace_back(Chord{{}, whole_note / 8});
    for (Index k = 0; k < keys; ++k) {
      if (random.uniform() >= p.flat(k)) continue;
      frame.set_flat(k, 1);
      chord.pitches.push_back(lowest_key + static_cast<int>(k));
    }
    x = frame;
  }
  write_atomically(s.tune + ".mid", {to_midi(chords)});
  fmt::print("\na piece of {} frames is in {}.mid\n", chords.size(), s.tune);
}

int train_frames(const Settings& s, const std::string& data) {
  std::vector<Frames> train = read_frames(data), test;
  if (!s.valid.empty()) {
    test = read_frames(s.valid);
  } else {
    require<FileError>(train.size() >= 10, "{}: {} pieces are too few to hold a tenth of them out", data, train.size());
    test.assign(train.end() - static_cast<std::ptrdiff_t>(train.size() / 10), train.end());
    train.resize(train.size() - train.size() / 10);
  }
  FrameModel model(s.common.cell, s.hidden > 0 ? s.hidden : 256, s.dropout, s.common.seed);
  if (!s.common.quiet)
    fmt::print("{}\n  {} pieces to learn from, {} held out; {} parameters\n\n", bold(data), train.size(), test.size(),
               format_count(model.params.count()));
  const Index each = (train.size() + s.batch - 1) / s.batch;
  const Index epochs = s.epochs > 0 ? s.epochs : std::clamp<Index>(2500 / each, 10, 60);
  const double highest = s.rate > 0 ? s.rate : 3e-3;
  AdamW adam({.rate = highest, .weight_decay = 0.01, .decay_matrices_only = true});
  const CosineRate rate{highest, 0.02 * highest, epochs * each, std::min<Index>(100, epochs * each / 2)};
  Progress progress(epochs * each, s.common.quiet);
  std::vector<Point> curve;
  for (Index epoch = 0, step = 0; epoch < epochs && interrupted == 0; ++epoch) {
    double nats = 0, frames = 0;
    for (const FrameBatch& batch : batches_of(train, s.batch, model.params.random())) {
      Tape tape;
      const Tensor loss = model.loss(batch) / static_cast<double>(batch.frames);
      adam.step(model.params, clip(tape.backward(loss), 1.0), rate(step++));
      nats += loss.item() * static_cast<double>(batch.frames), frames += static_cast<double>(batch.frames);
      progress.update(step, fmt::format("epoch {}, {:.3f} nats a frame", epoch + 1, nats / frames));
    }
    curve.push_back({static_cast<double>(epoch + 1), nats / frames, nats_per_frame(model, test)});
    model.save(s.common.file);
    progress.clear();
    if (!s.common.quiet)
      fmt::print(stderr, "epoch {:2}  training {:.3f}  held out {:.3f} nats a frame\n", epoch + 1, curve.back().train,
                 curve.back().valid);
  }
  progress.finish();
  if (interrupted != 0) return status_of_interrupt;
  Table table({"held-out pieces", "nats per frame"});
  table.row({"each key by its count", fmt::format("{:.3f}", nats_of_keys(train, test, false))});
  table.row({"each key after itself", fmt::format("{:.3f}", nats_of_keys(train, test, true))});
  table.row({bold(model.cell), fmt::format("{:.3f}", curve.back().valid)});
  fmt::print("{}\n", table.to_string());
  if (s.common.quiet) return 0;
  draw(s, curve, "nats per frame");
  write_frames(s, model);
  return 0;
}

int run(const CLI::App& app, const Settings& s) {
  if (s.sample) {
    refuse(app, "--sample",
           {"--data", "--valid", "--cell", "--embed", "--hidden", "--epochs", "--batch", "--rate", "--dropout"});
    const Checkpoint file = load_model(s.common.file, "music");
    if (get_text(file, "kind") == "notes") {
      write_tune(s, Notes(file));
    } else {
      write_frames(s, FrameModel(file));
    }
    return 0;
  }
  catch_interrupt();
  check_writable(s.common.file);
  const std::string data = s.common.data.empty() ? bundled("tunes.abc") : s.common.data;
  return has_frames(data) ? train_frames(s, data) : train_notes(s, data);
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  CLI::App app("Learns tunes, and writes one.", "music");
  add_common(app, s.common,
             "Tunes in ABC notation, or frames: lines of MIDI pitches, and an empty line after each piece. Without "
             "this, traditional tunes.");
  add_file(app, "--valid", s.valid, "Music of the same kind to measure on, instead of a part of --data.");
  add_model_file(app, s.common, "music.safetensors", "--sample");
  app.add_flag("--sample", s.sample, "Write a tune with a saved model; another --seed is another tune.");
  app.add_option("--tune", s.tune, "What the files of the tune are called, without .abc and .mid.")->type_name("PATH");
  add_number(app, "--length", s.length, 0, 1e6,
             "Notes (0: to the tune's end, 80 at most) or frames (0: 120) to write.");
  add_number(app, "--temperature", s.temperature, 0, 1e6, "Below 1 tunes are more probable, above 1 less.");
  add_number(app, "--embed", s.embed, 1, 1e5, "Numbers that stand for a note.");
  add_number(app, "--hidden", s.hidden, 0, 1e5, "Units of the cell (0: 48 for tunes, 256 for frames).");
  add_number(app, "--epochs", s.epochs, 0, 1e5, "Passes over the music (0: as many as are good).");
  add_number(app, "--batch", s.batch, 1, 1e5, "Tunes in a step.");
  add_number(app, "--rate", s.rate, 0, 10, "AdamW's highest rate (0: 4e-3 for tunes, 3e-3 for frames).");
  add_number(app, "--dropout", s.dropout, 0, 0.99, "Of the outputs before the last product.");
  app.footer(
      "Examples:\n  music                                        traditional tunes, and a new one\n  music --sample "
      "--seed 7 --tune another\n  music --data chorales.train.txt --valid chorales.valid.txt --save "
      "chorales.safetensors");
  return run_program(app, argc, argv, s.common, [&] { return run(app, s); });
}
