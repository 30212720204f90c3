// Decoding: the most probable sequences of tokens, found by keeping the best few beginnings at every step.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include <unroll/core/map_fields.h>
#include <unroll/core/ops.h>

namespace unroll {

struct BeamOptions {
  Index beam = 4;             ///< beginnings that are kept; 1 is greedy decoding
  Index max_length = 100;     ///< tokens at most; what has not stopped by then ends there
  double length_penalty = 0;  ///< α of Wu et al. 2016: hypotheses are compared by ln p / ((5 + length) / 6)^α
  Index n_best = 1;           ///< hypotheses returned for each sequence, the best first; at most `beam`
};

struct Hypothesis {
  std::vector<Id> ids;         ///< without the first and the stop token
  double log_probability = 0;  ///< Σ ln p of its tokens, the stop token included
  double score = 0;            ///< that, over the length penalty
  bool stopped = false;        ///< false: cut off at max_length
};

namespace detail {

/// The search itself, without the network: which rows of the last step go on, with which tokens.
class Beams {
 public:
  /// Errors: UsageError for options out of range.
  Beams(Index batch, Id stop, const BeamOptions& options);

  bool done() const { return rows_.empty(); }
  /// The last token of each live beginning, and the row it had in the last step.
  Ids tokens() const;
  Ids origins() const;
  /// Takes the logits [rows, V] that follow the live beginnings.
  void extend(const Tensor& logits);
  /// The best hypotheses of each sequence.
  std::vector<std::vector<Hypothesis>> results() const;

 private:
  struct Row {
    Hypothesis so_far;
    Index source = 0, origin = 0;
    bool greedy = true;  // every token of it was the most probable one: such a beginning is never dropped
  };
  void extend_source(std::span<const Row> rows, Index first_row, const Array& log_p, std::vector<Row>& next);
  void finish(Row row, bool stopped);
  double score(const Hypothesis& h) const;

  BeamOptions options_;
  Id stop_;
  std::vector<Row> rows_;                          // live, those of one source together
  std::vector<std::vector<Hypothesis>> finished_;  // of each source, the best first
};

/// The beginnings that go on.
template <class State>
State take_rows(const State& state, const Ids& ids) {
  return map_fields(state, [&](const Tensor& x) { return x.defined() ? index_select(x, ids, 0) : x; });
}

}  // namespace detail

/// Beam search (Graves 2012; Sutskever et al. 2014) for `batch` sequences at once, over any State whose tensors are
/// [rows, …]: `step(ids [rows], state)` returns something like a pair of logits [rows, V] and the next state. Every
/// sequence begins after the token `first` and ends with `stop`, which no hypothesis holds. Runs without a tape.
///
/// A beginning all of whose tokens were the most probable ones is kept beside the beam, so that with no length penalty
/// the best hypothesis is never less probable than greedy decoding's.
///
///     const auto best = beam_search(step, model.start(source, lengths), batch, first, stop, {.beam = 4, .n_best = 4});
template <class State, class Step>
std::vector<std::vector<Hypothesis>> beam_search(const Step& step, State state, Index batch, Id first, Id stop,
                                                 const BeamOptions& options = {}) {
  detail::Beams beams(batch, stop, options);
  Ids ids = std::vector<Id>(batch, first);
  while (!beams.done()) {
    auto [logits, next] = step(ids, state);
    beams.extend(logits);
    if (beams.done()) break;
    state = detail::take_rows(detach(next), beams.origins());
    ids = beams.tokens();
  }
  return beams.results();
}

}  // namespace unroll
