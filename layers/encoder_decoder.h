#pragma once

#include <optional>

#include <unroll/layers/attention.h>
#include <unroll/layers/beam_search.h>
#include <unroll/layers/embedding.h>
#include <unroll/layers/linear.h>
#include <unroll/layers/stack.h>

namespace unroll {

struct EncoderDecoderOptions {
  Index embed = 64;                                  ///< numbers that stand for a token, on both sides
  std::optional<Score> attention = Score::additive;  ///< none: the decoder sees the encoder's last output at each step
  double dropout = 0;                                ///< of embedded tokens and before the last product
};

/// Many to many, of different lengths (Cho et al. 2014; Sutskever et al. 2014; Bahdanau et al. 2015): an encoder reads
/// the source, a decoder writes the target token by token.
///   p(y<t> | y<1> … y<t-1>, x) = softmax(w [h<t>, context<t>] + b)
/// The decoder starts from tanh(Linear(encoder's last output)), one Linear for each tensor of its state.
class EncoderDecoder {
 public:
  /// Makes a cell of `in` inputs in a scope: the decoder's inputs are options.embed + the encoder's outputs.
  using MakeCell = std::function<AnyLayer(const Scope&, Index in)>;

  /// `encoder` is any layer over [S, B, options.embed], a bidirectional one for instance.
  EncoderDecoder(const Scope& p, Index source_vocabulary, Index target_vocabulary, AnyLayer encoder,
                 const MakeCell& decoder, const EncoderDecoderOptions& options = {});

  /// What the decoder carries from token to token: its cell's state, what it has attended to, and what it attends to
  /// (undefined without attention).
  using State = AttentionCell<AnyLayer>::State;

  /// Reads the source: ids [S, B] with their lengths [B] (none: all have S steps).
  State start(const Ids& source, const std::vector<Index>& lengths = {}) const;
  /// Teacher forcing: the logits [T, B, V] of the tokens after each of `inputs` [T, B], the first of which is the token
  /// that stands before all targets.
  Tensor operator()(const State& start, const Ids& inputs) const;

  struct Step {
    Tensor logits;  // [B, V]
    State state;
  };
  /// One token more: ids [B].
  Step step(const Ids& ids, const State& state) const;

  /// The best translations of each source, which begin after `first` and end with `stop`.
  std::vector<std::vector<Hypothesis>> decode(const Ids& source, const std::vector<Index>& lengths, Id first, Id stop,
                                              const BeamOptions& options = {}) const;
  /// How much the step that writes each token of a target attends to each step of its source [T + 1, S]: one row for
  /// each token, and one for the stop token. One source [S, 1]. Errors: UsageError if there is no attention.
  Array attention_weights(const Ids& source, const std::vector<Id>& target, Id first) const;

 private:
  Embedding source_, target_;
  AnyLayer encoder_;
  AttentionCell<AnyLayer> decoder_;
  std::vector<Linear> bridge_;
  Dropout dropout_;
  Linear head_;
};

}  // namespace unroll
