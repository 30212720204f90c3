// How `sentiment` trains: epochs over shuffled batches, and a file from which an interrupted training goes on exactly.
#pragma once

#include <numeric>

#include <unroll/examples/sentiment_data.h>
#include <unroll/examples/sentiment_model.h>

namespace sentiment {

/// What decides a training, besides the model and its seed.
struct Plan {
  std::string data, test;  ///< files; without `test` the bucket is what is tested on
  unsigned bucket = 0;
  Index epochs = 5, batch = 32;
  double rate = 2e-3;  ///< falls linearly to 2 %
};

/// What training has found so far and, besides the model, needs to go on.
struct Training {
  AdamW adam{{.weight_decay = 0}};
  std::vector<double> train_loss, valid_loss, valid_accuracy;  // of each epoch

  Index epochs() const { return train_loss.size(); }
};

/// Replaces the file at `path`.
inline void save_training(const std::string& path, const Plan& plan, Model& model, const Training& training) {
  Checkpoint file = model.checkpoint();
  const auto absolute = [](const std::string& file) {
    return file.empty() ? file : std::filesystem::absolute(file).string();
  };
  file.metadata["data"] = absolute(plan.data);
  file.metadata["test"] = absolute(plan.test);
  put_number(file, "bucket", plan.bucket);
  put_number(file, "epochs", plan.epochs);
  put_number(file, "batch", plan.batch);
  put_number(file, "rate", plan.rate);
  put_random(file, "random", model.params.random());
  const OptimizerState state = training.adam.state(model.params);
  put_arrays(file, "optimizer", {state.begin(), state.end()});
  const auto list = [](const std::vector<double>& values) { return Array::of({values.size()}, values.data()); };
  put_arrays(file, "history",
             {{"train loss", list(training.train_loss)},
              {"valid loss", list(training.valid_loss)},
              {"valid accuracy", list(training.valid_accuracy)}});
  save(path, file);
}

inline Plan plan_of(const Checkpoint& file) {
  return {.data = get_text(file, "data"),
          .test = get_text(file, "test"),
          .bucket = get_number<unsigned>(file, "bucket"),
          .epochs = get_number<Index>(file, "epochs"),
          .batch = get_number<Index>(file, "batch"),
          .rate = get_number<double>(file, "rate")};
}

/// Sets the optimizer, the history and the model's random numbers to what they were when `file` was written.
inline void restore_training(const Checkpoint& file, Model& model, Training& training) {
  restore_random(file, "random", model.params.random());
  const NamedArrays state = get_arrays(file, "optimizer");
  training.adam.restore(model.params, {state.begin(), state.end()});
  std::map<std::string, std::vector<double>*> lists{{"train loss", &training.train_loss},
                                                    {"valid loss", &training.valid_loss},
                                                    {"valid accuracy", &training.valid_accuracy}};
  for (const auto& [name, values] : get_arrays(file, "history")) {
    for (Index i = 0; i < values.size(); ++i) lists.at(name)->push_back(values.flat(i));
  }
}

/// Texts as a model reads them.
struct Prepared {
  std::vector<std::vector<Id>> ids;
  std::vector<Id> labels;
  std::vector<double> counts;  // what the counts add to the logit

  Prepared(const Model& model, const Texts& texts) : labels(texts.labels) {
    for (const Words& words : texts.words) {
      ids.push_back(model.vocab.encode(words));
      counts.push_back(model.counts_logit(words));
    }
  }
  std::vector<double> counts_of(const Batch& batch) const {
    std::vector<double> chosen;
    for (const Index row : batch.rows) chosen.push_back(counts[row]);
    return chosen;
  }
};

/// What a model says of texts whose classes are known.
struct Judged {
  std::vector<std::vector<double>> probabilities;  // [texts, classes]
  std::vector<Id> chosen;
  double loss = 0, accuracy = 0;
};

inline Id most_probable(const std::vector<double>& p) {
  return static_cast<Id>(std::max_element(p.begin(), p.end()) - p.begin());
}

inline Judged judge(const Model& model, const Prepared& texts) {
  Judged judged{.probabilities = std::vector<std::vector<double>>(texts.ids.size()), .chosen = {}};
  for (const Batch& batch : bucketed(texts.ids, texts.labels, {.batch = 64})) {
    const Tensor scores = model(batch.ids, batch.lengths, texts.counts_of(batch));
    judged.loss += model.loss(scores, batch.targets, Reduce::sum).item() / static_cast<double>(texts.ids.size());
    auto p = model.probabilities(scores);
    for (Index b = 0; b < p.size(); ++b) judged.probabilities[batch.rows[b]] = std::move(p[b]);
  }
  for (const auto& p : judged.probabilities) judged.chosen.push_back(most_probable(p));
  judged.accuracy = accuracy(judged.chosen, texts.labels);
  return judged;
}

/// How far an epoch is.
struct EpochSoFar {
  Index batches = 0, texts = 0, tokens = 0;
  double loss = 0;  // the sum over its texts
};

/// One epoch, unless `interrupted`; calls `report(so_far)` after each batch. Errors: the loss is no longer a number.
template <class Report>
EpochSoFar train_epoch(const Plan& plan, Model& model, Training& training, const Prepared& texts, Report report) {
  Random& random = model.params.random();
  const auto batches = bucketed(texts.ids, texts.labels, {.batch = plan.batch, .seed = random.bits()});
  const LinearRate rate{.rate = plan.rate, .floor = 0.02 * plan.rate, .steps = plan.epochs * batches.size()};
  EpochSoFar so_far;
  for (const Batch& batch : batches) {
    Ids ids = batch.ids;
    for (Index i = 0; i < ids.size(); ++i) {
      if (random.uniform() < model.design.word_dropout) ids[i] = *model.vocab.unk();
    }
    Tape tape;
    const Tensor scores = model(ids, batch.lengths, texts.counts_of(batch));
    const Tensor loss = model.loss(scores, batch.targets, Reduce::per_sequence);
    require<Error>(std::isfinite(loss.item()), "the loss became {} in epoch {}; a --rate below {} may help",
                   loss.item(), training.epochs() + 1, plan.rate);
    training.adam.step(model.params, tape.backward(loss), rate(training.epochs() * batches.size() + so_far.batches));
    ++so_far.batches;
    so_far.texts += batch.rows.size();
    so_far.tokens += std::accumulate(batch.lengths.begin(), batch.lengths.end(), Index{0});
    so_far.loss += loss.item() * static_cast<double>(batch.rows.size());
    report(so_far);
    if (interrupted != 0) break;
  }
  return so_far;
}

/// Trains to the plan's last epoch, or until `interrupted`, with a line of progress unless `quiet`. After each epoch
/// calls `after_epoch(tokens_per_second, seconds)`.
template <class AfterEpoch>
void train(const Plan& plan, Model& model, Training& training, const Corpus& corpus, bool quiet,
           AfterEpoch after_epoch) {
  const Prepared texts(model, corpus.train), valid(model, corpus.valid);
  const Index batches = (texts.ids.size() + plan.batch - 1) / plan.batch, first = training.epochs();
  Progress progress((std::max(plan.epochs, first) - first) * batches, quiet);
  while (training.epochs() < plan.epochs) {
    const Stopwatch watch;
    double speed = 0;
    const EpochSoFar epoch = train_epoch(plan, model, training, texts, [&](const EpochSoFar& so_far) {
      speed = static_cast<double>(so_far.tokens) / watch.seconds();
      progress.update(
          (training.epochs() - first) * batches + so_far.batches,
          fmt::format("epoch {}/{}  loss {:.3f}{}  {} tokens/s", training.epochs() + 1, plan.epochs,
                      so_far.loss / static_cast<double>(so_far.texts),
                      training.epochs() == 0 ? "" : fmt::format("  validation {:.3f}", training.valid_accuracy.back()),
                      format_count(static_cast<Index>(speed))));
    });
    if (interrupted != 0) return;
    const Judged judged = judge(model, valid);
    training.train_loss.push_back(epoch.loss / static_cast<double>(epoch.texts));
    training.valid_loss.push_back(judged.loss);
    training.valid_accuracy.push_back(judged.accuracy);
    progress.clear();
    after_epoch(speed, watch.seconds());
  }
}

}  // namespace sentiment
