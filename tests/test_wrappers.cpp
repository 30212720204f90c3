// Residual, Projected and ResetWhere: what they compute; and that wrapped cells run wherever a cell does.
#include <unroll/layers/language_model.h>
#include <unroll/optim/adam.h>

#include "ragged_testing.h"
#include "wrapper_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index width = 3, steps = 6, batch = 4;
constexpr double nan_ = std::numeric_limits<double>::quiet_NaN();

/// Calls f(name, layer, in) for wrapped cells without randomness.
template <class F>
void for_each_plain_wrapper(Params& params, F f) {
  const Lstm lstm(params / "lstm", width, width);
  const Gru gru(params / "gru", width, width);
  f("Residual<Lstm>", Residual(lstm), width);
  f("Residual<Residual<Gru>>", Residual<Residual<Gru>>(Residual(gru)), width);
  f("Projected<Lstm>", Projected(params / "p", lstm, 2), width);
  f("Residual<Projected<ProjectedLstm>>",
    Residual(Projected(params / "q", ProjectedLstm(params / "r", width, 5, 2), width)), width);
  f("ResetWhere<Lstm>", ResetWhere(lstm), width + 1);
  f("ResetWhere<Residual<Gru>>", ResetWhere<Residual<Gru>>(Residual(gru)), width + 1);
  f("Projected<ResetWhere<Gru>>", Projected(params / "s", ResetWhere(gru), 2), width + 1);
}

/// Which sequence is reset before which step.
Tensor some_resets(Dtype dtype) {
  Array resets = Array::zeros({steps, batch}, dtype);
  const auto set = [&](Index t, Index b) { resets.set_flat(t * batch + b, 1); };
  set(0, 0);
  set(2, 1);
  set(2, 3);
  set(4, 1);
  set(5, 2);
  return resets;
}

}  // namespace

static_assert(Cell<Residual<Lstm>> && Cell<Projected<Lstm>> && Cell<ResetWhere<Lstm>> && Cell<Zoneout<Lstm>> &&
              Cell<WeightDrop<Lstm>> && Cell<VariationalDropout<Lstm>> && Cell<Residual<AnyLayer>> &&
              Cell<ResetWhere<Stack>>);

TEST_CASE("Residual: inputs and outputs added; the recurrence is the bare cell's") {
  Params params(1, f64);
  const Gru gru(params / "gru", width, width);
  const Residual cell(gru);
  const Tensor xs = random_array({steps, batch, width}, 2);
  const auto bare = scan(gru, xs);
  const auto wrapped = scan(cell, xs);
  CHECK(same_bits(wrapped.outputs, xs + bare.outputs));
  CHECK(same_bits(wrapped.last.inner.c, bare.last.c));
  CHECK(same_bits(wrapped.last.y, at(wrapped.outputs, steps - 1)));
}

TEST_CASE("Residual: inputs of another width are refused") {
  Params params(1);
  const Residual cell(Lstm(params / "lstm", 2, width));
  CHECK(message_of([&] {
          scan(cell, Tensor::zeros({steps, batch, 2}));
        }) ==
        "Residual: the input is [6, 4, 2] and the outputs have 3 features; to be added they must be equally wide");
  CHECK(message_of([&] {
          advance(cell, Tensor::zeros({batch, 2}), cell.zero_state(batch));
        }) == "Residual: the input is [4, 2] and the outputs have 3 features; to be added they must be equally wide");
  const Residual dropped(VariationalDropout(params, cell.cell, {}));
  CHECK(message_of([&] {
          scan(dropped, Tensor::zeros({steps, batch, 2}));
        }) ==
        "Residual: the input is [6, 4, 2] and the outputs have 3 features; to be added they must be equally wide");
}

TEST_CASE("wrappers without parameters make their cell in the scope they are given, under its own names") {
  Params params(1), bare(1);
  const Bidirectional<Residual<Lstm>> both(params / "both", width, width, LstmOptions{.forget_bias = 2});
  const ResetWhere<Lstm> resets(params / "resets", width, width);
  const Bidirectional<Lstm> same(bare / "both", width, width, LstmOptions{.forget_bias = 2});
  for (const Param& p : bare) CHECK(same_bits(params[p.name()].value(), p.value()));
  CHECK(params.contains("resets.wx"));
}

TEST_CASE("Projected: the outputs through a linear map, so layers of different sizes stack at one width") {
  Params params(1, f64);
  const Lstm lstm(params / "lstm", width, 7);
  const Projected cell(params / "lstm", lstm, width);
  CHECK(cell.size() == width);
  CHECK(params["lstm.w"].shape() == Shape{7, width});
  const Tensor xs = random_array({steps, batch, width}, 2);
  const std::vector<Index> lengths{6, 2, 5, 1};
  const auto bare = scan(lstm, xs, {.lengths = lengths}), wrapped = scan(cell, xs, {.lengths = lengths});
  CHECK(same_bits(wrapped.outputs, matmul(bare.outputs, cell.w)));
  CHECK(same_bits(wrapped.last.c, bare.last.c));
  CHECK(same_bits(output(cell, wrapped.last), matmul(bare.last.h, cell.w)));

  const Stack stack({Residual(cell), Residual(Projected(params / "gru", Gru(params / "gru", width, 4), width))});
  CHECK(scan(stack, xs).outputs.shape() == Shape{steps, batch, width});
}

TEST_CASE("ResetWhere equals its pieces scanned apart") {
  Params params(1, f64);
  const Lstm lstm(params / "lstm", width, width);
  const ResetWhere cell(lstm);
  const Tensor xs = random_array({steps, batch, width}, 2), resets = some_resets(f64);
  const auto start = random_state(lstm.zero_state(batch), 3);
  for (const std::vector<Index>& lengths : std::vector<std::vector<Index>>{{}, {3, 6, 6, 4}}) {
    for (const bool reverse : {false, true}) {
      const auto scanned = scan(cell, with_resets(xs, resets), start, {.lengths = lengths, .reverse = reverse});
      for (Index b = 0; b < batch; ++b) {
        const auto row = [&](const Tensor& x) { return slice(x, 0, b, b + 1); };
        auto s = map_fields(start, row);
        const Index length = lengths.empty() ? steps : lengths[b];
        for (Index k = 0; k < length; ++k) {
          const Index t = reverse ? length - 1 - k : k;
          if (resets.value().flat(t * batch + b) != 0) s = lstm.zero_state(1);
          s = advance(lstm, row(at(xs, t)), s);
          CHECK(distance(row(at(scanned.outputs, t)), s.h) <= 1e-14);
        }
        CHECK(distance(row(scanned.last.h), s.h) <= 1e-14);
        CHECK(distance(row(scanned.last.c), s.c) <= 1e-14);
      }
    }
  }
}

TEST_CASE("ResetWhere leaves nothing of the old state: not NaN, not its gradient") {
  for (const Dtype dtype : {f32, f64}) {
    Params params(1, dtype);
    const Lstm lstm(params / "lstm", width, width);
    const ResetWhere cell(lstm);
    const Tensor xs = random_array({steps, batch, width}, 2).to(dtype);
    const Tensor all = with_resets(xs, Tensor::full({steps, batch}, 1, dtype));
    const Tensor first_of_all =
        with_resets(xs, concat({Tensor::full({1, batch}, 1, dtype), Tensor::zeros({steps - 1, batch}, dtype)}, 0));
    const auto bad =
        map_fields(lstm.zero_state(batch), [&](const Tensor& x) { return Tensor::full(x.shape(), nan_, dtype); });
    Tape tape;
    const auto watched = map_fields(bad, [&](const Tensor& x) { return tape.watch(x); });
    const auto scanned = scan(cell, first_of_all, watched);
    CHECK(same_bits(scanned.outputs, scan(lstm, xs).outputs));
    const Grads grads = tape.backward(sum(scanned.outputs) + sum(scanned.last.c));
    each_field(watched, [&](const Tensor& x) { CHECK(same_bits(grads[x], Array::zeros(x.shape(), dtype))); });
    for (const Param& p : params) CHECK(distance(grads[p], grads[p]) == 0);  // no NaN

    const auto apart = scan(cell, all, bad);
    for (Index t = 0; t < steps; ++t) {
      CHECK(same_bits(at(apart.outputs, t), advance(lstm, at(xs, t), lstm.zero_state(batch)).h));
    }
    // Without resets it is the bare cell.
    CHECK(same_bits(scan(cell, with_resets(xs, Tensor::zeros({steps, batch}, dtype))).outputs, scan(lstm, xs).outputs));
  }
}

TEST_CASE("ResetWhere resets states of any form, but not the masks of dropout inside") {
  Params params(1, f64);
  const VariationalDropout inner(params, Lstm(params / "lstm", width, width), {.input = 0.5, .recurrent = 0.5});
  const ResetWhere cell(inner);
  const Tensor xs = random_array({steps, batch, width}, 2), resets = some_resets(f64);
  Tape tape;
  const auto random = params.random().state();
  const auto bare = scan(inner, xs);
  params.random().restore(random);
  const auto scanned = scan(cell, with_resets(xs, resets));
  CHECK(same_bits(scanned.last.input, bare.last.input));
  CHECK(same_bits(scanned.last.recurrent, bare.last.recurrent));
  CHECK_FALSE(same_bits(scanned.outputs, bare.outputs));

  // A state of one number and of a matrix for each sequence.
  struct Counts {
    struct State {
      Tensor sum, grid;
    };
    Index size() const { return 1; }
    State zero_state(Index rows) const { return {Tensor::zeros({rows}, f64), Tensor::full({rows, 2, 2}, 5, f64)}; }
    State step(const Tensor& x, const State& s) const { return {s.sum + sum(x, {1}), s.grid + 1}; }
    Tensor output(const State& s) const { return reshape(s.sum, {s.sum.dim(0), 1}); }
  };
  const auto counted = scan(ResetWhere(Counts{}), with_resets(Tensor::full({steps, batch, 1}, 1, f64), resets));
  const std::array<double, batch> since{6, 2, 1, 4};  // steps since the last reset
  for (Index b = 0; b < batch; ++b) {
    CHECK(counted.last.sum.value().flat(b) == since[b]);
    CHECK(counted.last.grid.value().flat(4 * b + 3) == 5 + since[b]);
  }
}

TEST_CASE("with_resets and ResetWhere: what they refuse") {
  Params params(1);
  CHECK(message_of([] {
          with_resets(Tensor::zeros({5, 2, 3}), Tensor::zeros({5, 3}));
        }) ==
        "with_resets: the input is [5, 2, 3] and the resets are [5, 3]; there must be one for each step and sequence");
  CHECK(message_of([] {
          with_resets(Tensor::zeros({2, 3}), Tensor::zeros({1, 2}));
        }) ==
        "with_resets: the input is [2, 3] and the resets are [1, 2]; there must be one for each step and sequence");
  CHECK(with_resets(Tensor::zeros({2, 3}, f64), Tensor::zeros({2})).dtype() == f64);
  const ResetWhere cell(Rnn(params / "rnn", width, width));
  CHECK(message_of([&] {
          scan(cell, Tensor::zeros({5, 2, 1}));
        }) == "ResetWhere: the input is [5, 2, 1]; its last feature says where to reset, the others are the cell's");
  CHECK(message_of([&] {
          scan(cell, Tensor::zeros({5, 2, width}));
        }) == "Rnn: the input is [5, 2, 2] but 'rnn.wx' is [3, 3]; the last axis must have 3 elements");
}

TEST_CASE("wrapped cells stream as they scan, bit for bit") {
  for (const Dtype dtype : {f32, f64}) {
    Params params(1, dtype);
    for_each_plain_wrapper(params, [&](const std::string& name, const auto& layer, Index in) {
      CAPTURE(name);
      const Tensor xs = random_array({steps, batch, in}, 2).to(dtype);
      const auto check = [&](const auto& cell) {
        const auto start = random_state(cell.zero_state(batch), 3);
        const auto scanned = scan(cell, xs, start);
        auto state = start;
        for (Index t = 0; t < steps; ++t) {
          state = advance(cell, at(xs, t), state);
          CHECK(same_bits(output(cell, state), at(scanned.outputs, t)));
        }
        const auto streamed = tensors_of(state), last = tensors_of(scanned.last);
        for (Index k = 0; k < last.size(); ++k) CHECK(same_bits(streamed[k], last[k]));
      };
      check(layer);
      check(Stack(
          {layer, Rnn(params / name.substr(0, name.find('<')) / fmt::format("{}", params.size()), layer.size(), 2)}));
    });
  }
}

TEST_CASE("ragged batches of wrapped cells: as the sequences one by one; padding changes no bit") {
  Params params(1, f64);
  for_each_plain_wrapper(params, [&](const std::string& name, const auto& layer, Index in) {
    CAPTURE(name);
    for (const bool reverse : {false, true}) {
      const ScanOptions options{.lengths = {2, 6, 1, 4}, .reverse = reverse};
      check_batch_equals_sequences(AnyLayer(layer), params, in, steps, options);
      check_padding_is_never_read(AnyLayer(layer), params, in, steps, options);
    }
    const Bidirectional<AnyLayer> both(layer, layer);
    check_batch_equals_sequences(both, params, in, steps, {.lengths = {2, 6, 1, 4}});
  });
}

TEST_CASE("a language model of wrapped cells learns, with its state carried from batch to batch") {
  Params params(3);
  using Cell = VariationalDropout<Zoneout<WeightDrop<Lstm>>>;
  const Lstm lstm(params / "lstm", 6, 8);
  const LanguageModel<Cell> model(
      params / "model", 5, {.embed = 6, .hidden = 8},
      Cell(params, {params, {params, lstm, 0.2}, {0.1, 0.1}}, {.input = 0.2, .recurrent = 0.2}));
  const std::vector<Id> cycle{0, 1, 2, 3, 4, 0, 1, 2, 3, 4};
  constexpr Index lanes = 8;
  Ids ids = Ids::filled(5, lanes, 0), targets = ids;
  for (Index i = 0; i < ids.size(); ++i) {
    targets[i] = static_cast<Id>(i / lanes);
    ids[i] = (targets[i] + 4) % 5;
  }
  auto state = model.zero_state(lanes);
  const double before = model.evaluate(cycle);
  Adam adam({.rate = 0.02});
  for (int step = 0; step < 100; ++step) {
    Tape tape;
    const auto [logits, last] = model(ids, state);
    adam.step(params, tape.backward(cross_entropy(logits, targets, Reduce::per_token)));
    state = detach(last);
  }
  CHECK(model.evaluate(cycle) < 0.5 * before);
  CHECK(model.generate({0, 1}, 3, {}, params.random()).size() == 3);
}
