// Many-to-many of equal lengths: a part of speech for each word, by a bidirectional network over words and their
// letters, beside the tag that each word has most often.
#include <unroll/examples/tagger_data.h>

using namespace tagger;

namespace {

struct Settings {
  Common common;
  std::string test;
  Index hidden = 128, word_embed = 100, letter_embed = 32, letter_hidden = 48, epochs = 3, batch = 32, min_count = 2;
  double rate = 3e-3, dropout = 0.4, word_dropout = 0.25;
  std::vector<std::string> tag;
};

struct Model {
  std::string cell;
  Index hidden;
  TaggerOptions options;
  Vocabularies v;
  Params params;
  std::optional<Tagger> network;

  Model(std::string cell, Index hidden, const TaggerOptions& options, Vocabularies vocabularies, std::uint64_t seed)
      : cell(std::move(cell)), hidden(hidden), options(options), v(std::move(vocabularies)), params(seed) {
    network.emplace(params, v.words.size(), v.letters.size(),
                    make_bidirectional(this->cell, Scope(params) / "encoder", Tagger::features(options), hidden),
                    v.tags.size(), options);
  }
  explicit Model(const Checkpoint& file)
      : Model(get_text(file, "cell"), get_number<Index>(file, "hidden"),
              {.word_embed = get_number<Index>(file, "word embed"),
               .letter_embed = get_number<Index>(file, "letter embed"),
               .letter_hidden = get_number<Index>(file, "letter hidden")},
              {Vocab::from_tokens(Vocab::Kind::words, get_strings(file, "words")),
               Vocab::from_tokens(Vocab::Kind::characters, get_strings(file, "letters")),
               Vocab::from_tokens(Vocab::Kind::words, get_strings(file, "tags"))},
              0) {
    restore_params(file, params);
  }
  void save(const std::string& path) const {
    Checkpoint file;
    file.metadata = {{"program", "tagger"}, {"cell", cell}};
    put_number(file, "hidden", hidden);
    put_number(file, "word embed", options.word_embed);
    put_number(file, "letter embed", options.letter_embed);
    put_number(file, "letter hidden", options.letter_hidden);
    put_strings(file, "words", v.words.tokens());
    put_strings(file, "letters", v.letters.tokens());
    put_strings(file, "tags", v.tags.tokens());
    put_params(file, params);
    unroll::save(path, file);
  }
  /// The most probable tag of every word.
  std::vector<std::vector<Id>> tags(const Encoded& sentences) const {
    std::vector<std::vector<Id>> all(sentences.words.size());
    for (const Batch& b : by_length(sentences.words, {.batch = 64})) {
      const SpelledWords batch = batch_of(v, sentences, b.rows, [](Id word) { return word; });
      const Ids best = argmax((*network)(batch), -1);
      for (Index k = 0; k < b.rows.size(); ++k) {
        for (Index t = 0; t < batch.lengths[k]; ++t) all[b.rows[k]].push_back(best(t, k));
      }
    }
    return all;
  }
};

struct Accuracy {
  double all = 0, unknown = 0;  // unknown: words that the vocabulary does not have
};
Accuracy accuracy_of(const std::vector<std::vector<Id>>& chosen, const Encoded& test, Id unk) {
  double right = 0, n = 0, right_unknown = 0, n_unknown = 0;
  for (Index i = 0; i < chosen.size(); ++i) {
    for (Index t = 0; t < chosen[i].size(); ++t) {
      const double hit = chosen[i][t] == test.tags[i][t] ? 1 : 0;
      right += hit, n += 1;
      if (test.words[i][t] == unk) right_unknown += hit, n_unknown += 1;
    }
  }
  return {right / n, right_unknown / n_unknown};
}

struct Corpus {
  std::vector<Sentence> train, test;
};
Corpus read_corpus(const Settings& s) {
  Corpus corpus{read_tagged(s.common.data), {}};
  if (!s.test.empty()) {
    corpus.test = read_tagged(s.test);
    return corpus;
  }
  std::vector<Sentence> all = std::exchange(corpus.train, {});
  for (Sentence& sentence : all) {
    const unsigned bucket = hash_bucket(fmt::format("{}", fmt::join(sentence.words, " ")));
    (bucket == 0 ? corpus.test : corpus.train).push_back(std::move(sentence));
  }
  require<FileError>(!corpus.train.empty() && !corpus.test.empty(), "{}: there are too few sentences: {}",
                     s.common.data, all.size());
  return corpus;
}

void print_confusions(const Model& model, const std::vector<std::vector<Id>>& chosen, const Encoded& test) {
  std::map<std::pair<Id, Id>, Index> wrong;
  for (Index i = 0; i < chosen.size(); ++i) {
    for (Index t = 0; t < chosen[i].size(); ++t) {
      if (chosen[i][t] != test.tags[i][t] && test.tags[i][t] >= 0) ++wrong[{test.tags[i][t], chosen[i][t]}];
    }
  }
  std::vector<std::pair<Index, std::pair<Id, Id>>> order;
  for (const auto& [pair, n] : wrong) order.emplace_back(n, pair);
  std::stable_sort(order.begin(), order.end(), [](auto& a, auto& b) { return a.first > b.first; });
  Table table({"the most frequent mistakes", "taken for", "times"});
  for (Index k = 0; k < std::min<Index>(8, order.size()); ++k) {
    table.row({model.v.tags.token(order[k].second.first), model.v.tags.token(order[k].second.second),
               format_count(order[k].first)});
  }
  fmt::print("{}\n", table.to_string());
}

int train(const Settings& s) {
  require<UsageError>(!s.common.data.empty(),
                      "there are no tagged sentences to learn from: give some with --data FILE");
  check_writable(s.common.file);
  const Stopwatch watch;
  const Corpus corpus = read_corpus(s);
  Model model(s.common.cell, s.hidden,
              {.word_embed = s.word_embed,
               .letter_embed = s.letter_embed,
               .letter_hidden = s.letter_hidden,
               .dropout = s.dropout},
              Vocabularies::of(corpus.train, s.min_count), s.common.seed);
  const Encoded train(model.v, corpus.train), test(model.v, corpus.test);
  if (!s.common.quiet) {
    fmt::print("{}\n  {} sentences to learn from, {} {}; {} words, {} letters, {} tags; {} parameters\n\n",
               bold(s.common.data), format_count(corpus.train.size()), format_count(corpus.test.size()),
               s.test.empty() ? "held out by their hash" : "from " + s.test, format_count(model.v.words.size()),
               model.v.letters.size(), model.v.tags.size(), format_count(model.params.count()));
  }
  const Id unk = *model.v.words.unk();
  const auto seen = [&](Id word) { return model.params.random().uniform() < s.word_dropout ? unk : word; };
  const Index each = (train.words.size() + s.batch - 1) / s.batch, steps = s.epochs * each;
  AdamW adam({.rate = s.rate, .beta2 = 0.99, .weight_decay = 0.01, .decay_matrices_only = true, .lazy_rows = true});
  const CosineRate rate{s.rate, 0.02 * s.rate, steps, std::min<Index>(100, steps / 2)};
  Progress progress(steps, s.common.quiet);
  std::vector<double> epochs, held_out;
  std::vector<std::vector<Id>> chosen;
  for (Index epoch = 0, step = 0; epoch < s.epochs && interrupted == 0; ++epoch) {
    double loss = 0;
    for (const Batch& b : by_length(train.words, {.batch = s.batch, .seed = s.common.seed + epoch})) {
      const SpelledWords batch = batch_of(model.v, train, b.rows, seen);
      Ids targets = Ids::filled(batch.words.dim(0), b.rows.size(), 0);
      for (Index k = 0; k < b.rows.size(); ++k) {
        for (Index t = 0; t < batch.lengths[k]; ++t) targets(t, k) = train.tags[b.rows[k]][t];
      }
      Tape tape;
      const Tensor nats = cross_entropy((*model.network)(batch), targets, Reduce::per_token, batch.lengths);
      adam.step(model.params, clip(tape.backward(nats), 5.0), rate(step++));
      loss += (nats.item() - loss) / static_cast<double>(std::min<Index>(step, 100));
      progress.update(step, fmt::format("epoch {}, {:.4f} nats a word", epoch + 1, loss));
      if (interrupted != 0) return status_of_interrupt;
    }
    chosen = model.tags(test);
    epochs.push_back(static_cast<double>(epoch + 1));
    held_out.push_back(accuracy_of(chosen, test, unk).all);
    model.save(s.common.file);
    progress.clear();
    if (!s.common.quiet)
      fmt::print(stderr, "epoch {:2}  {:.4f} nats a word  accuracy {:.4f}  {}\n", epoch + 1, loss, held_out.back(),
                 format_duration(watch.seconds()));
  }
  progress.finish();

  const MostFrequentTag most_frequent(train, model.v.words.size(), model.v.tags.size());
  std::vector<std::vector<Id>> baseline;
  for (const auto& words : test.words) {
    auto& tags = baseline.emplace_back();
    for (const Id word : words) tags.push_back(most_frequent(word));
  }
  Table table({"held-out words", "accuracy", "of unknown words"});
  const auto row = [&](const std::string& name, const std::vector<std::vector<Id>>& tags) {
    const Accuracy a = accuracy_of(tags, test, unk);
    table.row({name, fmt::format("{:.4f}", a.all),
               std::isnan(a.unknown) ? "there are none" : fmt::format("{:.4f}", a.unknown)});
  };
  row("each word's most frequent tag", baseline);
  row(bold(fmt::format("bidirectional {}, words and letters", model.cell)), chosen);
  fmt::print("{}\n", table.to_string());
  if (s.common.quiet) return 0;
  print_confusions(model, chosen, test);
  const std::string svg = picture_of(s.common.file);
  show_plot(Plot("Tags", "epoch", "accuracy").curve("held out", epochs, held_out), svg);
  fmt::print("{} {} after {}, with its curve in {}\nTry: --tag \"The old man the boats.\"\n", bold("The model is in"),
             s.common.file, format_duration(watch.seconds()), svg);
  return 0;
}

int use(const Settings& s) {
  const Model model(load_model(s.common.file, "tagger"));
  for (const std::string& text : s.tag) {
    const std::vector<std::string> words = split_words(text);
    require<UsageError>(!words.empty(), "--tag: the text is empty");
    const Encoded sentence(model.v, {{words, {}}});
    std::string line_of_words, line_of_tags;
    const std::vector<Id> tags = model.tags(sentence)[0];
    for (Index t = 0; const Id tag : tags) {
      const std::string& name = model.v.tags.token(tag);
      const Index width = std::max(display_width(words[t]), display_width(name)) + 1;
      line_of_words += pad_right(words[t++], width);
      line_of_tags += pad_right(name, width);
    }
    fmt::print("{}\n{}\n", line_of_words, dim(line_of_tags));
  }
  return 0;
}

int run(const CLI::App& app, const Settings& s) {
  if (s.tag.empty()) {
    catch_interrupt();
    return train(s);
  }
  refuse(app, "--tag",
         {"--data", "--test", "--cell", "--hidden", "--words", "--letters", "--spelling", "--epochs", "--batch",
          "--min-count", "--rate", "--dropout", "--word-dropout", "--seed"});
  return use(s);
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  CLI::App app("Learns to tell each word's part of speech.", "tagger");
  add_common(
      app, s.common,
      "Tagged sentences: a word and its tag in a line and an empty line after each sentence, or lines of word/TAG.");
  add_file(app, "--test", s.test, "Tagged sentences to test on; without this, a tenth of --data.");
  add_model_file(app, s.common, "tagger.safetensors", "--tag");
  add_texts(app, "--tag", s.tag, "TEXT", "Tag the words of this text with a saved model");
  add_number(app, "--hidden", s.hidden, 1, 1e5, "Units that read the sentence, in each direction.");
  add_number(app, "--words", s.word_embed, 1, 1e5, "Numbers that stand for a word.");
  add_number(app, "--letters", s.letter_embed, 1, 1e5, "Numbers that stand for a letter.");
  add_number(app, "--spelling", s.letter_hidden, 0, 1e5,
             "Units that read a word's letters, in each direction (0: none).");
  add_number(app, "--epochs", s.epochs, 1, 1e5, "Passes over the sentences.");
  add_number(app, "--batch", s.batch, 1, 1e5, "Sentences in a step.");
  add_number(app, "--min-count", s.min_count, 1, 1e5, "Words seen less often are known by their letters alone.");
  add_number(app, "--rate", s.rate, 1e-9, 10, "AdamW's highest rate; it falls along a cosine to 2 %.");
  add_number(app, "--dropout", s.dropout, 0, 0.99, "Of what stands for a word, and before the last product.");
  add_number(app, "--word-dropout", s.word_dropout, 0, 0.99, "Share of the words taken for unknown in training.");
  app.footer(
      "Examples:\n  tagger --data tagged.txt\n  tagger --data train.tsv --test dev.tsv --epochs 6\n  tagger --tag "
      "\"The old man the boats.\"");
  return run_program(app, argc, argv, s.common, [&] { return run(app, s); });
}
