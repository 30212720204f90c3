#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include <unroll/core/error.h>
#include <unroll/data/batches.h>
#include <unroll/data/shuffle.h>

namespace unroll {
namespace {

void require_sequences(const std::vector<std::vector<Id>>& sequences, const char* caller) {
  require<UsageError>(!sequences.empty(), "{}: no sequences", caller);
  const auto empty = std::ranges::find_if(sequences, [](const auto& sequence) { return sequence.empty(); });
  require<UsageError>(empty == sequences.end(), "{}: sequence {} is empty", caller, empty - sequences.begin());
}

Batch pad_rows(const std::vector<std::vector<Id>>& sequences, std::vector<Index> rows, Id pad_id) {
  Index steps = 0;
  for (const Index row : rows) steps = std::max(steps, sequences[row].size());
  Batch batch;
  batch.ids = Ids::filled(steps, rows.size(), pad_id);
  for (Index b = 0; b < rows.size(); ++b) {
    const auto& sequence = sequences[rows[b]];
    batch.lengths.push_back(sequence.size());
    for (Index t = 0; t < sequence.size(); ++t) batch.ids(t, b) = sequence[t];
  }
  batch.rows = std::move(rows);
  return batch;
}

std::vector<Index> indices(Index count) {
  std::vector<Index> all(count);
  std::iota(all.begin(), all.end(), Index{0});
  return all;
}

}  // namespace

Stream::Stream(std::vector<Id> ids, StreamOptions options) : ids_(std::move(ids)), options_(options), lane_(0) {
  require<UsageError>(options.lanes > 0 && options.steps > 0,
                      "stream: {} lanes and {} steps, expected at least 1 of each", options.lanes, options.steps);
  require<UsageError>(ids_.size() > options.lanes,
                      "stream: {} ids are too few for {} lanes, expected more ids than lanes", ids_.size(),
                      options.lanes);
  lane_ = (ids_.size() - 1) / options.lanes;
}

Batch Stream::operator[](Index k) const {
  require<UsageError>(k < size(), "stream: batch {} of {}", k, size());
  const Index begin = k * options_.steps;
  const Index steps = std::min(options_.steps, lane_ - begin);
  Batch batch;
  batch.ids = Ids::filled(steps, options_.lanes, 0);
  batch.targets = batch.ids;
  for (Index t = 0; t < steps; ++t) {
    for (Index b = 0; b < options_.lanes; ++b) {
      const Index at = b * lane_ + begin + t;
      batch.ids(t, b) = ids_[at];
      batch.targets(t, b) = ids_[at + 1];
    }
  }
  batch.first = k == 0;
  return batch;
}

Stream stream(std::vector<Id> ids, StreamOptions options) { return {std::move(ids), options}; }

Batch pad(const std::vector<std::vector<Id>>& sequences, Id pad_id) {
  require_sequences(sequences, "pad");
  return pad_rows(sequences, indices(sequences.size()), pad_id);
}

std::vector<std::vector<Id>> unpad(const Batch& batch) {
  std::vector<std::vector<Id>> sequences(batch.ids.dim(1));
  for (Index b = 0; b < sequences.size(); ++b) {
    const Index length = batch.lengths.empty() ? batch.ids.dim(0) : batch.lengths[b];
    for (Index t = 0; t < length; ++t) sequences[b].push_back(batch.ids(t, b));
  }
  return sequences;
}

std::vector<Batch> bucketed(const std::vector<std::vector<Id>>& sequences, const std::vector<Id>& labels,
                            BucketOptions options) {
  require_sequences(sequences, "bucketed");
  require<UsageError>(options.batch > 0, "bucketed: a batch of 0 sequences");
  require<UsageError>(labels.size() == sequences.size(), "bucketed: {} labels for {} sequences", labels.size(),
                      sequences.size());
  std::vector<Batch> batches = by_length(sequences, options);
  for (Batch& batch : batches) {
    std::vector<Id> targets;
    for (const Index row : batch.rows) targets.push_back(labels[row]);
    batch.targets = Ids(std::move(targets));
  }
  return batches;
}

std::vector<Batch> by_length(const std::vector<std::vector<Id>>& sequences, BucketOptions options) {
  require_sequences(sequences, "by_length");
  require<UsageError>(options.batch > 0, "by_length: a batch of 0 sequences");
  SplitMix64 random(options.seed);
  std::vector<Index> order = indices(sequences.size());
  shuffle(order, random);
  std::ranges::stable_sort(order, std::greater{}, [&](Index row) { return sequences[row].size(); });

  std::vector<Batch> batches;
  for (Index begin = 0; begin < order.size(); begin += options.batch) {
    const auto from = order.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto to = from + static_cast<std::ptrdiff_t>(std::min(options.batch, order.size() - begin));
    batches.push_back(pad_rows(sequences, {from, to}, options.pad));
  }
  shuffle(batches, random);
  return batches;
}

Batch next_tokens(const std::vector<std::vector<Id>>& sequences, const std::vector<Id>& first, Id stop) {
  require<UsageError>(first.size() == sequences.size() && !sequences.empty(),
                      "next_tokens: {} first tokens for {} sequences", first.size(), sequences.size());
  std::vector<std::vector<Id>> inputs, targets;
  for (Index b = 0; b < sequences.size(); ++b) {
    inputs.push_back({first[b]});
    inputs.back().insert(inputs.back().end(), sequences[b].begin(), sequences[b].end());
    targets.push_back(sequences[b]);
    targets.back().push_back(stop);
  }
  Batch batch = pad(inputs, stop);
  batch.targets = pad(targets, stop).ids;
  return batch;
}

std::vector<Id> joined(const std::vector<std::vector<Id>>& sequences, Id stop) {
  std::vector<Id> ids;
  for (const auto& sequence : sequences) {
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    ids.push_back(stop);
  }
  return ids;
}

}  // namespace unroll
