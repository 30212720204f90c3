// Padding never matters, to all built-in cells, to what is made of them, and to whole models: no bit of a value, a
// state, a loss or a gradient changes with what lies there, and a batch is its sequences one by one.
#include <unroll/core/gradcheck.h>
#include <unroll/layers/classifier.h>
#include <unroll/layers/encoder_decoder.h>
#include <unroll/layers/tagger.h>

#include "ragged_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index in = 2, hidden = 3, steps = 5, vocabulary = 7;
const std::vector<Index> lengths{2, 5, 1, 4};

/// Ids below `below`, in no order, with `shift` added in all padding.
Ids ids_with_padding(Index shift, Index below = vocabulary, const std::vector<Index>& ends = lengths) {
  Ids ids = Ids::filled(steps, ends.size(), 0);
  for (Index t = 0; t < steps; ++t) {
    for (Index b = 0; b < ends.size(); ++b) {
      ids(t, b) = static_cast<Id>((t * 5 + b * 3 + t * b + (t < ends[b] ? 0 : shift)) % below);
    }
  }
  return ids;
}

/// Sequence b of a batch of ids, without its padding.
Ids alone(const Ids& ids, Index b, const std::vector<Index>& ends = lengths) {
  Ids one = Ids::filled(ends[b], 1, 0);
  for (Index t = 0; t < ends[b]; ++t) one(t, 0) = ids(t, b);
  return one;
}

/// The value of a loss, and its gradient by all parameters and by what is watched.
template <class F>
Pass pass_of(const Params& params, F loss, const std::optional<Array>& watched = {}) {
  Tape tape;
  const Tensor x = watched ? tape.watch(Tensor(*watched)) : Tensor();
  const Tensor value = loss(x);
  const Grads grads = tape.backward(value);
  Pass pass{{value.value()}, {}};
  if (watched) pass.gradients.push_back(grads[x]);
  append_gradients(pass.gradients, params, grads);
  return pass;
}

/// `whole` is the sum of `each`, to 1e-12.
void check_sum(const Pass& whole, const std::vector<Pass>& each) {
  const auto check = [&](auto numbers) {
    for (Index k = 0; k < numbers(whole).size(); ++k) {
      CAPTURE(k);
      Tensor total = Tensor(numbers(each[0])[k]);
      for (Index b = 1; b < each.size(); ++b) total = total + Tensor(numbers(each[b])[k]);
      CHECK(distance(numbers(whole)[k], total.value()) <= 1e-12);
    }
  };
  check([](const Pass& p) -> const std::vector<Array>& { return p.values; });
  check([](const Pass& p) -> const std::vector<Array>& { return p.gradients; });
}

}  // namespace

TEST_CASE("padding: every cell, alone, in both directions, and stacked") {
  for_each_cell([](const std::string& name, auto make) {
    const auto check = [&](const char* form, auto layer_of) {
      for (const bool reverse : {false, true}) {
        CAPTURE(name);
        CAPTURE(form);
        CAPTURE(reverse);
        Params params(1, f64);
        const auto layer = layer_of(Scope(params));
        params.fill(uniform(0.8));
        const ScanOptions options{.lengths = lengths, .reverse = reverse};
        check_batch_equals_sequences(layer, params, in, steps, options);
        check_padding_is_never_read(layer, params, in, steps, options);
      }
    };
    check("alone", [&](const Scope& p) { return make(p / "cell", in, hidden); });
    const auto both = [&](const Scope& p, Index inputs) {
      return Bidirectional(make(p / "there", inputs, hidden), make(p / "back", inputs, hidden));
    };
    check("bidirectional", [&](const Scope& p) { return both(p, in); });
    check("stacked", [&](const Scope& p) { return Stack({both(p, in), make(p / "above", 2 * hidden, hidden)}); });
  });
}

TEST_CASE("padding: a classifier, in every way of pooling") {
  const auto encoders = [](const Scope& p, int kind) -> AnyLayer {
    if (kind == 0) return Lstm(p / "a", in, hidden);
    if (kind == 1) return Bidirectional<Gru>(p / "a", in, hidden);
    return Stack({Bidirectional<Rnn>(p / "a", in, hidden), PeepholeLstm(p / "b", 2 * hidden, hidden)});
  };
  for (const Pool pool : {Pool::last, Pool::mean, Pool::max, Pool::mean_max}) {
    for (const int kind : {0, 1, 2}) {
      CAPTURE(static_cast<int>(pool));
      CAPTURE(kind);
      Params params(1, f64);
      const Classifier model(params / "model", vocabulary, in, encoders(params / "encoder", kind), 3, {.pool = pool});
      params.fill(uniform(0.8));
      const Ids labels{2, 0, 1, 2};
      const auto of_ids = [&](const Ids& ids, const std::vector<Index>& ends, const Ids& wanted) {
        return pass_of(params, [&](auto) { return cross_entropy(model(ids, ends), wanted, Reduce::sum); });
      };
      const Pass plain = of_ids(ids_with_padding(0), lengths, labels);
      check_same_bits(plain, of_ids(ids_with_padding(1), lengths, labels));
      check_same_bits(plain, of_ids(ids_with_padding(4), lengths, labels));

      const Array xs = random_array({steps, lengths.size(), in}, 4);
      const auto of_numbers = [&](const Array& given) {
        return pass_of(
            params,
            [&](const Tensor& x) { return cross_entropy(model.from_embedded(x, lengths), labels, Reduce::sum); },
            given);
      };
      const Pass embedded = of_numbers(with_padding(xs, lengths, 0));
      for (const Array& padded : with_all_padding(xs, lengths)) check_same_bits(embedded, of_numbers(padded));
      CHECK(same_bits(embedded.gradients[0], with_padding(embedded.gradients[0], lengths, 0)));

      std::vector<Pass> each;
      for (Index b = 0; b < lengths.size(); ++b) {
        each.push_back(of_ids(alone(ids_with_padding(0), b), {}, {labels[b]}));
      }
      check_sum(plain, each);

      const auto report = check_model(params, [&] { return model(ids_with_padding(0), lengths); });
      CHECK(report.rows.size() == params.size());
      CHECK_MESSAGE(report.passed(), report.str());
    }
  }
}

TEST_CASE("padding: a tagger, of sentences and of spellings") {
  constexpr Index letters = 5, tags = 4;
  const std::vector<Index> spelled{3, 1, 5};
  for (const Index letter_hidden : {0u, 2u}) {
    CAPTURE(letter_hidden);
    const TaggerOptions options{.word_embed = 3, .letter_embed = 2, .letter_hidden = letter_hidden};
    Params params(1, f64);
    const Tagger tagger(params / "tagger", vocabulary, letters,
                        Bidirectional<Lstm>(params / "encoder", Tagger::features(options), hidden), tags, options);
    params.fill(uniform(0.8));
    const auto loss = [&](Index shift) {
      const SpelledWords batch{.words = ids_with_padding(shift),
                               .lengths = lengths,
                               .letters = ids_with_padding(shift, letters, spelled),
                               .spelled = spelled,
                               .which = ids_with_padding(shift, spelled.size())};
      return pass_of(params, [&](auto) {
        return cross_entropy(tagger(batch), ids_with_padding(shift, tags), Reduce::sum, lengths);
      });
    };
    const Pass plain = loss(0);
    check_same_bits(plain, loss(1));
    check_same_bits(plain, loss(2));

    std::vector<Pass> each;
    for (Index b = 0; b < lengths.size(); ++b) {
      const SpelledWords one{.words = alone(ids_with_padding(0), b),
                             .lengths = {},
                             .letters = ids_with_padding(0, letters, spelled),
                             .spelled = spelled,
                             .which = alone(ids_with_padding(0, spelled.size()), b)};
      each.push_back(pass_of(
          params, [&](auto) { return cross_entropy(tagger(one), alone(ids_with_padding(0, tags), b), Reduce::sum); }));
    }
    check_sum(plain, each);
  }
}

TEST_CASE("padding: attention") {
  constexpr Index width = 4;
  for (const Score score : {Score::dot, Score::general, Score::additive}) {
    CAPTURE(static_cast<int>(score));
    Params params(1, f64);
    const Attention attention(params / "attention", score, width, width, 6);
    const Index batch = lengths.size();
    const Array memory = random_array({steps, batch, width}, 2), query = random_array({batch, width}, 3);
    const auto loss = [&](const Tensor& outputs, const std::vector<Index>& ends, const Tensor& q, Index first) {
      const auto [context, weights] = attention(q, attention.memory(outputs, ends));
      const Tensor r = random_array({batch, width}, 4), s = random_array({batch, steps}, 5);
      const Index rows = q.dim(0), read = weights.dim(1);
      return sum(context * slice(r, 0, first, first + rows)) +
             sum(weights * slice(slice(s, 0, first, first + rows), 1, 0, read));
    };
    const auto together = [&](const Array& outputs) {
      return pass_of(
          params, [&](const Tensor& x) { return loss(x, lengths, Tensor(query), 0); }, outputs);
    };
    const Pass plain = together(with_padding(memory, lengths, 0));
    for (const Array& padded : with_all_padding(memory, lengths)) check_same_bits(plain, together(padded));
    CHECK(same_bits(plain.gradients[0], with_padding(plain.gradients[0], lengths, 0)));

    std::vector<Pass> each;
    for (Index b = 0; b < batch; ++b) {
      each.push_back(pass_of(
          params,
          [&](const Tensor& x) {
            const Tensor own = slice(slice(x, 1, b, b + 1), 0, 0, lengths[b]);
            return loss(own, {}, slice(Tensor(query), 0, b, b + 1), b);
          },
          memory));
    }
    check_sum(plain, each);
  }
}

TEST_CASE("padding: an encoder and decoder, on both sides") {
  const std::vector<Index> target_lengths{5, 1, 3, 2};
  for (const std::optional<Score> score : {std::optional<Score>(), std::optional(Score::additive)}) {
    CAPTURE(score.has_value());
    Params params(1, f64);
    const EncoderDecoder model(
        params / "model", vocabulary, vocabulary, Bidirectional<Gru>(params / "encoder", in, hidden),
        [](const Scope& p, Index inputs) { return Lstm(p, inputs, hidden); }, {.embed = in, .attention = score});
    params.fill(uniform(0.8));
    const auto loss = [&](Index shift) {
      return pass_of(params, [&](auto) {
        const Ids targets = ids_with_padding(shift, vocabulary, target_lengths);
        return cross_entropy(model(model.start(ids_with_padding(shift), lengths), targets), targets, Reduce::sum,
                             target_lengths);
      });
    };
    const Pass plain = loss(0);
    check_same_bits(plain, loss(1));
    check_same_bits(plain, loss(5));

    std::vector<Pass> each;
    for (Index b = 0; b < lengths.size(); ++b) {
      const Ids targets = alone(ids_with_padding(0, vocabulary, target_lengths), b, target_lengths);
      each.push_back(pass_of(params, [&](auto) {
        return cross_entropy(model(model.start(alone(ids_with_padding(0), b)), targets), targets, Reduce::sum);
      }));
    }
    check_sum(plain, each);
  }
}
