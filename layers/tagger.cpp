#include <unroll/layers/tagger.h>

namespace unroll {

Tagger::Tagger(const Scope& p, Index words, Index letters, AnyLayer encoder, Index tags, const TaggerOptions& options)
    : words_(p / "words", words, options.word_embed),
      encoder_(std::move(encoder)),
      dropout_(p, options.dropout),
      head_(p / "head", encoder_.size(), tags) {
  if (options.letter_hidden == 0) return;
  letters_.emplace(p / "letters", letters, options.letter_embed);
  speller_.emplace(p / "speller", options.letter_embed, options.letter_hidden);
}

Tensor Tagger::embed(const SpelledWords& batch) const {
  const Tensor known = words_(batch.words);
  if (!speller_) return known;
  require(batch.which.shape() == batch.words.shape(), "Tagger: the words are [{}] and their spellings [{}]",
          fmt::join(batch.words.shape(), ", "), fmt::join(batch.which.shape(), ", "));
  const auto read = scan(*speller_, (*letters_)(batch.letters), {.lengths = batch.spelled});
  return concat({known, rows(speller_->output(read.last), batch.which)});
}

Tensor Tagger::operator()(const SpelledWords& batch) const {
  const Tensor xs = dropout_.same_for_all_steps(embed(batch));
  return head_(dropout_(scan(encoder_, xs, {.lengths = batch.lengths}).outputs));
}

}  // namespace unroll
