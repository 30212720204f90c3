// Ids in the shape that training wants: lanes of a long text, or padded sequences of like length.
#pragma once

#include <cstdint>
#include <vector>

#include <unroll/core/ids.h>
#include <unroll/data/made_range.h>

namespace unroll {

/// Time-major, as everywhere: column b of `ids` is one lane of a stream, or one sequence.
struct Batch {
  Ids ids;      ///< [T, B]
  Ids targets;  ///< of a stream: [T, B], the id that follows; of labelled sequences: [B], the labels; else empty
  std::vector<Index> lengths;  ///< [B], ids of each column that are no padding; empty for a stream, where all are valid
  std::vector<Index> rows;     ///< [B], which of the given sequences each column is; empty for a stream
  bool first = true;           ///< no earlier batch of a stream leads to this one, so the state starts anew
};

struct StreamOptions {
  Index lanes = 32;  ///< B, the parts of the text that are read side by side
  Index steps = 64;  ///< T, the steps of one batch
};

/// A pass over a long text for a language model, as a range of batches that are made one by one.
///
/// The N − 1 pairs of an id and its follower are cut into B contiguous lanes of L = ⌊(N − 1) / B⌋ pairs; lane b begins
/// at id b L. Batch k holds the steps k T … k T + T − 1 of every lane, so that a state carried from batch to batch
/// reads on in its own lane; the last batch has the L mod T steps that are left, if any. Every one of the first B L
/// pairs is used exactly once; the (N − 1) mod B pairs at the end (fewer than B, and none with one lane) are left out.
class Stream {
 public:
  using Iterator = MadeIterator<Stream, Batch>;

  /// Errors: UsageError if `lanes` or `steps` is 0, or if there is no pair for each lane.
  Stream(std::vector<Id> ids, StreamOptions options);

  /// How many batches there are.
  Index size() const { return lane_ / options_.steps + (lane_ % options_.steps > 0); }
  /// How many targets there are, B L.
  Index targets() const { return options_.lanes * lane_; }
  /// Errors: UsageError if there are not so many batches.
  Batch operator[](Index k) const;

  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, size()}; }

 private:
  std::vector<Id> ids_;
  StreamOptions options_;
  Index lane_;  // L
};

/// `for (const Batch& batch : stream(ids, {.lanes = 32, .steps = 64}))`. Errors: as the constructor of Stream.
Stream stream(std::vector<Id> ids, StreamOptions options = {});

/// All sequences in one batch, in their order, filled up at the end with `pad_id`. Without targets.
/// Errors: UsageError if there are none, or for an empty one, by its index.
Batch pad(const std::vector<std::vector<Id>>& sequences, Id pad_id = 0);

/// The columns of a batch without their padding: `unpad(pad(sequences))` is `sequences`, and column b of any batch is
/// sequence `rows[b]`.
std::vector<std::vector<Id>> unpad(const Batch& batch);

struct BucketOptions {
  Index batch = 32;        ///< B, sequences in a batch; the batch of the shortest ones may have fewer
  Id pad = 0;              ///< what fills the columns up
  std::uint64_t seed = 1;  ///< another order for another seed, the same on every machine
};

/// Batches of labelled sequences of like length, each sequence once. Inside a batch lengths fall. The order of the
/// batches, and which of the sequences of one length meet, is random by the seed: give every epoch its own.
///
/// Errors: UsageError if there are not as many labels as sequences, or no sequences, for an empty one, by its index,
/// and if `batch` is 0.
std::vector<Batch> bucketed(const std::vector<std::vector<Id>>& sequences, const std::vector<Id>& labels,
                            BucketOptions options = {});
/// The same without labels, and so without targets: what belongs to a sequence is found by `Batch::rows`.
std::vector<Batch> by_length(const std::vector<std::vector<Id>>& sequences, BucketOptions options = {});

/// Sequences as a language model learns them one by one, each between a first token and `stop`: column b of `ids` is
/// [first<b>, x<1> … x<T>] and of `targets` [x<1> … x<T>, stop], with T + 1 as its length.
/// Errors: UsageError if there are not as many first tokens as sequences, or no sequences. An empty one is fine.
Batch next_tokens(const std::vector<std::vector<Id>>& sequences, const std::vector<Id>& first, Id stop);

/// All sequences one after the other, each ended by `stop`: what n-gram models count.
std::vector<Id> joined(const std::vector<std::vector<Id>>& sequences, Id stop);

}  // namespace unroll
