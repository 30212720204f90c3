#pragma once

#include <unroll/layers/bidirectional.h>
#include <unroll/layers/cells.h>
#include <unroll/layers/dropout.h>
#include <unroll/layers/embedding.h>
#include <unroll/layers/linear.h>
#include <unroll/layers/stack.h>

namespace unroll {

/// A batch of sentences, with the letters of each different word in it once.
struct SpelledWords {
  Ids words;                   ///< [T, B], by which each word is known as a whole
  std::vector<Index> lengths;  ///< [B] words; empty: all sentences have T
  Ids letters;                 ///< [L, W], of W different spellings
  std::vector<Index> spelled;  ///< [W] letters in each
  Ids which;                   ///< [T, B], the spelling of each word; any in padding
};

struct TaggerOptions {
  Index word_embed = 64;     ///< numbers that stand for a word
  Index letter_embed = 24;   ///< numbers that stand for a letter
  Index letter_hidden = 32;  ///< units that read a word's letters, in each direction; 0: letters are not read
  double dropout = 0;        ///< of what stands for a word, one mask for all steps, and before the last product
};

/// Many to many, T_x = T_y: a tag for each word (Ling et al. 2015; Plank et al. 2016). What stands for a word is its
/// embedding beside the last states of an LSTM that read its letters from both ends; `encoder`, a bidirectional layer
/// say, reads the sentence.
///   p(tag<t> | x) = softmax(w encoder([word<t>, letters<t>]) + b)
class Tagger {
 public:
  /// Features of what stands for a word: the encoder's input.
  static Index features(const TaggerOptions& options) { return options.word_embed + 2 * options.letter_hidden; }

  Tagger(const Scope& p, Index words, Index letters, AnyLayer encoder, Index tags, const TaggerOptions& options = {});

  /// The logits [T, B, tags].
  Tensor operator()(const SpelledWords& batch) const;

 private:
  Tensor embed(const SpelledWords& batch) const;

  Embedding words_;
  std::optional<Embedding> letters_;
  std::optional<Bidirectional<Lstm>> speller_;
  AnyLayer encoder_;
  Dropout dropout_;
  Linear head_;
};

}  // namespace unroll
