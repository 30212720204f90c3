// Stack: layers on top of each other, and dropout between them.
#include <unroll/core/gradcheck.h>
#include <unroll/layers/classifier.h>
#include <unroll/layers/language_model.h>
#include <unroll/layers/stack.h>
#include <unroll/layers/wrappers.h>

#include "layer_testing.h"
#include "users_cells.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index in = 2, steps = 5, batch = 3;

/// Three layers of different cells and sizes.
Stack three_layers(Params& params, std::optional<Dropout> between = {}) {
  return Stack({Lstm(params / "a", in, 4), Rnn(params / "b", 4, 3), Gru(params / "c", 3, 2)}, std::move(between));
}

}  // namespace

static_assert(Cell<Stack> && Cell<AnyLayer>);

TEST_CASE("Stack equals its layers by hand") {
  Params params(1, f64);
  const Lstm a(params / "a", in, 4);
  const Rnn b(params / "b", 4, 3);
  const Gru c(params / "c", 3, 2);
  const Stack stack({a, b, c});
  CHECK(stack.size() == 2);
  const Tensor xs = random_array({steps, batch, in}, 2);
  const auto start = random_state(stack.zero_state(batch), 3);
  for (const ScanOptions& options : std::vector<ScanOptions>{
           {}, {.reverse = true}, {.lengths = {2, 5, 3}}, {.lengths = {2, 5, 3}, .reverse = true}}) {
    const auto scanned = scan(stack, xs, start, options);
    const auto first = scan(a, xs, {start.layers[0].parts[0], start.layers[0].parts[1]}, options);
    const auto second = scan(b, first.outputs, {start.layers[1].parts[0]}, options);
    const auto third = scan(c, second.outputs, {start.layers[2].parts[0]}, options);
    CHECK(same_bits(scanned.outputs, third.outputs));
    CHECK(same_bits(scanned.last.layers[0].parts[0], first.last.h));
    CHECK(same_bits(scanned.last.layers[0].parts[1], first.last.c));
    CHECK(same_bits(scanned.last.layers[1].parts[0], second.last.a));
    CHECK(same_bits(scanned.last.layers[2].parts[0], third.last.c));
  }
}

TEST_CASE("Stack steps as it scans, and stacks itself") {
  for (const Dtype dtype : {f32, f64}) {
    Params params(1, dtype);
    const Stack lower = three_layers(params);
    const Stack stack({lower, Lstm(params / "d", 2, 3)});
    const Tensor xs = random_array({steps, batch, in}, 2).to(dtype);
    const auto scanned = scan(stack, xs);
    auto state = stack.zero_state(batch);
    for (Index t = 0; t < steps; ++t) {
      state = advance(stack, at(xs, t), state);
      CHECK(same_bits(output(stack, state), at(scanned.outputs, t)));
    }
    const auto stepped = tensors_of(state), last = tensors_of(scanned.last);
    REQUIRE(stepped.size() == 6);
    for (Index k = 0; k < 6; ++k) CHECK(same_bits(stepped[k], last[k]));
  }
}

TEST_CASE("gradients through a Stack") {
  Params params(1, f64);
  const Stack stack = three_layers(params, Dropout(params, 0.5));
  params.fill(uniform(0.8));
  const Tensor xs = random_array({steps, batch, in}, 2);
  const Evaluation no_dropout;
  const auto report = check_model(params, [&] { return in_a_row(scan(stack, xs, {.lengths = {2, 5, 3}})); });
  CHECK(report.rows.size() == params.size());
  CHECK_MESSAGE(report.passed(), report.str());
}

TEST_CASE("a Stack of nothing is refused") {
  CHECK(message_of<UsageError>([] { Stack({}); }) == "Stack: there is no layer");
}

TEST_CASE("dropout between layers acts while a tape records, and nowhere else") {
  Params plain_params(1), params(1);
  const Stack plain = three_layers(plain_params), dropped = three_layers(params, Dropout(params, 0.5));
  const Tensor xs = random_array({steps, batch, in}, 2).to(f32);
  const Tensor want = scan(plain, xs).outputs;
  CHECK(same_bits(scan(dropped, xs).outputs, want));
  {
    Tape tape;
    CHECK_FALSE(same_bits(scan(dropped, xs).outputs, want));
    const Evaluation evaluation;
    CHECK(same_bits(scan(dropped, xs).outputs, want));
  }
  CHECK(same_bits(scan(dropped, xs).outputs, want));
}

TEST_CASE("dropout is between the layers: not before the first, not after the last") {
  Params params(1);
  const Lstm a(params / "a", in, 4);
  const Rnn b(params / "b", 4, 3);
  const Dropout between(params, 0.5);
  const Tensor xs = random_array({steps, batch, in}, 2).to(f32);
  Tape tape;
  CHECK(same_bits(scan(Stack({a}, between), xs).outputs, scan(a, xs).outputs));

  // Two layers by hand, with the same masks.
  const auto before = params.random().state();
  const Tensor of_stack = scan(Stack({a, b}, between), xs).outputs;
  params.random().restore(before);
  CHECK(same_bits(of_stack, scan(b, between(scan(a, xs).outputs)).outputs));
}

TEST_CASE("the same seed gives the same masks, another seed others, and the next pass others again") {
  const auto two_passes = [](std::uint64_t seed) {
    Params params(1);
    const Stack stack = three_layers(params, Dropout(params, 0.5));
    params.random() = Random(seed);
    const Tensor xs = random_array({steps, batch, in}, 2).to(f32);
    Tape tape;
    const Tensor first = scan(stack, xs).outputs;
    return std::array<Array, 2>{first.value(), scan(stack, xs).outputs.value()};
  };
  const auto a = two_passes(1), b = two_passes(1), c = two_passes(2);
  CHECK(same_bits(a[0], b[0]));
  CHECK(same_bits(a[1], b[1]));
  CHECK_FALSE(same_bits(a[0], a[1]));
  CHECK_FALSE(same_bits(a[0], c[0]));
}

TEST_CASE("What stands on a cell without size() finds out how wide its output is") {
  Params params(1);
  const Plain plain(params / "plain", 4, 4);
  const Nested nested(params / "nested", 4, 3);  // its output is twice as wide as any tensor of its state
  CHECK(output_size(plain) == 4);
  CHECK(output_size(nested) == 6);
  const Bidirectional both(plain, nested);
  CHECK(output_size(both) == 10);
  CHECK(Stack({plain, nested}).size() == 6);
  CHECK(AnyLayer(both).size() == 10);

  const Tensor xs = random_array({steps, batch, 4}, 2).to(f32);
  const auto width = [&](const auto& layer) { return scan(layer, xs).outputs.dim(2); };
  CHECK(width(Stack({both, Lstm(params / "above", 10, 2)})) == 2);
  CHECK(width(Residual(plain)) == 4);
  CHECK(width(Zoneout(params, plain, {0.1})) == 4);
  CHECK(width(VariationalDropout(params, nested, {.output = 0.5})) == 6);
  const Projected projected(params / "projected", nested, 2);
  CHECK(projected.w.shape() == Shape{6, 2});
  CHECK(width(projected) == 2);

  const LanguageModel<Plain> model(params / "lm", 7, {.embed = 4}, plain);
  CHECK(model(Ids({1, 2, 3}, 3, 1), model.zero_state(1)).logits.shape() == Shape{3, 1, 7});
  const LanguageModel<Plain> tied(params / "tied", 7, {.embed = 4, .tied = true}, plain);
  CHECK(tied(Ids({1, 2, 3}, 3, 1), tied.zero_state(1)).logits.shape() == Shape{3, 1, 7});
  const Classifier classifier(params / "classifier", 7, 4, both, 3);
  CHECK(classifier(Ids({1, 2, 3}, 3, 1), {}).shape() == Shape{1, 3});
}

TEST_CASE("Stack and AnyLayer refuse the state of another") {
  Params params(1);
  const Lstm lstm(params / "lstm", in, 3);
  const Rnn rnn(params / "rnn", 3, 2);
  const Tensor xs = random_array({steps, batch, in}, 2).to(f32);
  const Stack both({lstm, rnn}), one({lstm});
  const std::string message = "Stack: a state of 1 layers for 2 layers";
  CHECK_THROWS_WITH_AS(scan(both, xs, one.zero_state(batch)), message.c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(both.step(at(xs, 0), one.zero_state(batch)), message.c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(both.output(one.zero_state(batch)), message.c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(scan(both, xs, Stack::State{}), "Stack: a state of 0 layers for 2 layers", ShapeError);
  CHECK_THROWS_WITH_AS(scan(AnyLayer(lstm), xs, AnyLayer(Gru(params / "gru", in, 3)).zero_state(batch)),
                       "AnyLayer: a state of 1 tensors for a layer whose state has 2", ShapeError);
}
