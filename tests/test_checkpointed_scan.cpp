// Scans that compute their steps once more in backward: the same bits as without, for every cell and every interval.
#include <unroll/core/recompute.h>
#include <unroll/layers/stack.h>

#include "checkpoint_testing.h"
#include "users_cells.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

/// A layer with and without checkpoints, with the same random numbers.
template <class Make>
void check_layer(const std::string& name, Make make) {
  CAPTURE(name);
  for (const Dtype dtype : {f32, f64}) {
    Params params(1, dtype);
    const auto layer = make(params);
    params.fill(uniform(0.8));
    const Array xs = random_array({steps, batch, in}, 5).to(dtype);
    const auto start = random_state(layer.zero_state(batch), 6);
    const Random::State seed = params.random().state();
    for_each_kind(dtype, [&](ScanOptions options) {
      const auto run = [&](Index every) {
        options.checkpoint_every = every;
        params.random().restore(seed);
        return forward_and_backward(layer, params, xs, start, options);
      };
      const Pass plain = run(0);
      const Random::State after = params.random().state();
      for (const Index every : intervals()) {
        CAPTURE(every);
        check_same_bits(run(every), plain);
        CHECK(params.random().state() == after);
      }
    });
  }
}

/// Dropout inside the step, from the parameters' numbers, from a generator of the step's own, and from one that lives
/// in the cell.
struct Dropping {
  struct State {
    Tensor h;
  };
  Rnn cell;
  Dropout drop;
  mutable Random mine{7};
  Dropping(const Scope& p, Index inputs, Index size) : cell(p, inputs, size), drop(p, 0.3) {}
  Index size() const { return output_size(cell); }
  State zero_state(Index n) const { return {cell.zero_state(n).a}; }
  Tensor project(const Tensor& xs) const { return cell.project(xs); }
  State step(const Tensor& z, const State& s) const {
    const Tensor h = drop(cell.step(z, {s.h}).a);
    Random local(3);
    const double noise = local.normal() + mine.uniform();
    return {h + Tensor(local.mask(h.shape(), h.dtype(), 0.5)) * noise};
  }
};

/// Its state remembers, beside tensors, how many steps it has seen; it sees something else every third time.
struct Clockwork {
  struct Clock {
    explicit Clock(int t) : ticks(t) {}
    int ticks;
  };
  struct State {
    Tensor h;
    Clock clock;
  };
  Param wx, wh;
  Clockwork(const Scope& p, Index inputs, Index size)
      : wx(p("wx", {inputs, size}, glorot)), wh(p("wh", {size, size}, orthogonal)) {}
  Index size() const { return wh.dim(0); }
  State zero_state(Index n) const { return {wh.zeros(n, size()), Clock(0)}; }
  State step(const Tensor& x, const State& s) const {
    const Tensor h = s.clock.ticks % 3 == 0 ? tanh(matmul(x, wx) + matmul(s.h, wh)) : s.h * 0.5;
    return {h, Clock(s.clock.ticks + 1)};
  }
};

/// A cell whose every step scans another one, with checkpoints.
struct Inner {
  struct State {
    Tensor h;
  };
  Gru inner;
  Param w;
  Index every;
  Inner(const Scope& p, Index inputs, Index size, Index every)
      : inner(p / "inner", inputs, size), w(p("w", {size, size}, orthogonal)), every(every) {}
  Index size() const { return w.dim(0); }
  State zero_state(Index n) const { return {inner.wh.zeros(n, size())}; }
  State step(const Tensor& x, const State& s) const {
    const Tensor xs = stack(std::vector<Tensor>{x, x * 0.5, tanh(x)});
    const auto scanned = unroll::scan(inner, xs, {s.h}, {.checkpoint_every = every});
    return {tanh(matmul(scanned.last.c, w) + sum(scanned.outputs, {0}))};
  }
};

}  // namespace

TEST_CASE("checkpointed scan: every built-in cell") {
  for_each_cell([](const std::string& name, auto make) {
    check_layer(name, [&](const Scope& p) { return make(p, in, hidden); });
  });
}

TEST_CASE("checkpointed scan: users' cells") {
  check_layer("Plain", [](const Scope& p) { return Plain(p, in, hidden); });
  check_layer("Nested", [](const Scope& p) { return Nested(p, in, hidden); });
  check_layer("Clockwork", [](const Scope& p) { return Clockwork(p, in, hidden); });
  for (const Projection form : {Projection::affine, Projection::sum, Projection::normalised, Projection::shared}) {
    check_layer(fmt::format("Projecting {}", static_cast<int>(form)),
                [&](const Scope& p) { return Projecting(p, in, hidden, form); });
  }
}

TEST_CASE("checkpointed scan: layers of layers") {
  check_layer("Bidirectional", [](const Scope& p) { return Bidirectional<Lstm>(p, in, hidden); });
  check_layer("Stack", [](const Scope& p) {
    return Stack({Bidirectional<Rnn>(p / "a", in, 2), Lstm(p / "b", 4, hidden), Nested(p / "c", hidden, 2)},
                 Dropout(p, 0.25));
  });
}

TEST_CASE("checkpointed scan: the same random numbers in the second run") {
  check_layer("Projecting, dropped", [](const Scope& p) { return Projecting(p, in, hidden, Projection::dropped); });
  // The generator inside the cell goes on from scan to scan, so each run gets a cell of its own.
  Random::State after{};
  const auto run = [&](Index k) {
    Params params(1, f32);
    const Dropping cell(params, in, hidden);
    const Array xs = random_array({steps, batch, in}, 5).to(f32);
    Pass pass = forward_and_backward(cell, params, xs, cell.zero_state(batch), {.checkpoint_every = k});
    after = params.random().state();
    return pass;
  };
  const Pass plain = run(0);
  const Random::State expected = after;
  for (const Index every : intervals()) {
    check_same_bits(run(every), plain);
    CHECK(after == expected);  // what the second run has drawn does not count
  }
}

TEST_CASE("checkpointed scan: inside a checkpointed scan") {
  for (const Index inner : {0u, 1u, 2u, 3u}) {
    check_layer("Inner", [&](const Scope& p) { return Inner(p, in, hidden, inner); });
  }
  Params params(1, f64);
  const Array xs = random_array({steps, batch, in}, 5);
  const Inner plain(params / "a", in, hidden, 0);
  const Pass expected = forward_and_backward(plain, params, xs, plain.zero_state(batch), {});
  for (const Index k : {1u, 2u}) {
    Inner other = plain;
    other.every = k;
    for (const Index every : {0u, 4u}) {
      check_same_bits(forward_and_backward(other, params, xs, plain.zero_state(batch), {.checkpoint_every = every}),
                      expected);
    }
  }
}

TEST_CASE("checkpointed scan: the second run sees what the first one saw") {
  Params params(1, f64);
  const Projecting cell(params, in, hidden, Projection::sum);
  const Dropping dropping(Scope(params) / "dropping", in, hidden);
  const Array input = random_array({steps, batch, in}, 5);
  const auto run = [&](Index every, bool disturb) {
    params.random().restore(Random(9).state());
    cell.gain.freeze();
    Tape tape;
    Tensor loss;
    const Dropping fresh = dropping;  // whose own generator goes on with every run
    {
      const Evaluation passing;
      loss = sum(scan(fresh, Tensor(input), {.checkpoint_every = every}).outputs);
    }
    loss =
        loss + sum(scan(Projecting(cell), Tensor(input), {.checkpoint_every = every}).outputs);  // the cell ends here
    std::vector<Array> before;
    for (const Param& p : params) before.push_back(p.value());
    if (disturb) {
      cell.gain.freeze(false);
      cell.b.freeze();
      for (const Param& p : params) p.set(Array::full(p.shape(), f64, 1000));
      params.random().bits();
    }
    std::vector<Array> all;
    const Grads grads = tape.backward(loss);
    CHECK(!grads.contains(cell.gain));
    CHECK(grads.contains(cell.b));
    append_gradients(all, params, grads);
    cell.b.freeze(false);
    for (Index i = 0; i < before.size(); ++i)
      params["" + (params.begin() + static_cast<std::ptrdiff_t>(i))->name()].set(before[i]);
    return all;
  };
  const auto plain = run(0, false);
  for (const Index every : intervals()) check_same_bits(run(every, true), plain);
}

TEST_CASE("checkpointed scan: the second run uses the cell as it was, and may see its inputs in every step") {
  struct Looking {
    struct State {
      Tensor h;
    };
    Param wx, wh, seen;
    Tensor all;  // xs
    double factor;
    State zero_state(Index n) const { return {wh.zeros(n, hidden)}; }
    Tensor project(const Tensor& xs) const { return matmul(xs, wx); }
    State step(const Tensor& z, const State& s) const {
      return {tanh(z + matmul(s.h * factor, wh) + matmul(at(all, 2), seen))};
    }
  };
  Params params(1, f64);
  const Scope p = params;
  const Param wx = p("wx", {in, hidden}, glorot), wh = p("wh", {hidden, hidden}, orthogonal);
  const Param other = p("other", {in, hidden}, glorot);
  const Array input = random_array({steps, batch, in}, 5);
  const auto run = [&](Index every, const Param& seen) {
    Tape tape;
    const Tensor xs = tape.watch(input);
    Looking cell{wx, wh, seen, xs, 0.5};
    const auto scanned = scan(cell, xs, {.checkpoint_every = every});
    cell.factor = 2;
    cell.all = at(xs, 0);
    std::vector<Array> all{scanned.outputs.value()};
    const Grads grads = tape.backward(random_sum(scanned, 3));
    all.push_back(grads[xs]);
    for (const auto& [param, grad] : grads) all.push_back(grad);
    return all;
  };
  for (const Param& seen : {wx, other}) {  // the projection's weight, or one that only the steps use
    CAPTURE(seen.name());
    const auto plain = run(0, seen);
    for (const Index every : intervals()) check_same_bits(run(every, seen), plain);
  }
}

TEST_CASE("checkpointed scan: on the plain paths, in the large, without a tape") {
  Params params(1, f32);
  const Lstm cell(params, 40, 50);
  const Array input = random_array({31, 47, 40}, 5).to(f32);
  const auto run = [&](Index every) {
    return forward_and_backward(cell, params, input, cell.zero_state(47), {.checkpoint_every = every});
  };
  const Pass plain = run(0);
  for (const Index every : {1u, 6u, 30u}) check_same_bits(run(every), plain);
  set_fast_paths(false);
  const Pass slow = run(0);
  for (const Index every : {1u, 6u, 30u}) check_same_bits(run(every), slow);
  set_fast_paths(true);
  CHECK(same_bits(scan(cell, Tensor(input), {.checkpoint_every = 6}).outputs.value(), plain.values[0]));
}

TEST_CASE("checkpointed scan: a cell that does something else the second time is found out") {
  struct Fickle {
    struct State {
      Tensor h;
    };
    Param w, other;
    int* calls;
    State zero_state(Index n) const { return {w.zeros(n, hidden)}; }
    State step(const Tensor& x, const State& s) const {
      const bool later = ++*calls > static_cast<int>(steps);
      return {later && *calls % 2 == 0 ? s.h * 2.0 : tanh(matmul(x, w) + s.h)};
    }
  };
  Params params(1, f64);
  int calls = 0;
  const Fickle cell{Scope(params)("w", {in, hidden}, glorot), Scope(params)("other", {hidden}, zero), &calls};
  const Array input = random_array({steps, batch, in}, 5);
  Tape tape;
  const Tensor loss = sum(scan(cell, Tensor(input), {.checkpoint_every = 4}).outputs);
  CHECK(message_of<UsageError>([&] { tape.backward(loss); }) ==
        "recomputed: the second run computed something else than the first; it may depend on nothing that changes but "
        "parameters and the numbers of a Random");
}
