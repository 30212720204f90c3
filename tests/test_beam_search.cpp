// Beam search against all sequences, and what it promises beside greedy decoding.
#include <array>
#include <functional>

#include <unroll/layers/beam_search.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Id stop = 0;
constexpr Index classes = 4;

/// A network whose logits depend on the last two tokens, different for each sequence.
struct Chain {
  Array table;  // [sequences, V · V, V]

  struct State {
    Tensor source;    // [rows, 1]
    Tensor previous;  // [rows, 1]
  };
  explicit Chain(Index sequences, std::uint64_t seed)
      : table(random_array({sequences, classes * classes, classes}, seed)) {}

  State start() const {
    Array source = Array::zeros({table.shape()[0], 1}, f64);
    for (Index i = 0; i < source.size(); ++i) source.set_flat(i, static_cast<double>(i));
    return {source, Array::zeros(source.shape(), f64)};
  }
  Index row(Index source, Id before, Id last) const {
    return (source * classes + static_cast<Index>(before)) * classes + static_cast<Index>(last);
  }
  struct Next {
    Tensor logits;
    State state;
  };
  Next operator()(const Ids& ids, const State& s) const {
    Array logits = Array::zeros({ids.size(), classes}, f64), last = Array::zeros({ids.size(), 1}, f64);
    for (Index i = 0; i < ids.size(); ++i) {
      const Index from =
          row(static_cast<Index>(s.source.value().flat(i)), static_cast<Id>(s.previous.value().flat(i)), ids[i]);
      for (Index c = 0; c < classes; ++c) logits.set_flat(i * classes + c, table.flat(from * classes + c));
      last.set_flat(i, static_cast<double>(ids[i]));
    }
    return {logits, {s.source, last}};
  }
  std::vector<double> log_p(Index source, Id before, Id last) const {
    const auto z = [&](Index c) { return table.flat(row(source, before, last) * classes + c); };
    std::vector<double> p;
    double total = 0;
    for (Index c = 0; c < classes; ++c) total += std::exp(z(c));
    for (Index c = 0; c < classes; ++c) p.push_back(z(c) - std::log(total));
    return p;
  }
};

/// All hypotheses of a sequence: those that stop, and those cut off at `longest`.
std::vector<Hypothesis> every(const Chain& chain, Index source, Index longest) {
  std::vector<Hypothesis> all;
  const std::function<void(Hypothesis, Id, Id)> extend = [&](Hypothesis h, Id before, Id last) {
    const auto p = chain.log_p(source, before, last);
    for (Id token = 0; token < static_cast<Id>(classes); ++token) {
      Hypothesis next = h;
      next.log_probability += p[static_cast<Index>(token)];
      next.stopped = token == stop;
      if (!next.stopped) next.ids.push_back(token);
      if (next.stopped || next.ids.size() == longest) {
        all.push_back(next);
      } else {
        extend(next, last, token);
      }
    }
  };
  extend({}, 0, stop);
  std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.log_probability > b.log_probability; });
  return all;
}

Hypothesis greedy(const Chain& chain, Index source, Index longest) {
  Hypothesis h;
  for (Id before = 0, last = stop; h.ids.size() < longest;) {
    const auto p = chain.log_p(source, before, last);
    const auto top = static_cast<Id>(std::max_element(p.begin(), p.end()) - p.begin());
    h.log_probability += p[static_cast<Index>(top)];
    if (top == stop) break;
    h.ids.push_back(top);
    before = std::exchange(last, top);
  }
  return h;
}

}  // namespace

TEST_CASE("beam search: a beam as wide as everything finds the most probable sequences") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Chain chain(3, seed);
    const auto found = beam_search(chain, chain.start(), 3, stop, stop, {.beam = 400, .max_length = 4, .n_best = 5});
    REQUIRE(found.size() == 3);
    for (Index source = 0; source < 3; ++source) {
      const auto all = every(chain, source, 4);
      REQUIRE(found[source].size() == 5);
      for (Index k = 0; k < 5; ++k) {
        CHECK(found[source][k].ids == all[k].ids);
        CHECK(found[source][k].stopped == all[k].stopped);
        CHECK(found[source][k].log_probability == doctest::Approx(all[k].log_probability).epsilon(1e-12));
        CHECK(found[source][k].score == found[source][k].log_probability);
      }
    }
  }
}

TEST_CASE("beam search: a beam of one is greedy, and a wider one never less probable") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Chain chain(2, seed);
    for (Index source = 0; source < 2; ++source) {
      const Hypothesis expected = greedy(chain, source, 12);
      const auto one = beam_search(chain, chain.start(), 2, stop, stop, {.beam = 1, .max_length = 12})[source];
      REQUIRE(one.size() == 1);
      CHECK(one[0].ids == expected.ids);
      CHECK(one[0].log_probability == doctest::Approx(expected.log_probability).epsilon(1e-12));
      for (const Index beam : std::initializer_list<Index>{2, 3, 5, 9}) {
        const auto best = beam_search(chain, chain.start(), 2, stop, stop, {.beam = beam, .max_length = 12})[source];
        CHECK(best[0].log_probability >= one[0].log_probability - 1e-12);
      }
    }
  }
}

TEST_CASE("beam search: the greedy beginning is kept though two others are more probable for a while") {
  Chain chain(1, 1);
  const auto set = [&](Id before, Id last, const std::array<double, classes>& p) {
    for (Index c = 0; c < classes; ++c) chain.table.set_flat(chain.row(0, before, last) * classes + c, std::log(p[c]));
  };
  set(0, stop, {1e-9, 0.4, 0.35, 0.25});
  set(stop, 1, {0.24, 0.28, 0.24, 0.24});  // 1 1 has 0.112 …
  set(stop, 2, {1e-9, 0.5, 0.5, 1e-9});    // … and 2 1 and 2 2 have 0.175 each, which then falls to a quarter of it
  set(stop, 3, {0.25, 0.25, 0.25, 0.25});
  set(1, 1, {1, 1e-9, 1e-9, 1e-9});
  set(2, 1, {0.25, 0.25, 0.25, 0.25});
  set(2, 2, {0.25, 0.25, 0.25, 0.25});
  const Hypothesis best = beam_search(chain, chain.start(), 1, stop, stop, {.beam = 2, .max_length = 3})[0][0];
  CHECK(best.ids == std::vector<Id>{1, 1});
  CHECK(best.log_probability == doctest::Approx(std::log(0.4 * 0.28)).epsilon(1e-6));
}

TEST_CASE("beam search: of equally probable sequences the earlier beginning's and the lower tokens go on") {
  Chain chain(1, 1);
  chain.table = Array::zeros(chain.table.shape(), f64);
  const auto found = beam_search(chain, chain.start(), 1, stop, stop, {.beam = 2, .max_length = 2, .n_best = 2})[0];
  REQUIRE(found.size() == 2);
  CHECK(found[0].ids.empty());  // a quarter, as every single token
  CHECK(found[1].ids == std::vector<Id>{1});
  CHECK(found[1].stopped);
}

TEST_CASE("beam search: sequences do not depend on the others of a batch") {
  const Chain both(2, 5);
  const auto together = beam_search(both, both.start(), 2, stop, stop, {.beam = 3, .max_length = 8, .n_best = 3});
  for (Index source = 0; source < 2; ++source) {
    Chain one(1, 5);
    one.table = both.table.part(source * classes * classes, 0, {1, classes * classes, classes}).copy();
    const auto alone = beam_search(one, one.start(), 1, stop, stop, {.beam = 3, .max_length = 8, .n_best = 3})[0];
    REQUIRE(alone.size() == together[source].size());
    for (Index k = 0; k < alone.size(); ++k) CHECK(alone[k].ids == together[source][k].ids);
  }
}

TEST_CASE("beam search: the length penalty divides by ((5 + length) / 6)^alpha and favours longer ones") {
  const Chain chain(1, 3);
  const auto found = beam_search(chain, chain.start(), 1, stop, stop,
                                 {.beam = 200, .max_length = 4, .length_penalty = 1, .n_best = 20})[0];
  for (Index k = 0; k < found.size(); ++k) {
    const double length = static_cast<double>(found[k].ids.size()) + (found[k].stopped ? 1 : 0);
    CHECK(found[k].score == doctest::Approx(found[k].log_probability / ((5 + length) / 6)));
    if (k > 0) CHECK(found[k - 1].score >= found[k].score);
  }
}

TEST_CASE("beam search: NaN logits end in a result, and options are checked") {
  const auto nan = [](const Ids& ids, const Chain::State& s) {
    return Chain::Next{Tensor::full({ids.size(), classes}, std::nan(""), f64), s};
  };
  const Chain chain(1, 1);
  CHECK(beam_search(nan, chain.start(), 1, stop, stop, {.beam = 2, .max_length = 3})[0].size() == 1);
  CHECK(beam_search(chain, chain.start(), 1, stop, stop, {.max_length = 0})[0][0].ids.empty());
  const auto refused = [&](const BeamOptions& options) {
    return message_of<UsageError>([&] { beam_search(chain, chain.start(), 1, stop, stop, options); });
  };
  CHECK(refused({.beam = 0}) == "beam_search: a beam of 0; at least one beginning must be kept");
  CHECK(refused({.beam = 2, .n_best = 3}) == "beam_search: the 3 best of a beam of 2; n_best must be 1 … beam");
  CHECK(refused({.length_penalty = -1}) == "beam_search: a length penalty of -1; it must not be negative");
  const auto wrong = [](const Ids&, const Chain::State& s) { return Chain::Next{Tensor::zeros({7, classes}), s}; };
  CHECK(message_of([&] { beam_search(wrong, chain.start(), 1, stop, stop); }) ==
        "beam_search: the step returned logits [7, 4] for 1 tokens; they must be [tokens, V]");
}
