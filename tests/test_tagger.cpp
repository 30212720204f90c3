// The tagger: gradients, and padding of words and letters that changes nothing.
#include <unroll/core/gradcheck.h>
#include <unroll/layers/tagger.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr TaggerOptions options{.word_embed = 3, .letter_embed = 2, .letter_hidden = 2};

Tagger tagger_of(Params& params, const TaggerOptions& o) {
  Tagger tagger(params / "t", 6, 5, Bidirectional<Gru>(params / "encoder", Tagger::features(o), 3), 4, o);
  params.fill(uniform(0.8));
  return tagger;
}

/// Two sentences of three words and one, made of three spellings of up to four letters.
SpelledWords batch() {
  return {.words = Ids({1, 5, 2, 0, 3, 0}, 3, 2),
          .lengths = {3, 1},
          .letters = Ids({1, 4, 2, 3, 0, 1, 0, 0, 4, 0, 0, 2}, 4, 3),
          .spelled = {2, 1, 4},
          .which = Ids({0, 2, 1, 0, 2, 0}, 3, 2)};
}

}  // namespace

TEST_CASE("tagger: gradients of every parameter, with and without letters") {
  for (const Index hidden : {2u, 0u}) {
    TaggerOptions o = options;
    o.letter_hidden = hidden;
    Params params(1, f64);
    const Tagger tagger = tagger_of(params, o);
    const Ids tags({0, 3, 2, 0, 1, 0}, 3, 2);
    const GradcheckReport report =
        check_model(params, [&] { return cross_entropy(tagger(batch()), tags, Reduce::per_token, batch().lengths); });
    CHECK(report.rows.size() == params.size());
    CHECK_MESSAGE(report.passed(), report.str());
  }
}

TEST_CASE("tagger: what lies in the padding of words and letters changes no bit") {
  Params params(1);
  const Tagger tagger = tagger_of(params, options);
  SpelledWords other = batch();
  other.words(1, 1) = other.words(2, 1) = 4;
  other.which(1, 1) = other.which(2, 1) = 1;
  other.letters(2, 0) = other.letters(1, 1) = other.letters(3, 1) = 3;
  CHECK(same_bits(tagger(batch()), tagger(other)));
}

TEST_CASE("tagger: a sentence alone has the tags it has in a batch") {
  Params params(1, f64);
  const Tagger tagger = tagger_of(params, options);
  const Tensor together = tagger(batch());
  const Tensor alone = tagger({.words = Ids({5}, 1, 1),
                               .lengths = {},
                               .letters = Ids({2, 1, 4, 2}, 4, 1),
                               .spelled = {4},
                               .which = Ids({0}, 1, 1)});
  CHECK(distance(at(at(together, 0), 1), at(at(alone, 0), 0)) <= 1e-12);
}

TEST_CASE("tagger: every word needs a spelling") {
  Params params(1);
  const Tagger tagger = tagger_of(params, options);
  SpelledWords wrong = batch();
  wrong.which = Ids({0, 1}, 1, 2);
  CHECK(message_of([&] { tagger(wrong); }) == "Tagger: the words are [3, 2] and their spellings [1, 2]");
}
