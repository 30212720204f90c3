// Traces: all inner values of a scan, by name.
#include <algorithm>

#include <unroll/layers/stack.h>
#include <unroll/layers/trace.h>
#include <unroll/layers/wrappers.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index steps = 5, batch = 3, in = 2, hidden = 4;

std::vector<std::string> names_of(const Trace& trace) {
  std::vector<std::string> names;
  for (const auto& [name, value] : trace) names.push_back(name);
  std::sort(names.begin(), names.end());  // which operand of a sum is computed first is the compiler's choice
  return names;
}

/// xs [T, B, I] of one sequence alone, [length, 1, I]
Tensor one_sequence(const Tensor& xs, Index b, Index length) { return slice(slice(xs, 1, b, b + 1), 0, 0, length); }

/// s' = tanh(x w + s), with names for what is inside: of tensors with and without sequences, and one name twice.
struct NamedCell {
  struct State {
    Tensor s;
  };
  Param w;
  explicit NamedCell(const Scope& p) : w(p("w", {in, hidden}, glorot)) {}
  State zero_state(Index batch) const { return {w.zeros(batch, hidden)}; }
  Tensor project(const Tensor& xs) const { return named("projected", matmul(xs, w)); }
  State step(const Tensor& z, const State& s) const {
    const Tensor sum = named("sum", z + s.s);
    named("sum", sum * 2.0);
    named("total", unroll::sum(sum));
    named("weights", w);
    return {pointwise([](auto v) { return named<"squashed">(tanh(v)); }, sum)};
  }
};

}  // namespace

TEST_CASE("trace: the gates of an LSTM are those of its equations") {
  for (const Dtype dtype : {f32, f64}) {
    for (const Index units : {Index{4}, Index{37}}) {  // one lane and a part of one; several
      CAPTURE(dtype);
      Params params(1, dtype);
      const Lstm cell(params / "cell", in, units);
      const Tensor xs = Tensor(random_array({steps, batch, in}, 2).to(dtype));
      const Trace t = trace(cell, xs);
      CHECK(names_of(t) == std::vector<std::string>{"c", "f", "g", "h", "i", "o", "outputs"});
      const double near = dtype == f32 ? 2e-6 : 1e-14;
      Lstm::State s = cell.zero_state(batch);
      for (Index step = 0; step < steps; ++step) {
        const Tensor z = affine(at(xs, step), cell.wx, cell.b) + matmul(s.h, cell.wh);
        auto [i, f, g, o] = split<4>(z);
        s.c = sigmoid(f) * s.c + sigmoid(i) * tanh(g);
        s.h = sigmoid(o) * tanh(s.c);
        const auto is = [&](const char* name, const Tensor& value) {
          CAPTURE(name);
          REQUIRE(t[name].shape() == Shape{steps, batch, units});
          CHECK(distance(at(Tensor(t[name]), step), value) < near);
        };
        is("i", sigmoid(i));
        is("f", sigmoid(f));
        is("g", tanh(g));
        is("o", sigmoid(o));
        is("h", s.h);
        is("c", s.c);
      }
      CHECK(same_bits(t.outputs, t["h"]));
      CHECK(same_bits(t.outputs, t["outputs"]));
    }
  }
}

TEST_CASE("trace: every cell, both directions, with and without lengths: as its sequences one by one") {
  for_each_cell([](const std::string& name, auto make) {
    CAPTURE(name);
    Params params(1, f64);
    const auto cell = make(params / "cell", in, hidden);
    params.fill(uniform(0.8));
    const Tensor xs = random_array({steps, batch, in}, 2);
    const std::vector<Index> lengths{2, 5, 3};
    for (const bool reverse : {false, true}) {
      CAPTURE(reverse);
      const Trace all = trace(cell, xs, {.lengths = lengths, .reverse = reverse});
      const Trace even = trace(cell, xs, {.reverse = reverse});
      CHECK(names_of(all) == names_of(even));
      CHECK(same_bits(all.outputs, scan(cell, xs, {.lengths = lengths, .reverse = reverse}).outputs.value()));
      for (Index b = 0; b < batch; ++b) {
        CAPTURE(b);
        const Trace alone = trace(cell, one_sequence(xs, b, lengths[b]), {.reverse = reverse});
        const Trace whole = trace(cell, one_sequence(xs, b, steps), {.reverse = reverse});
        for (const auto& [each, value] : all) {
          CAPTURE(each);
          const Index width = value.dim(-1);
          REQUIRE(value.shape() == Shape{steps, batch, width});
          const Tensor own = one_sequence(value, b, steps);
          CHECK(distance(slice(own, 0, 0, lengths[b]), Tensor(alone[each])) < 1e-12);
          CHECK(distance(slice(own, 0, lengths[b], steps), Tensor::zeros({steps - lengths[b], 1, width}, f64)) == 0);
          CHECK(distance(one_sequence(even[each], b, steps), Tensor(whole[each])) < 1e-12);
        }
      }
    }
  });
}

TEST_CASE("trace: a cell of one's own") {
  Params params(1, f64);
  const NamedCell cell(params / "cell");
  const Tensor xs = random_array({steps, batch, in}, 2);
  const Trace t = trace(cell, xs);
  CHECK(names_of(t) ==
        std::vector<std::string>{"outputs", "projected", "squashed", "state.0", "sum", "sum#2", "total", "weights"});
  CHECK(t["total"].shape() == Shape{steps});
  CHECK(t["weights"].shape() == Shape{steps, in, hidden});
  CHECK(distance(t["projected"], matmul(xs, cell.w).value()) < 1e-14);
  CHECK(distance(t["sum#2"], (Tensor(t["sum"]) * 2.0).value()) == 0);
  CHECK(same_bits(t["squashed"], t.outputs));
  CHECK(same_bits(t["state.0"], t.outputs));
  CHECK(distance(Tensor(t["total"]), sum(Tensor(t["sum"]), {1, 2})) < 1e-13);
  for (Index step = 0; step < steps; ++step) CHECK(distance(at(Tensor(t["weights"]), step), cell.w) == 0);

  // A projection is seen in the order of the input, whatever the scan does with it.
  CHECK(same_bits(trace(cell, xs, {.reverse = true})["projected"], t["projected"]));
  const Trace ragged = trace(cell, xs, {.lengths = {5, 2, 4}, .reverse = true});
  Array expected = t["projected"].copy();
  for (Index k = 0; k < steps * batch * hidden; ++k) {
    const Index step = k / (batch * hidden), b = k / hidden % batch;
    if (step >= std::array<Index, 3>{5, 2, 4}[b]) expected.set_flat(k, 0);
  }
  CHECK(distance(ragged["projected"], expected) < 1e-14);
}

TEST_CASE("trace: stacks and both directions have a path") {
  Params params(1, f64);
  const Lstm first(params / "first", in, hidden);
  const Bidirectional<SimpleGru> second(params / "second", hidden, hidden);
  const Stack stack({first, second});
  const Tensor xs = random_array({steps, batch, in}, 2);
  const ScanOptions options{.lengths = {5, 2, 4}};
  const Trace t = trace(stack, xs, options);
  CHECK(names_of(t) == std::vector<std::string>{"0.c", "0.f", "0.g", "0.h", "0.i", "0.o", "0.outputs", "1.backward.c",
                                                "1.backward.candidate", "1.backward.outputs", "1.backward.u",
                                                "1.forward.c", "1.forward.candidate", "1.forward.outputs",
                                                "1.forward.u"});
  CHECK(same_bits(t.outputs, scan(stack, xs, options).outputs.value()));
  const Trace alone = trace(first, xs, options);
  CHECK(same_bits(t["0.f"], alone["f"]));
  CHECK(same_bits(t["0.outputs"], alone.outputs));
  const Trace back = trace(second.backward, alone.outputs, {.lengths = options.lengths, .reverse = true});
  CHECK(same_bits(t["1.backward.u"], back["u"]));
  CHECK(same_bits(Tensor(t["1.backward.outputs"]), slice(t.outputs, -1, hidden, 2 * hidden)));
}

TEST_CASE("trace: the states of wrapped cells") {
  Params params(1, f64);
  const Residual<Lstm> residual(params / "residual", hidden, hidden);
  const Tensor xs = random_array({steps, batch, hidden}, 2);
  const Trace t = trace(residual, xs);
  CHECK(names_of(t) == std::vector<std::string>{"c", "f", "g", "h", "i", "o", "outputs", "state.0"});
  CHECK(same_bits(t["state.0"], t.outputs));
  CHECK(distance((xs + Tensor(t["h"])).value(), t.outputs) < 1e-14);
  const VariationalDropout dropped(params / "dropout", residual, {.output = 0.5});
  CHECK(same_bits(trace(dropped, xs)["c"], t["c"]));  // its masks are [B, 0] outside of training
}

TEST_CASE("trace: whole models, name scopes, scans inside a step") {
  Params params(1, f64);
  const Rnn inner(params / "inner", 1, 2);
  struct Nested {
    struct State {
      Tensor y;
    };
    const Rnn& inner;
    State zero_state(Index batch) const { return {Tensor::zeros({batch, 2}, f64)}; }
    State step(const Tensor& x, const State&) const {
      return {named("last", scan(inner, reshape(x, {x.dim(1), x.dim(0), 1})).last.a)};
    }
  };
  const Tensor xs = random_array({steps, batch, 3}, 2);
  CHECK(names_of(trace(Nested{inner}, xs)) == std::vector<std::string>{"last", "outputs", "state.0"});

  const Trace t = trace([&] {
    const NameScope encoder("encoder");
    const Tensor x = named("x", xs * 2.0);
    const NameScope deep("deep");
    named("y", x * x);
  });
  CHECK(names_of(t) == std::vector<std::string>{"encoder.deep.y", "encoder.x"});
  CHECK(!t.outputs.defined());
  CHECK(distance(t["encoder.x"], (xs * 2.0).value()) == 0);
  CHECK(NameScope::path().empty());
  CHECK(detail::observers == nullptr);
}

TEST_CASE("trace: neither a tape nor a trace changes the other") {
  Params params(1, f32);
  const Gru cell(params / "cell", in, hidden);
  const Tensor xs = Tensor(random_array({steps, batch, in}, 2).to(f32));
  const Trace plain = trace(cell, xs);
  Tape tape;
  const auto size = [&] {
    scan(cell, xs);
    return tape.size();
  };
  const Index first = size();
  const Trace recorded = trace(cell, xs);
  CHECK(size() - first == 2 * (first - 4));  // 4 parameters are leaves once
  for (const auto& [name, value] : plain) CHECK(same_bits(value, recorded[name]));
}

TEST_CASE("trace: what it refuses") {
  Params params(1, f64);
  const Rnn cell(params / "cell", in, hidden);
  const Tensor xs = random_array({steps, batch, in}, 2);
  const Trace t = trace(cell, xs);
  CHECK(t.contains("a"));
  CHECK(!t.contains("f"));
  CHECK(message_of<UsageError>([&] { t["f"]; }) == "trace: there is no 'f'; there are: a, outputs");
  struct Growing {
    struct State {
      Tensor y;
    };
    mutable Index width = 1;
    State zero_state(Index batch) const { return {Tensor::zeros({batch, 1}, f64)}; }
    State step(const Tensor&, const State& s) const {
      named("growing", Tensor::zeros({batch, width++}, f64));
      return s;
    }
  };
  CHECK(message_of([&] { trace(Growing(), xs); }) == "trace: 'growing' is [3, 1] at one step and [3, 2] at another");
}
