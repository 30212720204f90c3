// scan: lengths, padding, direction, initial states, users' own cells, truncated backpropagation.
#include <unroll/core/gradcheck.h>
#include <unroll/layers/stack.h>

#include "ragged_testing.h"
#include "users_cells.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index in = 2, hidden = 3, steps = 5;

const std::vector<std::vector<Index>>& all_lengths() {
  static const std::vector<std::vector<Index>> lengths{{2, 5, 1, 3},  // unsorted
                                                       {5, 3, 2, 1},  // sorted
                                                       {1, 2, 3, 5},  // ascending
                                                       {1, 1, 1, 1}, {5, 5, 5, 5},
                                                       {3, 3, 3, 3},  // none reaches the last step
                                                       {2, 4, 4, 2}, {1}};
  return lengths;
}

/// Runs `check` on every kind of layer, with every list of lengths, in both directions.
template <class Check>
void for_each_layer(Check check) {
  const auto visit = [&](const std::string& name, auto make) {
    for (const auto& lengths : all_lengths()) {
      for (const bool reverse : {false, true}) {
        CAPTURE(name);
        CAPTURE(fmt::format("{}", fmt::join(lengths, " ")));
        CAPTURE(reverse);
        Params params(1, f64);
        const auto layer = make(params);
        params.fill(uniform(0.8));
        check(layer, params, ScanOptions{.lengths = lengths, .reverse = reverse});
      }
    }
  };
  visit("Rnn", [](const Scope& p) { return Rnn(p, in, hidden); });
  visit("Gru", [](const Scope& p) { return Gru(p, in, hidden); });
  visit("PeepholeLstm", [](const Scope& p) { return PeepholeLstm(p, in, hidden); });
  visit("Plain", [](const Scope& p) { return Plain(p, in, hidden); });
  visit("Nested", [](const Scope& p) { return Nested(p, in, hidden); });
  visit("Bidirectional", [](const Scope& p) { return Bidirectional<Lstm>(p, in, hidden); });
  visit("Stack", [](const Scope& p) {
    return Stack({Bidirectional<Rnn>(p / "a", in, 2), Lstm(p / "b", 4, hidden), Nested(p / "c", hidden, 2)});
  });
}

}  // namespace

TEST_CASE("a batch of ragged sequences equals the sequences one by one, in values and gradients") {
  for_each_layer([](const auto& layer, const Params& params, const ScanOptions& options) {
    check_batch_equals_sequences(layer, params, in, steps, options);
  });
}

TEST_CASE("what lies in padding changes no bit of any value or gradient") {
  for_each_layer([](const auto& layer, const Params& params, const ScanOptions& options) {
    check_padding_is_never_read(layer, params, in, steps, options);
  });
}

TEST_CASE("full lengths equal no lengths") {
  Params params(1, f64);
  const Lstm cell(params / "cell", in, hidden);
  const Tensor xs = random_array({steps, 2, in}, 2);
  for (const bool reverse : {false, true}) {
    const auto with = scan(cell, xs, {.lengths = {steps, steps}, .reverse = reverse});
    const auto without = scan(cell, xs, {.reverse = reverse});
    CHECK(distance(with.outputs, without.outputs) <= 1e-14);
    CHECK(distance(with.last.h, without.last.h) <= 1e-14);
    CHECK(distance(with.last.c, without.last.c) <= 1e-14);
  }
}

TEST_CASE("reverse: the same as the sequence turned round, with outputs in their places") {
  Params params(1, f64);
  const Gru cell(params / "cell", in, hidden);
  const Tensor xs = random_array({steps, 2, in}, 2);
  const auto start = random_state(cell.zero_state(2), 3);
  const auto reversed = scan(cell, xs, start, {.reverse = true}), forward = scan(cell, flip(xs, 0), start);
  CHECK(same_bits(reversed.outputs, flip(forward.outputs, 0)));
  CHECK(same_bits(reversed.last.c, forward.last.c));
  CHECK(same_bits(reversed.last.c, at(reversed.outputs, 0)));
}

TEST_CASE("without an initial state a scan starts from zero_state") {
  Params params(1, f64);
  const Lstm cell(params / "cell", in, hidden);
  const Tensor xs = random_array({steps, 2, in}, 2);
  CHECK(same_bits(scan(cell, xs).outputs, scan(cell, xs, cell.zero_state(2)).outputs));
}

TEST_CASE("users' cells: gradients, and stepping equals scanning") {
  const auto check = [](auto make) {
    Params params(1, f64);
    const auto cell = make(params);
    const Tensor xs = random_array({steps, 2, in}, 2);
    const auto start = random_state(cell.zero_state(2), 3);
    const auto scanned = scan(cell, xs, start);
    CHECK(scanned.outputs.shape() == Shape{steps, 2, output_size(cell)});
    auto state = start;
    for (Index t = 0; t < steps; ++t) {
      state = advance(cell, at(xs, t), state);
      CHECK(same_bits(output(cell, state), at(scanned.outputs, t)));
    }
    for (const std::vector<Index>& lengths : std::vector<std::vector<Index>>{{}, {2, 4}}) {
      const auto report = check_model(params, [&] { return in_a_row(scan(cell, xs, start, {.lengths = lengths})); });
      CHECK_MESSAGE(report.passed(), report.str());
    }
  };
  check([](const Scope& p) { return Plain(p, in, hidden); });
  check([](const Scope& p) { return Nested(p, in, hidden); });
}

TEST_CASE("a gradient that comes in at one step only") {
  Params params(1, f64);
  const Lstm cell(params / "cell", in, hidden);
  const Tensor xs = random_array({steps, 3, in}, 2);
  for (const std::vector<Index>& lengths : std::vector<std::vector<Index>>{{}, {2, 5, 4}}) {
    for (Index t = 0; t < steps; ++t) {
      CAPTURE(t);
      const auto output = check_model(params, [&] { return at(scan(cell, xs, {.lengths = lengths}).outputs, t); });
      CHECK_MESSAGE(output.passed(), output.str());
    }
    const auto last = check_model(params, [&] { return scan(cell, xs, {.lengths = lengths}).last.c; });
    CHECK_MESSAGE(last.passed(), last.str());
  }
}

namespace {

/// One LSTM-like cell in several wordings, which treat their projected input differently.
enum class Wording {
  reads,         // z by reference
  takes_over,    // z by value, moved into the sum
  keeps_first,   // a rule has kept z before it is moved
  kept_already,  // the rule that made all z keeps them
  shares,        // the projection is somebody else's tensor too
};
struct Worded {
  struct State {
    Tensor h;
  };
  Param wx, wh, b;
  Wording wording;
  mutable Tensor shared = {};
  Worded(const Scope& p, Index inputs, Index size, Wording wording)
      : wx(p("wx", {inputs, size}, glorot)),
        wh(p("wh", {size, size}, orthogonal)),
        b(p("b", {size}, uniform(0.5))),
        wording(wording) {}
  State zero_state(Index batch) const { return {wh.zeros(batch, wh.dim(0))}; }
  Tensor project(const Tensor& xs) const {
    const Tensor z = affine(xs, wx, b);
    if (wording == Wording::kept_already) return tanh(z);
    if (wording == Wording::shares) shared = z;
    return z;
  }
  State step(Tensor z, const State& s) const {
    if (wording == Wording::keeps_first) {
      const Tensor square = z * z;
      return {tanh(affine(s.h, wh, std::move(z))) * square};
    }
    if (wording == Wording::reads) return {tanh(affine(s.h, wh, z)) * (z * z)};
    return {tanh(affine(s.h, wh, std::move(z)))};
  }
};

}  // namespace

TEST_CASE("a step that takes over its input changes nothing that somebody else holds") {
  const auto run = [](Wording wording, Tensor* shared = nullptr) {
    Params params(1, f64);
    const Worded cell(params, in, hidden, wording);
    const Tensor xs = Tensor(random_array({steps, 4, in}, 3));
    Tape tape;
    const Tensor outputs = scan(cell, xs).outputs;
    const Tensor loss = sum(outputs * outputs);
    const Grads grads = tape.backward(loss);
    if (shared != nullptr) *shared = cell.shared;
    return std::tuple{loss.item(), grads["wx"].flat(1), grads["wh"].flat(2), grads["b"].flat(0)};
  };
  CHECK(run(Wording::keeps_first) == run(Wording::reads));
  Tensor shared;
  CHECK(run(Wording::shares, &shared) == run(Wording::takes_over));
  Params params(1, f64);
  const Worded cell(params, in, hidden, Wording::reads);
  const Tensor expected = cell.project(Tensor(random_array({steps, 4, in}, 3)));
  for (Index i = 0; i < expected.size(); ++i) CHECK(shared.value().flat(i) == expected.value().flat(i));
  for (const Wording wording : {Wording::takes_over, Wording::keeps_first, Wording::kept_already, Wording::shares}) {
    Params checked(1, f64);
    const Worded any(checked, in, hidden, wording);
    const Tensor xs = Tensor(random_array({steps, 4, in}, 3));
    CHECK(check_model(checked, [&] { return scan(any, xs).outputs; }).passed());
  }
}

TEST_CASE("the outputs of a scan and its last state: one block, and a state that does not hold it") {
  Params params(1, f64);
  const Lstm cell(params, in, hidden);
  const Tensor xs = Tensor(random_array({steps, 4, in}, 3));
  const auto scanned = scan(cell, xs);
  CHECK(scanned.last.h.value().size() == scanned.last.h.value().buffer()->holders() * 4 * hidden);
  for (Index i = 0; i < 4 * hidden; ++i) {
    CHECK(scanned.outputs.value().flat((steps - 1) * 4 * hidden + i) == scanned.last.h.value().flat(i));
  }
  CHECK(!scanned.last.h.value().same_place(at(scanned.outputs, steps - 1).value()));
}

TEST_CASE("truncated backpropagation: detach stops the gradient and keeps the value, in any state") {
  Params params(1, f64);
  const Nested cell(params / "cell", in, hidden);
  const Tensor first = random_array({3, 2, in}, 2), second = random_array({2, 2, in}, 3);
  const auto loss = [](const auto& scanned) { return sum(scanned.outputs * scanned.outputs); };

  Grads truncated, apart;
  {
    Tape tape;
    const auto one = scan(cell, first), two = scan(cell, second, detach(one.last));
    truncated = tape.backward(loss(one) + loss(two));
  }
  // By hand: the second part on a tape of its own, from copies of the numbers.
  auto carried = cell.zero_state(2);
  {
    Tape tape;
    const auto one = scan(cell, first);
    const auto copied = [](const Tensor& x) { return Tensor(x.value().copy()); };
    const auto& s = one.last;
    carried = {{copied(s.inner.fast), copied(s.inner.slow)},
               {copied(s.seen[0]), copied(s.seen[1])},
               {{copied(s.of_each_layer[0].fast), copied(s.of_each_layer[0].slow)}},
               copied(s.level),
               copied(s.grid)};
    apart = tape.backward(loss(one));
  }
  {
    Tape tape;
    apart += tape.backward(loss(scan(cell, second, carried)));
  }
  for (const Param& p : params) CHECK(distance(truncated[p], apart[p]) <= 1e-14);

  Tape tape;
  const auto whole = scan(cell, concat({first, second}, 0));
  const Grads full = tape.backward(sum(whole.outputs * whole.outputs));
  CHECK(distance(full[cell.wi], truncated[cell.wi]) > 1e-3);
}

TEST_CASE("a state carried beyond its tape must be detached") {
  Params params(1);
  const Rnn cell(params / "cell", in, hidden);
  const Tensor xs = Tensor::zeros({2, 1, in});
  auto state = cell.zero_state(1);
  {
    Tape tape;
    state = scan(cell, xs, state).last;
  }
  Tape tape;
  CHECK(message_of<UsageError>([&] { scan(cell, xs, state); }) ==
        "affine: a tensor of shape [1, 3] was recorded on a tape that has ended; detach(x) keeps its value");
  scan(cell, xs, detach(state));
}

TEST_CASE("what scan refuses") {
  Params params(1);
  const Rnn cell(params / "cell", in, hidden);
  const auto refused = [&](const Shape& shape, const std::vector<Index>& lengths = {}) {
    return message_of([&] { scan(cell, Tensor::zeros(shape), {.lengths = lengths}); });
  };
  CHECK(refused({4, in}) == "scan: the input is [4, 2]; it must be [T, B, F]: time, batch, features");
  CHECK(refused({4, 1, 1, in}) == "scan: the input is [4, 1, 1, 2]; it must be [T, B, F]: time, batch, features");
  CHECK(refused({0, 3, in}) == "scan: the input is [0, 3, 2]; it needs at least one step and one sequence");
  CHECK(refused({3, 0, in}) == "scan: the input is [3, 0, 2]; it needs at least one step and one sequence");
  CHECK(refused({5, 3, in}, {5, 4}) == "scan: there are 2 lengths for a batch of 3");
  CHECK(refused({5, 3, in}, {5, 0, 1}) == "scan: sequence 1 has length 0; it must be 1 … 5");
  CHECK(refused({5, 3, in}, {5, 1, 6}) == "scan: sequence 2 has length 6; it must be 1 … 5");
  for (const std::vector<Index>& lengths : std::vector<std::vector<Index>>{{}, {5, 2, 1}}) {
    CHECK(message_of([&] {
            scan(cell, Tensor::zeros({5, 3, in}), cell.zero_state(1), {.lengths = lengths});
          }) == "scan: the initial state has a tensor of [1, 3]; its first axis must be the batch of 3");
  }
}
