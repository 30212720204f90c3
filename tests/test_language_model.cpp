// The language model: probabilities, scoring a text in several ways that must agree, tied weights, generation.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include <unroll/core/gradcheck.h>
#include <unroll/layers/language_model.h>

using namespace unroll;

namespace {

constexpr Index vocabulary = 7;

std::vector<Id> random_text(Index length, std::uint64_t seed) {
  Random random(seed);
  std::vector<Id> text;
  for (Index i = 0; i < length; ++i) text.push_back(static_cast<Id>(random.below(vocabulary)));
  return text;
}

/// A model in f64 whose parameters are all drawn anew, so that nothing is small by chance.
struct Fixture {
  Params params{3, f64};
  LanguageModel<Lstm> model{params / "lm", vocabulary, {.embed = 3, .hidden = 4}};
  Fixture() { params.fill(uniform(0.8)); }

  /// ln p(token | inputs so far) after each of `inputs`, by softmax, from the zero state.
  std::vector<std::vector<double>> log_p(const std::vector<Id>& inputs) const {
    const Tensor logits = model(Ids(inputs, inputs.size(), 1), model.zero_state(1)).logits;
    const Array p = softmax(logits).value();
    std::vector<std::vector<double>> rows(inputs.size());
    for (Index i = 0; i < p.size(); ++i) rows[i / vocabulary].push_back(std::log(p.flat(i)));
    return rows;
  }
  /// Σ ln p of a text after `before`, token by token: one forward pass for every prefix.
  double by_prefixes(const std::vector<Id>& text, const std::vector<Id>& before = {}) const {
    std::vector<Id> inputs{before_first};
    inputs.insert(inputs.end(), before.begin(), before.end());
    double sum = 0;
    for (const Id id : text) {
      sum += log_p(inputs).back()[static_cast<Index>(id)];
      inputs.push_back(id);
    }
    return sum;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "next-token probabilities sum to 1, in f32 too") {
  for (const Dtype dtype : {f64, f32}) {
    params.to(dtype);
    for (const auto& row : log_p({before_first, 1, 5, 0, 6, 6})) {
      double sum = 0;
      for (const double x : row) sum += std::exp(x);
      CHECK(sum == doctest::Approx(1).epsilon(dtype == f64 ? 1e-12 : 1e-6));
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "a sentence's log-probability is the sum of its steps'") {
  const std::vector<Id> text = random_text(12, 1);
  CHECK(model.log_probability(text) == doctest::Approx(by_prefixes(text)).epsilon(1e-12));
  CHECK(model.log_probability({}) == 0);
  // over all sentences of two tokens the probabilities sum to 1
  double sum = 0;
  for (Id a = 0; a < static_cast<Id>(vocabulary); ++a) {
    for (Id b = 0; b < static_cast<Id>(vocabulary); ++b) sum += std::exp(model.log_probability({a, b}));
  }
  CHECK(sum == doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE_FIXTURE(Fixture, "evaluate by stream equals by batch") {
  const std::vector<Id> text = random_text(101, 2), before = random_text(9, 3);
  const double alone = by_prefixes(text), after = by_prefixes(text, before);
  const auto mean = [&](double sum) { return doctest::Approx(-sum / 101).epsilon(1e-12); };
  for (const Index steps : {Index{1}, Index{7}, Index{64}, Index{1000}}) {
    CAPTURE(steps);
    CHECK(model.evaluate(text, {}, {.lanes = 1, .warm_up = 0, .steps = steps}) == mean(alone));
    CHECK(model.evaluate(text, {}, {.lanes = 1, .warm_up = 40, .steps = steps}) == mean(alone));
    // the warm-up reads `before`, as far as there is any
    CHECK(model.evaluate(text, before, {.lanes = 1, .warm_up = 40, .steps = steps}) == mean(after));
    CHECK(model.evaluate(text, before, {.lanes = 1, .warm_up = 9, .steps = steps}) == mean(after));
    CHECK(model.evaluate(text, before, {.warm_up = static_cast<Index>(-1), .steps = steps}) == mean(after));
  }
}

TEST_CASE_FIXTURE(Fixture, "each lane is warmed up by what precedes it") {
  // Three lanes of 34, 34 and 33 tokens; with 33 of warm-up the later ones start one token after the lane before.
  const std::vector<Id> text = random_text(101, 2), before = random_text(50, 3);
  const auto part = [&](std::ptrdiff_t from, std::ptrdiff_t to) {
    return std::vector<Id>(text.begin() + from, text.begin() + to);
  };
  const double first = by_prefixes(part(0, 34));
  const double others = by_prefixes(part(34, 68), part(1, 34)) + by_prefixes(part(68, 101), part(35, 68));
  CHECK(model.evaluate(text, {}, {.lanes = 5, .warm_up = 33, .steps = 10}) ==
        doctest::Approx(-(first + others) / 101).epsilon(1e-12));
  // the first lane's warm-up: the last 33 of `before`
  const std::vector<Id> last(before.end() - 33, before.end());
  const double after = by_prefixes(part(0, 34), last) + others;
  CHECK(model.evaluate(text, before, {.lanes = 5, .warm_up = 33, .steps = 10}) ==
        doctest::Approx(-after / 101).epsilon(1e-12));
}

TEST_CASE("a zero head gives ln V") {
  Params params(1);
  const LanguageModel<Gru> model(params / "lm", 10'000, {.embed = 4, .hidden = 5});
  params["lm.head.w"].set(Array::zeros({5, 10'000}, f32));
  CHECK(model.evaluate({5, 0, 9'999}) == doctest::Approx(9.210340).epsilon(1e-6));
}

TEST_CASE("before the first token there is a zero vector") {
  Params params(1, f64);
  const LanguageModel<Rnn> model(params / "lm", vocabulary, {.embed = 3, .hidden = 4});
  const Rnn rnn = [&] {  // the same cell by hand
    Params own(9, f64);
    Rnn cell(own / "cell", 3, 4);
    cell.wx.set(params["lm.cell.wx"].value());
    cell.wh.set(params["lm.cell.wh"].value());
    return cell;
  }();
  const auto state = advance(rnn, Tensor::zeros({1, 3}, f64), rnn.zero_state(1));
  const Tensor expected = affine(state.a, params["lm.head.w"], params["lm.head.b"]);
  const Tensor logits = model(Ids({before_first}, 1, 1), model.zero_state(1)).logits;
  for (Index i = 0; i < vocabulary; ++i) CHECK(logits.value().flat(i) == doctest::Approx(expected.value().flat(i)));
}

TEST_CASE("gradients, of tied weights and with a start among the ids too") {
  const Ids ids({1, before_first, 2, 3, 4, 5}, 3, 2), targets({1, 2, 3, 4, 5, 6}, 3, 2);
  for (const bool tied : {false, true}) {
    Params params(2, f64);
    const Stack cells({Gru(params / "a", 4, 5), Lstm(params / "b", 5, 4)});
    const LanguageModel<Stack> model(params, vocabulary, {.embed = 4, .tied = tied}, cells);
    CHECK(params.contains("head.w") == !tied);
    const auto report = check_model(
        params, [&] { return cross_entropy(model(ids, model.zero_state(2)).logits, targets, Reduce::per_token); });
    INFO(report.str());
    CHECK(report.passed());
  }
}

TEST_CASE_FIXTURE(Fixture, "generate writes what the model finds probable") {
  Random random(1);
  // at temperature 0, the arg max of each step
  std::vector<Id> inputs{before_first, 2, 4}, expected;
  for (int i = 0; i < 10; ++i) {
    const auto row = log_p(inputs).back();
    expected.push_back(static_cast<Id>(std::max_element(row.begin(), row.end()) - row.begin()));
    inputs.push_back(expected.back());
  }
  CHECK(model.generate({2, 4}, 10, {.temperature = 0}, random) == expected);
  CHECK(model.generate({2, 4}, 0, {}, random).empty());
  // it stops after the stop token, which is part of the result
  const auto stopped = model.generate({2, 4}, 10, {.temperature = 0}, random, expected[0]);
  CHECK(stopped == std::vector<Id>{expected[0]});
  // the first token follows p(x<1>): χ² over 20,000 draws, 99.9 % quantile with 6 degrees of freedom
  std::vector<double> counts(vocabulary, 0.0);
  for (int i = 0; i < 20'000; ++i) ++counts[static_cast<Index>(model.generate({}, 1, {}, random)[0])];
  const auto first = log_p({before_first})[0];
  double sum = 0;
  for (Index i = 0; i < vocabulary; ++i) {
    const double n = 20'000 * std::exp(first[i]);
    sum += (counts[i] - n) * (counts[i] - n) / n;
  }
  CHECK(sum < 22.46);
  // the same text for a seed; a banned token never
  Random a(8), b(8);
  const auto text = model.generate({}, 200, {.banned = {3}}, a);
  CHECK(text == model.generate({}, 200, {.banned = {3}}, b));
  CHECK(std::count(text.begin(), text.end(), 3) == 0);
}

TEST_CASE("dropout is off where nothing is learned, also under a tape") {
  Params params(4, f64);
  const Stack cells({Lstm(params / "a", 3, 4), Rnn(params / "b", 4, 4)}, Dropout(params, 0.5));
  const LanguageModel<Stack> model(params, vocabulary, {.embed = 3, .dropout = 0.5}, cells);
  const std::vector<Id> text = random_text(30, 5);
  const double log_p = model.log_probability(text), nats = model.evaluate(text);
  Random a(1), b(1);
  const auto written = model.generate({1}, 30, {}, a);
  const Tape tape;
  CHECK(model.log_probability(text) == log_p);
  CHECK(model.evaluate(text) == nats);
  CHECK(model.generate({1}, 30, {}, b) == written);
}

TEST_CASE("wrong calls are named") {
  Params params(1);
  CHECK_THROWS_WITH_AS((LanguageModel<Rnn>(params / "a", 5, {.embed = 3, .hidden = 4, .tied = true})),
                       "LanguageModel: tied weights need embed (3) equal to hidden (4)", UsageError);
  const LanguageModel<Rnn> model(params / "b", 5, {.embed = 3, .hidden = 4});
  CHECK_THROWS_WITH_AS(model.evaluate({}), "LanguageModel: there is no token to evaluate", UsageError);
  CHECK_THROWS_WITH_AS(model.evaluate({1}, {}, {.lanes = 0}), "LanguageModel: evaluation in 0 lanes of 64 steps",
                       UsageError);
  CHECK_THROWS_WITH_AS(model.log_probability({1, 5, 2}),
                       doctest::Contains("target 5 of step 1, sequence 0 is outside 0 … 4"), UsageError);
}
