// The encoder–decoder: gradients, decoding beside teacher forcing, ragged batches, attention that can be shown.
#include <unroll/core/gradcheck.h>
#include <unroll/layers/encoder_decoder.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

const Ids source({1, 2, 3, 4, 1, 0, 2, 0}, 4, 2);  // [S, B] with lengths 4 and 2
const std::vector<Index> lengths{4, 2};
const Ids inputs({0, 0, 3, 1, 2, 4}, 3, 2);  // [T, B]
constexpr Id first = 0;

template <class C>
EncoderDecoder model_of(Params& params, const EncoderDecoderOptions& options) {
  return EncoderDecoder(
      params / "m", 5, 6, Bidirectional<Gru>(params / "encoder", options.embed, 3),
      [](const Scope& p, Index in) { return C(p, in, 4); }, options);
}

const std::optional<Score> kinds[] = {std::nullopt, Score::general, Score::additive};

}  // namespace

TEST_CASE("encoder–decoder: gradients of every parameter, with every kind of attention") {
  for (const auto& kind : kinds) {
    Params params(1, f64);
    const EncoderDecoder model = model_of<Lstm>(params, {.embed = 3, .attention = kind});
    params.fill(uniform(0.7));
    const GradcheckReport report = check_model(params, [&] { return model(model.start(source, lengths), inputs); });
    CHECK(report.rows.size() == params.size());
    CHECK_MESSAGE(report.passed(), report.str());
  }
}

TEST_CASE("encoder–decoder: teacher forcing is stepping") {
  for (const auto& kind : kinds) {
    Params params(1, f64);
    const EncoderDecoder model = model_of<Gru>(params, {.embed = 3, .attention = kind});
    const Tensor logits = model(model.start(source, lengths), inputs);
    CHECK(logits.shape() == Shape{3, 2, 6});
    auto state = model.start(source, lengths);
    for (Index t = 0; t < 3; ++t) {
      auto [step, next] = model.step({inputs(t, 0), inputs(t, 1)}, state);
      CHECK(distance(step, at(logits, t)) <= 1e-14);
      state = next;
    }
  }
}

TEST_CASE("encoder–decoder: a ragged batch is its sequences one by one") {
  Params params(1, f64);
  const EncoderDecoder model = model_of<Lstm>(params, {.embed = 3});
  params.fill(uniform(0.7));
  const Tensor together = model(model.start(source, lengths), inputs);
  const auto best = model.decode(source, lengths, first, 5, {.beam = 3, .max_length = 7, .n_best = 2});
  for (Index b = 0; b < 2; ++b) {
    std::vector<Id> words, given;
    for (Index t = 0; t < lengths[b]; ++t) words.push_back(source(t, b));
    for (Index t = 0; t < 3; ++t) given.push_back(inputs(t, b));
    const Ids alone(words, lengths[b], 1);
    const Tensor one = model(model.start(alone), Ids(given, 3, 1));
    for (Index t = 0; t < 3; ++t) CHECK(distance(at(at(together, t), b), at(at(one, t), 0)) <= 1e-12);
    const auto decoded = model.decode(alone, {}, first, 5, {.beam = 3, .max_length = 7, .n_best = 2})[0];
    REQUIRE(decoded.size() == best[b].size());
    for (Index k = 0; k < decoded.size(); ++k) CHECK(decoded[k].ids == best[b][k].ids);
  }
}

TEST_CASE("encoder–decoder: a hypothesis is as probable as teacher forcing says") {
  Params params(2, f64);
  const EncoderDecoder model = model_of<Lstm>(params, {.embed = 3});
  params.fill(uniform(1.5));
  constexpr Id stop = 5;
  const auto best = model.decode(source, lengths, first, stop, {.beam = 4, .max_length = 6, .n_best = 4});
  for (const Hypothesis& h : best[1]) {
    std::vector<Id> given{first}, wanted = h.ids;
    given.insert(given.end(), h.ids.begin(), h.ids.end());
    if (h.stopped) {
      wanted.push_back(stop);
    } else {
      given.pop_back();
    }
    const Index n = wanted.size();
    const Tensor logits = model(model.start(Ids({2, 4}, 2, 1)), Ids(given, n, 1));
    const double loss = cross_entropy(logits, Ids(wanted, n, 1), Reduce::sum).item();
    CHECK(h.log_probability == doctest::Approx(-loss).epsilon(1e-10));
  }
}

TEST_CASE("encoder–decoder: the decoder starts from tanh of a map of what the encoder knows at its end") {
  Params params(1, f64);
  const Bidirectional<Gru> encoder(params / "encoder", 3, 3);
  const EncoderDecoder model(params / "m", 5, 6, encoder, [](const Scope& p, Index in) { return Lstm(p, in, 4); },
                             {.embed = 3});
  params.fill(uniform(2));
  const auto read = scan(encoder, rows(params["m.source.table"], source), {.lengths = lengths});
  const Tensor summary = encoder.output(read.last);
  const std::vector<Tensor> parts = tensors_of(model.start(source, lengths).inner);
  REQUIRE(parts.size() == 2);
  for (Index k = 0; k < 2; ++k) {
    const std::string bridge = fmt::format("m.bridge{}", k);
    CHECK(distance(parts[k], tanh(affine(summary, params[bridge + ".w"], params[bridge + ".b"]))) <= 1e-14);
  }
}

TEST_CASE("encoder–decoder: attention of a target, row by row") {
  Params params(1, f64);
  const EncoderDecoder model = model_of<Lstm>(params, {.embed = 3});
  params.fill(uniform(1.5));
  const Array weights = model.attention_weights(Ids({1, 2, 3}, 3, 1), {2, 4}, first);
  CHECK(weights.shape() == Shape{3, 3});
  auto state = model.start(Ids({1, 2, 3}, 3, 1));
  for (Index row = 0; row < 3; ++row) {
    double total = 0;
    for (Index k = 0; k < 3; ++k) total += weights.flat(row * 3 + k);
    CHECK(total == doctest::Approx(1));
    // Stepping through the target, the context is the mean of the memory by these weights.
    state = model.step({std::array{first, Id{2}, Id{4}}[row]}, state).state;
    const Tensor shown(Array::of({1, 3}, &weights.data<double>()[row * 3]));
    CHECK(distance(state.context, matmul(shown, at(state.memory.values, 0))) <= 1e-14);
  }
  Params without(1);
  const EncoderDecoder plain = model_of<Lstm>(without, {.embed = 3, .attention = std::nullopt});
  CHECK(message_of<UsageError>([&] {
          plain.attention_weights(Ids({1, 2}, 2, 1), {1}, first);
        }) == "EncoderDecoder: this model has no attention to show");
}
