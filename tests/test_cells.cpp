// Every cell: gradients, stepping, and what its equations promise.
#include <unroll/core/gradcheck.h>

#include "ragged_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index steps = 5, batch = 3, in = 2, hidden = 3;

const std::vector<ScanOptions>& all_options() {
  static const double read[steps][batch] = {{1, 0, 1}, {1, 1, 0}, {0, 1, 0}, {1, 1, 0}, {0, 1, 0}};
  static const Tensor mask = Array::of({steps, batch}, &read[0][0]);
  static const std::vector<ScanOptions> options{{},
                                                {.reverse = true},
                                                {.lengths = {2, 5, 3}},
                                                {.lengths = {2, 5, 3}, .reverse = true},
                                                {.mask = mask},
                                                {.lengths = {4, 5, 2}, .reverse = true, .mask = mask}};
  return options;
}

std::string described(const ScanOptions& options) {
  return fmt::format("lengths [{}]{}{}", fmt::join(options.lengths, ", "), options.reverse ? ", reverse" : "",
                     options.mask.defined() ? ", mask" : "");
}

}  // namespace

TEST_CASE("gradients of every cell over five steps: inputs, initial state, parameters") {
  for_each_cell([](const std::string& name, auto make) {
    for (const ScanOptions& options : all_options()) {
      CAPTURE(name);
      CAPTURE(described(options));
      Params params(1, f64);
      const auto cell = make(params / "cell", in, hidden);
      params.fill(uniform(0.8));  // zero biases and peepholes would hide errors
      const auto zero_state = cell.zero_state(batch);
      const auto run = [&](std::span<const Tensor> x) {
        return in_a_row(scan(cell, x[0], state_of(zero_state, x.subspan(1)), options));
      };
      std::vector<Array> inputs{random_array({steps, batch, in}, 2)};
      each_field(random_state(zero_state, 3), [&](const Tensor& x) { inputs.push_back(x.value()); });
      const std::vector<Tensor> constants(inputs.begin(), inputs.end());

      const GradcheckReport of_inputs = gradcheck(run, inputs);
      const GradcheckReport of_parameters = check_model(params, [&] { return run(constants); });
      CHECK(of_inputs.rows.size() == inputs.size());
      CHECK(of_parameters.rows.size() == params.size());
      CHECK_MESSAGE(of_inputs.passed(), of_inputs.str());
      CHECK_MESSAGE(of_parameters.passed(), of_parameters.str());
    }
  });
}

TEST_CASE("backward of every cell in f32 is that in f64 to 2e-3, at the same numbers") {
  for_each_cell([](const std::string& name, auto make) {
    for (const ScanOptions& options : all_options()) {
      CAPTURE(name);
      CAPTURE(described(options));
      Params params(1, f32);
      const auto cell = make(params / "cell", 7, 9);
      params.fill(uniform(0.5));
      const Array xs = random_array({steps, batch, 7}, 2).to(f32);
      const auto start = random_state(cell.zero_state(batch), 3);
      const Pass narrow = forward_and_backward(cell, params, xs, start, options);
      params.to(f64);
      const auto wide_start = map_fields(start, [](const Tensor& x) { return Tensor(x.value().to(f64)); });
      const Pass wide = forward_and_backward(cell, params, xs.to(f64), wide_start, options);
      for (Index k = 0; k < wide.gradients.size(); ++k) {
        const Array &a = narrow.gradients[k], &b = wide.gradients[k];
        CHECK(a.dtype() == f32);
        for (Index i = 0; i < b.size(); ++i) {
          CHECK(std::abs(a.flat(i) - b.flat(i)) <= 2e-3 * std::max({1.0, std::abs(a.flat(i)), std::abs(b.flat(i))}));
        }
      }
    }
  });
}

TEST_CASE("stepping with advance equals scanning, bit for bit") {
  for (const Dtype dtype : {f32, f64}) {
    for (const auto& [rows, features, units] : std::vector<std::array<Index, 3>>{{3, 2, 3}, {1, 7, 33}, {32, 48, 64}}) {
      for_each_cell([&](const std::string& name, auto make) {
        CAPTURE(name);
        CAPTURE(dtype);
        CAPTURE(units);
        Params params(1, dtype);
        const auto cell = make(params / "cell", features, units);
        params.fill(uniform(0.3));
        const Tensor xs = random_array({steps, rows, features}, 2).to(dtype);
        const auto start = random_state(cell.zero_state(rows), 3);
        const auto scanned = scan(cell, xs, start);
        auto state = start;
        for (Index t = 0; t < steps; ++t) {
          state = advance(cell, at(xs, t), state);
          CHECK(same_bits(output(cell, state), at(scanned.outputs, t)));
        }
        const auto stepped = tensors_of(state), last = tensors_of(scanned.last);
        for (Index k = 0; k < last.size(); ++k) CHECK(same_bits(stepped[k], last[k]));
      });
    }
  }
}

TEST_CASE("scan_states: the state after every step") {
  Params params(1, f64);
  const Lstm cell(params / "cell", in, hidden);
  const Tensor xs = random_array({steps, batch, in}, 2);
  const auto states = scan_states(cell, xs);
  REQUIRE(states.size() == steps);
  const auto scanned = scan(cell, xs);
  for (Index t = 0; t < steps; ++t) CHECK(same_bits(states[t].h, at(scanned.outputs, t)));
  CHECK(same_bits(states.back().c, scanned.last.c));
}

TEST_CASE("an update gate of zero holds c exactly") {
  const auto holds = [](auto make, Index closed_columns) {
    for (const Dtype dtype : {f32, f64}) {
      CAPTURE(dtype);
      Params params(1, dtype);
      const auto cell = make(params / "cell");
      Array b = cell.b.value().copy();
      for (Index k = 0; k < closed_columns; ++k) b.set_flat(k, -1e4);
      cell.b.set(b);
      const auto start = random_state(cell.zero_state(batch), 2);
      const auto scanned = scan(cell, Tensor(random_array({steps, batch, in}, 3).to(dtype)), start);
      CHECK(same_bits(tensors_of(scanned.last).back(), tensors_of(start).back()));
      const bool memory_is_output = tensors_of(start).size() == 1;
      for (Index t = 0; t < steps && memory_is_output; ++t) {
        CHECK(same_bits(at(scanned.outputs, t), tensors_of(start)[0]));
      }
    }
  };
  holds([](const Scope& p) { return SimpleGru(p, in, hidden); }, hidden);
  holds([](const Scope& p) { return Gru(p, in, hidden, Reset::before); }, hidden);
  holds([](const Scope& p) { return Gru(p, in, hidden, Reset::after); }, hidden);
  holds([](const Scope& p) { return Mgu(p, in, hidden); }, hidden);
  holds([](const Scope& p) { return MinGru(p, in, hidden); }, hidden);
  holds([](const Scope& p) { return CoupledLstm(p, in, hidden); }, hidden);
}

TEST_CASE("a forget gate of one and an update gate of zero hold c, and its gradient, over 10,000 steps") {
  const auto holds = [](auto make) {
    for (const Dtype dtype : {f32, f64}) {
      CAPTURE(dtype);
      Params params(1, dtype);
      const auto cell = make(params / "cell");
      cell.b.set(parts({-1e4, 1e4, 0, 0})({4 * hidden}, params.random()).to(dtype));
      Tape tape;
      auto start = random_state(cell.zero_state(1), 2);
      start.c = tape.watch(start.c);
      const auto scanned = scan(cell, Tensor(random_array({10'000, 1, in}, 3).to(dtype)), start);
      CHECK(same_bits(scanned.last.c, start.c));
      CHECK(same_bits(tape.backward(sum(scanned.last.c))[start.c], Array::full({1, hidden}, dtype, 1)));
    }
  };
  holds([](const Scope& p) { return Lstm(p, in, hidden); });
  holds([](const Scope& p) { return Lstm(p, in, hidden, {.output = LstmOutput::c}); });
  holds([](const Scope& p) { return PeepholeLstm(p, in, hidden); });
}

TEST_CASE("the stacked, the split and the pre-projected form agree to 1e-14") {
  Params params(1, f64);
  const Rnn cell(params / "cell", in, hidden);
  cell.b.set(random_array({hidden}, 2));
  const Tensor xs = random_array({steps, batch, in}, 3), start = random_array({batch, hidden}, 4);
  const Tensor stacked_weights = concat({cell.wh, cell.wx}, 0);  // acts on [a, x]
  Tensor stacked = start, split = start;
  const auto projected = scan(cell, xs, {start});
  for (Index t = 0; t < steps; ++t) {
    const Tensor x = at(xs, t);
    stacked = tanh(matmul(concat({stacked, x}), stacked_weights) + cell.b);
    split = tanh(matmul(split, cell.wh) + matmul(x, cell.wx) + cell.b);
    CHECK(distance(stacked, at(projected.outputs, t)) <= 1e-14);
    CHECK(distance(split, at(projected.outputs, t)) <= 1e-14);
  }
}

TEST_CASE("a cell fed the wrong width says so") {
  for_each_cell([](const std::string& name, auto make) {
    CAPTURE(name);
    Params params(1);
    const auto cell = make(params / "word", in, hidden);
    const std::string kind = name.substr(0, name.find(','));
    const std::string weights = fmt::format("'word.wx' is {}; the last axis must have 2 elements", cell.wx.shape());
    CHECK(message_of([&] {
            scan(cell, Tensor::zeros({5, 4, 7}));
          }) == fmt::format("{}: the input is [5, 4, 7] but {}", kind, weights));
    CHECK(message_of([&] {
            advance(cell, Tensor::zeros({4, 7}), cell.zero_state(4));
          }) == fmt::format("{}: the input is [4, 7] but {}", kind, weights));
  });
}

TEST_CASE("biases at the start: the forget gate's is 1 or what one asks for, the others 0") {
  const auto numbers = [](const Param& b) {
    const auto x = b.value().as<float>();
    return std::vector<float>(x.begin(), x.end());
  };
  Params params(1);
  CHECK(numbers(Lstm(params / "a", 3, 2).b) == std::vector<float>{0, 0, 1, 1, 0, 0, 0, 0});
  CHECK(numbers(Lstm(params / "b", 3, 2, {.forget_bias = -0.5}).b) == std::vector<float>{0, 0, -0.5, -0.5, 0, 0, 0, 0});
  CHECK(numbers(PeepholeLstm(params / "c", 3, 2).b) == std::vector<float>{0, 0, 1, 1, 0, 0, 0, 0});
  CHECK(numbers(Gru(params / "d", 3, 2).b) == std::vector<float>(6, 0));
}

TEST_CASE("the bias of the reset product exists only where the reset comes after") {
  Params params(1);
  const Gru before(params / "before", in, hidden, Reset::before), after(params / "after", in, hidden, Reset::after);
  CHECK_FALSE(params.contains("before.bc"));
  CHECK(params.contains("after.bc"));
}

TEST_CASE("zero_state is zeros in the parameters' dtype") {
  for_each_cell([](const std::string& name, auto make) {
    CAPTURE(name);
    Params params(1);
    const auto cell = make(params / "cell", in, hidden);
    for (const Dtype dtype : {f32, f64}) {
      params.to(dtype);
      each_field(cell.zero_state(4), [&](const Tensor& x) {
        CHECK(same_bits(x.value(), Array::zeros({4, x.dim(1)}, dtype)));
      });
    }
  });
}

TEST_CASE("a shared weight's gradient is the sum over one clone for each step") {
  for_each_cell([](const std::string& name, auto make) {
    CAPTURE(name);
    Params shared(1, f64), cloned(2, f64);
    const auto cell = make(shared / "cell", in, hidden);
    shared.fill(uniform(0.8));
    std::vector<decltype(make(shared / "", in, hidden))> clones;
    for (Index t = 0; t < steps; ++t) clones.push_back(make(cloned / fmt::format("step{}", t), in, hidden));
    const Index each = shared.size();
    for (Index k = 0; k < cloned.size(); ++k) {
      cloned.begin()[static_cast<std::ptrdiff_t>(k)].set(
          shared.begin()[static_cast<std::ptrdiff_t>(k % each)].value().copy());
    }
    const Tensor xs = random_array({steps, batch, in}, 3), seeds = random_array({steps, batch, hidden}, 4);
    const auto loss = [&](auto cell_at) {
      auto state = cell.zero_state(batch);
      Tensor total;
      for (Index t = 0; t < steps; ++t) {
        state = advance(cell_at(t), at(xs, t), state);
        const Tensor part = sum(output(cell, state) * at(seeds, t));
        total = t == 0 ? part : total + part;
      }
      return total;
    };
    Grads of_shared, of_clones;
    {
      Tape tape;
      of_shared = tape.backward(loss([&](Index) -> auto& { return cell; }));
    }
    {
      Tape tape;
      of_clones = tape.backward(loss([&](Index t) -> auto& { return clones[t]; }));
    }
    for (Index k = 0; k < each; ++k) {
      const Param& p = shared.begin()[static_cast<std::ptrdiff_t>(k)];
      CAPTURE(p.name());
      Tensor total = Tensor::zeros(p.shape(), f64);
      for (Index t = 0; t < steps; ++t) {
        // At the first step the state is zero, but products with it still give a gradient, of zeros.
        total = total + Tensor(of_clones[cloned.begin()[static_cast<std::ptrdiff_t>(t * each + k)]]);
      }
      CHECK(distance(total.value(), of_shared[p]) <= 1e-12);
    }
  });
}

TEST_CASE("backpropagation through time as derived by hand equals the tape") {
  Params params(1, f64);
  const Rnn cell(params / "cell", in, hidden);
  params.fill(uniform(0.8));
  Tensor xs = random_array({steps, 1, in}, 2), start = random_array({1, hidden}, 3);
  const Array seeds = random_array({steps, 1, hidden}, 4);

  Tape tape;
  xs = tape.watch(xs);
  start = tape.watch(start);
  const auto scanned = scan(cell, xs, {start});
  const Grads grads = tape.backward(sum(scanned.outputs * Tensor(seeds)));

  // L = Σ r_t·a_t,  a_t = tanh(z_t):   δ_t = ∂L/∂z_t = (r_t + Wh δ_{t+1}) ∘ (1 − a_t²)
  const auto a = scanned.outputs.as<double>(), r = seeds.as<double>(), x = xs.as<double>();
  const auto a0 = start.as<double>(), wx = cell.wx.value().as<double>(), wh = cell.wh.value().as<double>();
  Array dwx = Array::zeros({in, hidden}, f64), dwh = Array::zeros({hidden, hidden}, f64),
        db = Array::zeros({hidden}, f64), dx = Array::zeros({steps, 1, in}, f64), da0 = Array::zeros({1, hidden}, f64);
  const auto add = [](Array& to, Index at, double number) { to.set_flat(at, to.flat(at) + number); };
  std::array<double, hidden> later{};  // Wh δ_{t+1}
  for (Index t = steps; t-- > 0;) {
    std::array<double, hidden> delta{};
    for (Index k = 0; k < hidden; ++k) delta[k] = (r(t, 0, k) + later[k]) * (1 - a(t, 0, k) * a(t, 0, k));
    for (Index k = 0; k < hidden; ++k) {
      later[k] = 0;
      add(db, k, delta[k]);
      for (Index i = 0; i < in; ++i) {
        add(dwx, i * hidden + k, x(t, 0, i) * delta[k]);
        add(dx, t * in + i, wx(i, k) * delta[k]);
      }
      for (Index j = 0; j < hidden; ++j) {
        add(dwh, j * hidden + k, (t > 0 ? a(t - 1, 0, j) : a0(0, j)) * delta[k]);
        later[k] += wh(k, j) * delta[j];
      }
    }
  }
  for (Index k = 0; k < hidden; ++k) da0.set_flat(k, later[k]);
  CHECK(distance(grads[cell.wx], dwx) <= 1e-12);
  CHECK(distance(grads[cell.wh], dwh) <= 1e-12);
  CHECK(distance(grads[cell.b], db) <= 1e-12);
  CHECK(distance(grads[xs], dx) <= 1e-12);
  CHECK(distance(grads[start], da0) <= 1e-12);
}

TEST_CASE("gradients vanish and explode as powers of the recurrent weight") {
  struct LinearRnn {
    struct State {
      Tensor a;
    };
    Param w;
    State zero_state(Index rows) const { return {w.zeros(rows, 1)}; }
    State step(const Tensor& x, const State& s) const { return {x + matmul(s.a, w)}; }
  };
  const auto through_100_steps = [](double weight) {
    Params params(1, f64);
    const LinearRnn cell{Scope(params)("w", {1, 1}, constant(weight))};
    Tape tape;
    const Tensor start = tape.watch(Tensor::full({1, 1}, 1, f64));
    const auto scanned = scan(cell, Tensor::zeros({100, 1, 1}, f64), {start});
    return tape.backward(sum(scanned.last.a))[start].item();
  };
  CHECK(through_100_steps(0.9) == doctest::Approx(2.6561398887587544e-05).epsilon(1e-13));
  CHECK(through_100_steps(1.1) == doctest::Approx(13780.61233982238).epsilon(1e-13));
}
