// Truncated backpropagation with a state carried by the loader, against loops written by hand.
#include <unroll/data/batches.h>
#include <unroll/layers/language_model.h>
#include <unroll/layers/stateful.h>
#include <unroll/optim/sgd.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index vocabulary = 7, lanes = 3;

std::vector<Id> text(Index length, Id step = 5) {
  std::vector<Id> ids;
  for (Index i = 0; i < length; ++i)
    ids.push_back(static_cast<Id>((i * i + i / 3 * static_cast<Index>(step)) % vocabulary));
  return ids;
}

struct Model {
  Params params{1, f64};
  LanguageModel<Lstm> lm{params, vocabulary, {.embed = 4, .hidden = 5}};
  Model() { params.fill(uniform(0.8)); }

  std::vector<Array> gradients(const Grads& grads) const {
    std::vector<Array> all;
    for (const Param& p : params) all.push_back(grads[p]);
    return all;
  }
};

void check_close(const std::vector<Array>& a, const std::vector<Array>& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (Index i = 0; i < a.size(); ++i) CHECK(distance(a[i], b[i]) <= tolerance);
}

Ids between(const Ids& ids, Index from, Index to) {
  Ids part = Ids::filled(to - from, ids.dim(1), 0);
  for (Index t = from; t < to; ++t) {
    for (Index b = 0; b < ids.dim(1); ++b) part(t - from, b) = ids(t, b);
  }
  return part;
}

}  // namespace

TEST_CASE("stateful: the loop of the README, with less to write") {
  const Stream batches = stream(text(80), {.lanes = lanes, .steps = 6});
  Model by_hand, by_loader;
  std::vector<double> expected, losses;
  Sgd hand({.rate = 0.5}), loader({.rate = 0.5});
  for (int epoch = 0; epoch < 2; ++epoch) {
    auto carried = by_hand.lm.zero_state(lanes);
    for (const Batch& batch : batches) {
      Tape tape;
      auto [logits, last] = by_hand.lm(batch.ids, carried);
      const Tensor loss = cross_entropy(logits, batch.targets, Reduce::per_token);
      expected.push_back(loss.item());
      hand.step(by_hand.params, tape.backward(loss));
      carried = detach(last);
    }
    for (auto& [batch, state] : stateful(batches, by_loader.lm)) {
      Tape tape;
      auto [logits, last] = by_loader.lm(batch.ids, state);
      const Tensor loss = cross_entropy(logits, batch.targets, Reduce::per_token);
      losses.push_back(loss.item());
      loader.step(by_loader.params, tape.backward(loss));
      state = last;
    }
  }
  CHECK(losses == expected);
  CHECK(losses.size() == 2 * batches.size());
  for (Index i = 0; i < by_hand.params.size(); ++i) {
    const std::string& name = (by_hand.params.begin() + static_cast<std::ptrdiff_t>(i))->name();
    CHECK(same_bits(by_hand.params[name].value(), by_loader.params[name].value()));
  }
}

TEST_CASE("stateful: every k1 steps, through the last k2") {
  const Model model;
  const Stream batches = stream(text(100), {.lanes = lanes, .steps = 4}),
               whole = stream(text(100), {.lanes = lanes, .steps = 33});
  const Ids all = whole[0].ids, targets = whole[0].targets;
  for (const Index through : {4u, 5u, 7u, 8u, 9u, 14u, 16u, 33u, 100u}) {
    CAPTURE(through);
    Index end = 0;
    for (auto& [batch, state] : stateful(batches, model.lm, {.through = through})) {
      const Index begin = end;
      end += batch.ids.dim(0);
      Tape tape;
      auto [logits, last] = model.lm(batch.ids, state);
      const auto ours = model.gradients(tape.backward(cross_entropy(logits, batch.targets, Reduce::sum)));
      state = last;

      // By hand: the state before the window without a tape, then the window, of which the last steps have a loss.
      const Index start = end > through ? end - through : 0;
      std::vector<Array> expected;
      auto from = model.lm.zero_state(lanes);
      {
        const Tape forgotten;
        if (start > 0) from = detach(model.lm(between(all, 0, start), from).last);
      }
      Tape again;
      const Tensor window = model.lm(between(all, start, end), from).logits;
      const Tensor loss =
          cross_entropy(slice(window, 0, begin - start, end - start), between(targets, begin, end), Reduce::sum);
      check_close(ours, model.gradients(again.backward(loss)), 1e-12);
    }
    CHECK(end == 33);
  }
}

TEST_CASE("stateful: with k2 = T the gradients of all batches are those of full backpropagation") {
  const Model model;
  const Stream batches = stream(text(100), {.lanes = lanes, .steps = 5});
  Grads sum_of;
  for (auto& [batch, state] : stateful(batches, model.lm, {.through = 33})) {
    Tape tape;
    auto [logits, last] = model.lm(batch.ids, state);
    sum_of += tape.backward(cross_entropy(logits, batch.targets, Reduce::sum));
    state = last;
  }
  const Batch all = stream(text(100), {.lanes = lanes, .steps = 33})[0];
  Tape tape;
  const auto full =
      tape.backward(cross_entropy(model.lm(all.ids, model.lm.zero_state(lanes)).logits, all.targets, Reduce::sum));
  check_close(model.gradients(sum_of), model.gradients(full), 1e-11);
}

TEST_CASE("stateful: while the parameters change, the window sees what they are now") {
  const Stream batches = stream(text(61), {.lanes = lanes, .steps = 4});
  constexpr Index through = 8;  // this batch and the one before
  Model by_hand, by_loader;
  Sgd hand({.rate = 0.5}), loader({.rate = 0.5});
  std::vector<double> expected, losses;
  auto before_last = by_hand.lm.zero_state(lanes), carried = before_last;
  for (Index k = 0; k < batches.size(); ++k) {
    const Batch batch = batches[k];
    Tape tape;
    auto start = carried;
    if (k > 0) start = by_hand.lm(batches[k - 1].ids, before_last).last;
    before_last = detach(start);
    auto [logits, last] = by_hand.lm(batch.ids, start);
    const Tensor loss = cross_entropy(logits, batch.targets, Reduce::per_token);
    expected.push_back(loss.item());
    hand.step(by_hand.params, tape.backward(loss));
    carried = detach(last);
  }
  for (auto& [batch, state] : stateful(batches, by_loader.lm, {.through = through})) {
    Tape tape;
    auto [logits, last] = by_loader.lm(batch.ids, state);
    const Tensor loss = cross_entropy(logits, batch.targets, Reduce::per_token);
    losses.push_back(loss.item());
    loader.step(by_loader.params, tape.backward(loss));
    state = last;
  }
  CHECK(losses == expected);
}

namespace {

/// Batches of two texts, one after the other: the second begins anew, in fewer lanes.
std::vector<Batch> two_texts() {
  std::vector<Batch> all;
  for (const Batch& batch : stream(text(40), {.lanes = lanes, .steps = 4})) all.push_back(batch);
  for (const Batch& batch : stream(text(30, 2), {.lanes = 2, .steps = 4})) all.push_back(batch);
  return all;
}

}  // namespace

TEST_CASE("stateful: a batch that is first starts from zero, and nothing goes back beyond it") {
  const Model model;
  for (const Index through : {0u, 100u}) {
    for (auto& [batch, state] : stateful(two_texts(), model.lm, {.through = through})) {
      Tape tape;
      const Lstm::State start = state;
      CHECK(start.h.dim(0) == batch.ids.dim(1));
      CHECK(start.h.recorded() == (through > 0 && !batch.first));
      if (batch.first) CHECK(same_bits(start.h.value(), Array::zeros({batch.ids.dim(1), 5}, f64)));
      state = model.lm(batch.ids, start).last;
    }
  }
}

TEST_CASE("stateful: evaluation without a tape reads everything once") {
  const Model model;
  double one_by_one = 0;
  for (auto& [batch, state] : stateful(stream(text(100), {.lanes = lanes, .steps = 4}), model.lm, {.through = 8})) {
    auto [logits, last] = model.lm(batch.ids, state);
    one_by_one += cross_entropy(logits, batch.targets, Reduce::sum).item();
    state = last;
  }
  const Batch all = stream(text(100), {.lanes = lanes, .steps = 33})[0];
  const Tensor logits = model.lm(all.ids, model.lm.zero_state(lanes)).logits;
  CHECK(one_by_one == doctest::Approx(cross_entropy(logits, all.targets, Reduce::sum).item()).epsilon(1e-13));
}

TEST_CASE("stateful: what it refuses") {
  const Model model;
  const auto run = [&](const auto& batches, Index through, auto body) {
    return message_of<UsageError>([&] {
      for (auto& [batch, state] : stateful(batches, model.lm, {.through = through})) {
        Tape tape;
        auto [logits, last] = model.lm(batch.ids, state);
        body(state, last);
      }
    });
  };
  const Stream batches = stream(text(40), {.lanes = lanes, .steps = 4});
  CHECK(run(batches, 0, [](auto&, auto&) {}) ==
        "stateful: the state after a batch was not handed on; end the loop's body with `state = last;`");
  CHECK(run(batches, 3, [](auto& state, auto& last) { state = last; }) ==
        "truncated backpropagation: through 3 steps after every 4; it must be at least as many");
  std::vector<Batch> mixed = two_texts();
  for (Batch& batch : mixed) batch.first = false;
  mixed[0].first = true;
  CHECK(run(mixed, 0, [](auto& state, auto& last) { state = last; }) ==
        "stateful: a batch of 2 lanes goes on where one of 3 ended; only one that is `first` may start anew");
}

TEST_CASE("BpttWindow: any model, here a layer over tensors, in pieces of several lengths") {
  Params params(1, f64);
  const Gru cell(params, 2, 4);
  const Tensor xs = random_array({20, lanes, 2}, 3);
  const Gru::State start = random_state(cell.zero_state(lanes), 4);
  for (const Index through : {6u, 7u, 20u}) {
    BpttWindow<Gru::State, Tensor> window(through);
    CHECK_THROWS_WITH_AS(window.after(slice(xs, 0, 0, 3), start),
                         "BpttWindow: there is no state before these inputs; reset comes first", UsageError);
    window.reset(start);
    Index begin = 0;
    for (const Index n : {3u, 6u, 1u, 5u, 2u, 3u}) {
      const Index end = begin + n, from = end > through ? end - through : 0;
      const Tensor piece = slice(xs, 0, begin, end);
      Tape tape;
      const Gru::State before =
          window.before(n, [&](const Tensor& x, const Gru::State& state) { return scan(cell, x, state).last; });
      const auto scanned = scan(cell, piece, before);
      const Grads ours = tape.backward(sum(scanned.outputs * scanned.outputs));
      window.after(piece, scanned.last);

      Gru::State state = start;
      if (from > 0) {
        const Tape forgotten;
        state = detach(scan(cell, slice(xs, 0, 0, from), start).last);
      }
      Tape again;
      const Tensor all = scan(cell, slice(xs, 0, from, end), state).outputs,
                   last = slice(all, 0, begin - from, end - from);
      const Grads expected = again.backward(sum(last * last));
      for (const Param& p : params) CHECK(distance(ours[p], expected[p]) <= 1e-12);
      begin = end;
    }
  }
}
