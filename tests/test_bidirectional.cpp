// Bidirectional: each sequence from both of its ends, and what only the whole sequence tells.
#include <unroll/layers/bidirectional.h>
#include <unroll/layers/linear.h>
#include <unroll/layers/stack.h>
#include <unroll/layers/wrappers.h>
#include <unroll/optim/adam.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index in = 2, steps = 5;

template <class L>
concept Streams = requires(const L& layer, const Tensor& x, const typename L::State& s) { advance(layer, x, s); };

}  // namespace

TEST_CASE("Bidirectional: both cells side by side, each sequence reversed within its own length") {
  Params params(1, f64);
  const Bidirectional<Lstm, Gru> both(Lstm(params / "there", in, 3), Gru(params / "back", in, 4));
  CHECK(both.size() == 7);
  const std::vector<Index> lengths{3, 5, 1};
  const Tensor xs = random_array({steps, 3, in}, 2);
  const auto start = random_state(both.zero_state(3), 3);
  const auto scanned = scan(both, xs, start, {.lengths = lengths});
  CHECK(scanned.outputs.shape() == Shape{steps, 3, 7});

  const auto there = scan(both.forward, xs, start.forward, {.lengths = lengths});
  CHECK(same_bits(slice(scanned.outputs, -1, 0, 3), there.outputs));
  // The backward half by hand: turn each sequence round, scan, turn it back.
  const auto back = scan(both.backward, flip(xs, lengths), start.backward, {.lengths = lengths});
  CHECK(distance(slice(scanned.outputs, -1, 3, 7), flip(back.outputs, lengths)) <= 1e-14);

  // Both end states by name: forward's after the last step, backward's after the first; the output joins theirs.
  CHECK(same_bits(output(both, scanned.last), concat({scanned.last.forward.h, scanned.last.backward.c})));
  CHECK(same_bits(scanned.last.forward.c, there.last.c));
  CHECK(distance(scanned.last.backward.c, back.last.c) <= 1e-14);
  for (Index b = 0; b < 3; ++b) {
    const auto output_at = [&](Index t, Index from, Index to) {
      return slice(slice(at(scanned.outputs, t), 0, b, b + 1), -1, from, to);
    };
    CHECK(same_bits(slice(scanned.last.forward.h, 0, b, b + 1), output_at(lengths[b] - 1, 0, 3)));
    CHECK(same_bits(slice(scanned.last.backward.c, 0, b, b + 1), output_at(0, 3, 7)));
  }
}

TEST_CASE("Bidirectional in reverse exchanges the directions of its halves") {
  Params params(1, f64);
  const Bidirectional<Rnn> both(params / "both", in, 3);
  const Tensor xs = random_array({steps, 2, in}, 2);
  const auto reversed = scan(both, xs, {.reverse = true});
  CHECK(same_bits(reversed.last.forward.a, at(slice(reversed.outputs, -1, 0, 3), 0)));
  CHECK(same_bits(reversed.last.backward.a, at(slice(reversed.outputs, -1, 3, 6), steps - 1)));
}

TEST_CASE("Bidirectional makes its cells in scopes of their own, with the options it is given") {
  Params params(1);
  const Bidirectional<Lstm> both(params / "both", in, 3, LstmOptions{.forget_bias = 2});
  for (const char* name : {"both.forward.wx", "both.forward.wh", "both.forward.b", "both.backward.wx",
                           "both.backward.wh", "both.backward.b"}) {
    CHECK(params.contains(name));
  }
  CHECK(params.size() == 6);
  CHECK_FALSE(same_bits(both.forward.wx.value(), both.backward.wx.value()));
  CHECK(both.forward.b.value().flat(3) == 2);
  CHECK(both.backward.b.value().flat(3) == 2);
}

TEST_CASE("a Bidirectional layer cannot be streamed") {
  static_assert(Streams<Lstm> && Streams<Rnn> && Streams<Stack>);
  static_assert(!Streams<Bidirectional<Lstm>> && !Streams<Bidirectional<Rnn, Gru>>);
  static_assert(!Cell<Bidirectional<Lstm>>);
  // In a Stack it is known at run time only.
  Params params(1);
  const Stack stack({Bidirectional<Rnn>(params / "a", in, 3), Rnn(params / "b", 6, 3)});
  CHECK(message_of<UsageError>([&] {
          advance(stack, Tensor::zeros({2, in}), stack.zero_state(2));
        }) == "a bidirectional layer cannot run step by step: its backward half starts at the end of the sequence");
  scan(stack, Tensor::zeros({steps, 2, in}));  // as a whole it runs
}

TEST_CASE("the label is the next token: one direction stays at chance, both get it") {
  constexpr Index tokens = 4, length = 8, batch = 64;
  Random random(1);
  // x one-hot; the label at t is the token at t + 1, and the last step has none.
  const auto draw = [&] {
    Ids ids = Ids::filled(length, batch, 0);
    for (Index i = 0; i < ids.size(); ++i) ids[i] = static_cast<Id>(random.below(tokens));
    return ids;
  };
  const auto one_hot = [](const Ids& ids) {
    Array x = Array::zeros({length, batch, tokens}, f32);
    for (Index i = 0; i < ids.size(); ++i) x.set_flat(i * tokens + static_cast<Index>(ids[i]), 1);
    return Tensor(x);
  };
  const auto labels = [](const Ids& ids) {
    Ids next = ids;
    for (Index t = 0; t + 1 < length; ++t) {
      for (Index b = 0; b < batch; ++b) next(t, b) = ids(t + 1, b);
    }
    return next;
  };
  const std::vector<Index> lengths(batch, length - 1);  // of the labels
  const auto accuracy = [&](auto make) {
    Params params(2);
    const auto layer = make(params / "layer");
    const Linear head(params / "head", layer.size(), tokens);
    Adam adam({.rate = 0.02});
    for (int step = 0; step < 200; ++step) {
      const Ids ids = draw();
      Tape tape;
      const Tensor logits = head(scan(layer, one_hot(ids)).outputs);
      adam.step(params, tape.backward(cross_entropy(logits, labels(ids), Reduce::per_token, lengths)));
    }
    Index right = 0, all = 0;
    for (int round = 0; round < 4; ++round) {
      const Ids ids = draw(), wanted = labels(ids);
      const Tensor logits = head(scan(layer, one_hot(ids)).outputs);
      for (Index i = 0; i < (length - 1) * batch; ++i, ++all) {
        Id best = 0;
        for (Id v = 1; v < static_cast<Id>(tokens); ++v) {
          const auto score = [&](Id id) { return logits.value().flat(i * tokens + static_cast<Index>(id)); };
          if (score(v) > score(best)) best = v;
        }
        right += best == wanted[i] ? 1 : 0;
      }
    }
    return static_cast<double>(right) / static_cast<double>(all);
  };
  // Chance is 0.25; of 1,792 guesses its standard deviation is 0.01.
  CHECK(accuracy([](const Scope& p) { return Rnn(p, tokens, 16); }) == doctest::Approx(0.25).epsilon(0.2));
  CHECK(accuracy([](const Scope& p) { return Bidirectional<Rnn>(p, tokens, 8); }) > 0.99);
}

TEST_CASE("Bidirectional: the dropped weights of both halves are the same for as long as they are held") {
  Params params(1, f64);
  const Lstm lstm(params / "lstm", 3, 4);
  const Tensor xs = random_array({6, 3, 3}, 2);
  const Tape tape;
  const Bidirectional both(WeightDrop(params, lstm, 0.5), WeightDrop(params, lstm, 0.5));
  CHECK(substitutes(both).size() == 2);
  CHECK(substitutes(Stack({both})).size() == 2);
  CHECK_FALSE(same_bits(scan(both, xs).outputs, scan(both, xs).outputs));
  const auto held = substitutes(both);
  CHECK(same_bits(scan(both, xs).outputs, scan(both, xs).outputs));
}
