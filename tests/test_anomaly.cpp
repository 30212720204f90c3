// The anomaly guard: what it finds, and the words it says it in.
#include <unroll/core/anomaly.h>
#include <unroll/layers/stack.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

Array numbers(std::initializer_list<double> values, const Shape& shape) {
  return Array::of({values.size()}, values.begin()).reshaped(shape);
}
Array numbers(std::initializer_list<double> values) { return numbers(values, {values.size()}); }

template <class F>
std::string anomaly_in(F f, const AnomalyOptions& options = {}) {
  return message_of<AnomalyError>([&] {
    Anomaly guard(options);
    f();
  });
}

int name_line = 0;  // where LogCell gives its name

/// a' = a + ln x
struct LogCell {
  struct State {
    Tensor a;
  };
  Param b;
  explicit LogCell(const Scope& p) : b(p("b", {2}, zero)) {}
  State zero_state(Index batch) const { return {b.zeros(batch, 2)}; }
  State step(const Tensor& x, const State& s) const {
    name_line = __LINE__ + 1;
    const Tensor score = named("score", log(x + b));
    return {s.a + score};
  }
};

/// [5, 2, 2] of ones with a zero at step t of sequence 1
Tensor ones_with_a_zero(Index t) {
  Array xs = Array::full({5, 2, 2}, f64, 1);
  xs.set_flat(t * 4 + 3, 0);
  return xs;
}

}  // namespace

TEST_CASE("anomaly: log(0) in a cell of one's own at step 3") {
  Params params(1, f64);
  const LogCell cell(params / "cell");
  const auto score = [] { return fmt::format("'score' ({}:{})", __FILE__, name_line); };
  for (const bool recording : {true, false}) {
    std::optional<Tape> tape;
    if (recording) tape.emplace();
    std::string said = anomaly_in([&] { scan(cell, ones_with_a_zero(3)); });
    CHECK(said == "log: the value " + score() +
                      " of shape [2, 2] is -inf at [1, 1]; input [2, 2]; at time step t = 3 of T = 5");
    said = anomaly_in([&] { scan(cell, ones_with_a_zero(3), {.reverse = true}); });
    CHECK(said == "log: the value " + score() +
                      " of shape [2, 2] is -inf at [1, 1]; input [2, 2]; at time step t = 3 of T = 5, step 1 of a "
                      "reversed scan");
    // Sorted by length: sequence 1 is row 0 of the step.
    said = anomaly_in([&] { scan(cell, ones_with_a_zero(3), {.lengths = {3, 5}}); });
    CHECK(said == "log: the value " + score() +
                      " of shape [1, 2] is -inf at [0, 1]; input [1, 2]; at time step t = 3 of T = 5 of sequence 1");
    said = anomaly_in([&] { scan(cell, ones_with_a_zero(3), {.lengths = {3, 5}, .reverse = true}); });
    CHECK(said == "log: the value " + score() +
                      " of shape [2, 2] is -inf at [0, 1]; input [2, 2]; at time step t = 3 of T = 5 of sequence 1, "
                      "step 1 of a reversed scan");
    said = anomaly_in([&] { scan(Bidirectional<LogCell>(cell, cell), ones_with_a_zero(3)); });
    CHECK(said == "log: the value 'forward." + score().substr(1) +
                      " of shape [2, 2] is -inf at [1, 1]; input [2, 2]; at time step t = 3 of T = 5; in 'forward'");
  }
}

TEST_CASE("anomaly: the root of 0 has an infinite gradient") {
  Tape tape;
  const Tensor x = tape.watch(Tensor(numbers({4, 0, 1})));
  const Anomaly guard;
  const Tensor doubled = x * 2.0, y = sqrt(doubled);
  CHECK(message_of<AnomalyError>([&] { tape.backward(sum(y)); }) ==
        "sqrt: the gradient of its input, the result of 'multiply', is inf at [1]; input [3]");
}

TEST_CASE("anomaly: gradients name parameters, watched and named tensors, and the step") {
  Params params(1, f64);
  const Param w = (params / "layer")("w", {2}, zero);
  const auto of_sqrt = [&](auto make) {
    Tape tape;
    const Anomaly guard;
    return message_of<AnomalyError>([&] { tape.backward(sum(sqrt(make(tape)))); });
  };
  CHECK(of_sqrt([&](Tape&) { return Tensor(w); }) ==
        "sqrt: the gradient of its input, parameter 'layer.w', is inf at [0]; input [2]");
  CHECK(of_sqrt([&](Tape& tape) {
          return tape.watch(Tensor(numbers({1, 0})));
        }) == "sqrt: the gradient of its input, a watched tensor, is inf at [1]; input [2]");
  const int line = __LINE__ + 1;
  const std::string said = of_sqrt([&](Tape&) { return named("root", w * 1.0); });
  CHECK(said ==
        fmt::format("sqrt: the gradient of its input, 'root' ({}:{}), is inf at [0]; input [2]", __FILE__, line));

  // Of two inputs the second: d(x / y) / dy = -x / y².
  Tape tape;
  const Anomaly guard;
  const Tensor x = tape.watch(Tensor(numbers({0, 1}))), tiny = tape.watch(Tensor(numbers({1e-200, 1e-200})));
  CHECK(message_of<AnomalyError>([&] { tape.backward(sum(x / tiny)); }) ==
        "divide: the gradient of input 1, a watched tensor, is -inf at [1]; inputs [2], [2]");
}

TEST_CASE("anomaly: a gradient inside a scan") {
  // a' = √(a x): at a = 0 its gradient is infinite. x is 0 at the third step.
  struct RootCell {
    struct State {
      Tensor a;
    };
    State zero_state(Index batch) const { return {Tensor::full({batch, 2}, 1, f64)}; }
    State step(const Tensor& x, const State& s) const { return {sqrt(s.a * x)}; }
  };
  Tape tape;
  const Tensor xs = tape.watch(ones_with_a_zero(2));
  const Anomaly guard;
  const Tensor loss = sum(scan(RootCell(), xs).outputs);
  CHECK(message_of<AnomalyError>([&] { tape.backward(loss); }) ==
        "sqrt: the gradient of its input, the result of 'multiply', is inf at [1, 1]; input [2, 2]; at time step t = 4 "
        "of T = 5");
}

TEST_CASE("anomaly: an exploding ReLU network, at the step where a copy of it by hand overflows") {
  Params params(1, f32);
  const Rnn cell(params / "cell", 1, 2, Activation::relu);
  cell.wx.set(Array::full({1, 2}, f32, 1));
  cell.wh.set(Array::full({2, 2}, f32, 50));
  Index step = 0;
  for (float a = 0; step < 40; ++step) {
    a = 1 + 100 * a;
    if (std::isinf(a)) break;
  }
  REQUIRE(step > 5);
  REQUIRE(step < 40);
  Tape tape;
  CHECK(anomaly_in([&] {
          scan(cell, Tensor::full({40, 1, 1}, 1));
        }) ==
        fmt::format("affine: the value of shape [1, 2] is inf at [0, 0]; inputs [1, 2], [2, 2], [1, 2]; at time step "
                    "t = {} of T = 40",
                    step));
}

TEST_CASE("anomaly: NaN in an input, found where it is first computed with") {
  Params params(1, f64);
  const Lstm cell(params / "cell", 3, 2);
  Array xs = random_array({4, 2, 3}, 1);
  xs.set_flat(1 * 6 + 1 * 3 + 2, not_a_number);
  const std::string said = anomaly_in([&] { scan(cell, xs); });
  CHECK(said ==
        "affine: the value of shape [4, 2, 8] is nan at [1, 1, 0]; inputs [4, 2, 3], [3, 8], [8]; input 0 holds nan at "
        "[1, 1, 2] already; at time step t = 1 of T = 4");
}

TEST_CASE("anomaly: NaN in padding, which nobody reads, is none") {
  for_each_cell([&](const std::string& name, auto make) {
    CAPTURE(name);
    Params params(1, f64);
    const auto cell = make(params / "cell", 3, 2);
    Array xs = random_array({4, 2, 3}, 1);
    for (Index i = 0; i < 3; ++i) xs.set_flat(3 * 6 + i, i == 0 ? infinity : not_a_number);  // step 3 of sequence 0
    for (const bool reverse : {false, true}) {
      const auto gradient = [&](const Array& input) {
        Tape tape;
        const Tensor watched = tape.watch(input);
        return tape.backward(sum(scan(cell, watched, {.lengths = {3, 4}, .reverse = reverse}).outputs))[watched];
      };
      const Array unguarded = gradient(xs);
      const Anomaly guard;
      CHECK(same_bits(gradient(xs), unguarded));
    }
    CHECK(anomaly_in([&] { scan(cell, xs, {.lengths = {4, 4}}); }) != "nothing was thrown");  // it is read now
  });
}

TEST_CASE("anomaly: values inside a pointwise lambda") {
  const Tensor x = numbers({1, 2, 0, 3}, {2, 2}), y = numbers({1, 1, 0, 1}, {2, 2});
  int line = 0;
  const std::string said = anomaly_in([&] {
    line = __LINE__ + 4;
    pointwise(
        "gates",
        [](auto a, auto b) {
          auto ratio = named<"ratio">(a / b);
          return std::tuple{a + b, exp(ratio)};
        },
        x, y);
  });
  CHECK(said == fmt::format("gates: the value (result 1 of 2) of shape [2, 2] is nan at [1, 0], first in 'ratio' "
                            "({}:{}); inputs [2, 2], [2, 2]",
                            __FILE__, line));
}

TEST_CASE("anomaly: parameters, as values and as gradients") {
  Params params(1, f32);
  const Param w = (params / "head")("w", {2, 2}, zero), table = (params / "table")("t", {5, 2}, zero);
  {
    Tape tape;
    // Both factors of the gathered product are finite, and the product is not: 1e30 · 1e30.
    const Tensor x = Tensor::full({3, 2}, 1e30), y = matmul(x, w);
    CHECK(anomaly_in([&] { tape.backward(sum(y * 1e30)); }) ==
          "parameter 'head.w': the gradient of shape [2, 2] is inf at [0, 0]");
  }
  {
    Tape tape;  // a gradient that is kept by rows: 3e38 twice is too much
    const Tensor y = rows(table, Ids{1, 3, 3});
    CHECK(anomaly_in([&] { tape.backward(sum(y * 3e38)); }) ==
          "parameter 'table.t': the gradient of shape [5, 2] is inf at [3, 0]");
  }
  w.set(Array::of({2, 2}, std::array{1.0f, 2.0f, std::nanf(""), 4.0f}.data()));
  Tape tape;
  CHECK(anomaly_in([&] { Tensor(w) * 2.0; }) == "parameter 'head.w': the value of shape [2, 2] is nan at [1, 0]");
}

TEST_CASE("anomaly: infinities may be part of a model") {
  const Tensor mask = numbers({0, 0, -infinity, 0}, {2, 2}), x = numbers({1, 2, 3, 4}, {2, 2});
  const auto attend = [&] { return softmax(x + mask); };
  CHECK(
      anomaly_in(attend) ==
      "add: the value of shape [2, 2] is -inf at [1, 0]; inputs [2, 2], [2, 2]; input 1 holds -inf at [1, 0] already");
  CHECK(anomaly_in(attend, {.infinities = false}) == "nothing was thrown");
  const auto difference = [&] { return named("gap", mask - mask); };
  const int line = __LINE__ - 1;
  CHECK(anomaly_in(difference, {.infinities = false}) ==
        fmt::format("subtract: the value 'gap' ({}:{}) of shape [2, 2] is nan at [1, 0]; inputs [2, 2], [2, 2]",
                    __FILE__, line));
}

TEST_CASE("anomaly: thrown once, at the latest when the guard ends, and never over another exception") {
  const Tensor zero_tensor = Tensor::scalar(0, f64);
  const std::string said = "log: the value of shape [] is -inf at []; input []";
  // By the next op, by the value being read, by backward, by the end of the guard.
  bool after = false;
  CHECK(anomaly_in([&] {
          const Tensor y = log(zero_tensor);
          y * 2.0;
          after = true;
        }) == said);
  CHECK(!after);
  CHECK(anomaly_in([&] {
          log(zero_tensor).item();
          after = true;
        }) == said);
  CHECK(!after);
  CHECK(anomaly_in([&] { log(zero_tensor); }) == said);
  Tape tape;
  const Tensor x = tape.watch(zero_tensor);
  CHECK(anomaly_in([&] {
          const Tensor y = log(x);
          tape.backward(y);
          after = true;
        }) == said);
  CHECK(!after);
  // Once: the guard goes on after it.
  {
    Anomaly guard;
    CHECK_THROWS_AS(log(zero_tensor).item(), AnomalyError);
    CHECK((zero_tensor + 1.0).item() == 1);
  }
  CHECK_THROWS_WITH_AS(
      [&] {
        const Anomaly guard;
        log(zero_tensor);
        throw std::runtime_error("another");
      }(),
      "another", std::runtime_error);
  CHECK(log(zero_tensor).item() == -infinity);  // no guard is left behind
  CHECK(detail::observers == nullptr);
}

TEST_CASE("anomaly: another tensor's name is not taken for that of the bad one") {
  const Tensor x = numbers({0, 1});
  CHECK(anomaly_in([&] {
          const Tensor bad = log(x);
          named("other", x);
        }) == "log: the value of shape [2] is -inf at [0]; input [2]");
}

TEST_CASE("anomaly: a guard changes no number") {
  Params params(1, f32);
  const auto lstm = [&](const std::string& name) { return Lstm(params / name, 4, 4); };
  const Stack stack({lstm("a"), lstm("b")});
  const Tensor xs = Tensor(random_array({6, 3, 4}, 1).to(f32));
  const auto gradients = [&] {
    Tape tape;
    return tape.backward(sum(scan(stack, xs, {.lengths = {6, 2, 4}}).outputs));
  };
  const Grads plain = gradients();
  std::optional<Anomaly> guard(std::in_place);
  const Grads watched = gradients();
  guard.reset();
  for (const Param& param : params) CHECK(same_bits(plain[param], watched[param]));
}
