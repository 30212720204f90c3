// Scans with checkpoints among other uses of the same tensors: gradients are added up in the same order as without.
#include <thread>

#include <unroll/core/pool.h>

#include "checkpoint_testing.h"
#include "users_cells.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

/// Everything around a scan uses the same tensors too: before and after it in the order of recording.
template <class C>
struct Surrounded {
  bool earlier = true, later = true;
  std::vector<Array> operator()(const C& cell, const Params& params, const Array& input, const ScanOptions& options) {
    Tape tape;
    const Tensor source = tape.watch(Tensor(input));
    const Tensor xs = source * 0.75;
    const auto more = [&](double factor) {
      Tensor sum_of = factor * sum(xs * xs);
      for (const Param& p : params) {
        const Tensor w = p;
        sum_of = sum_of + factor * sum(w * w) +
                 (w.ndim() == 2 ? sum(matmul(Tensor::full({300, w.dim(0)}, 0.01, w.dtype()), w)) : sum(w));
      }
      return sum_of;
    };
    Tensor loss = Tensor::scalar(0, input.dtype());
    if (earlier) loss = loss + more(0.1);
    const auto scanned = scan(cell, xs, options), again = scan(cell, flip(xs, 0), options);
    if (later) loss = loss + more(0.2);
    loss = loss + random_sum(scanned, 3) + random_sum(again, 4);
    const Grads grads = tape.backward(loss);
    std::vector<Array> all{loss.value(), grads[source]};
    append_gradients(all, params, grads);
    return all;
  }
};

}  // namespace

TEST_CASE("checkpointed scan: inputs and weights that are used elsewhere too") {
  const auto check = [](auto make) {
    for (const Dtype dtype : {f32, f64}) {
      Params params(1, dtype);
      const auto cell = make(params);
      const Array xs = random_array({steps, batch, in}, 5).to(dtype);
      for_each_kind(dtype, [&](ScanOptions options) {
        for (const bool earlier : {false, true}) {
          for (const bool later : {false, true}) {
            Surrounded<decltype(make(params))> run{earlier, later};
            CAPTURE(earlier);
            CAPTURE(later);
            CAPTURE(name(dtype));
            CAPTURE(options.lengths.size());
            CAPTURE(options.mask.defined());
            options.checkpoint_every = 0;
            const auto plain = run(cell, params, xs, options);
            options.checkpoint_every = 6;
            check_same_bits(run(cell, params, xs, options), plain);
          }
        }
      });
    }
  };
  check([](const Scope& p) { return Lstm(p / "cell", in, hidden); });
  check([](const Scope& p) { return Gru(p / "cell", in, hidden, Reset::after); });
  check([](const Scope& p) { return Nested(p / "cell", in, hidden); });
}

namespace {

/// Its recurrent weight, and something to look at in every step, are tensors of the outer tape.
template <bool Projects>
struct Borrowing {
  struct State {
    Tensor h;
  };
  Tensor wh, memory, part;  // [H, H], [T, B, I], [B, I]
  Param wx;
  Index size() const { return wx.dim(1); }
  State zero_state(Index n) const { return {wx.zeros(n, size())}; }
  Tensor project(const Tensor& xs) const
    requires Projects
  {
    return matmul(xs, wx);
  }
  State step(const Tensor& z, const State& s) const {
    auto [left, right] = split<2>(wh);
    const Tensor seen = matmul(sum(memory, {0}) * 0.1 + part + at(memory, 2), wx);
    const Tensor input = Projects ? z : z * part + z;
    return {tanh((Projects ? input : matmul(input, wx)) + concat({matmul(s.h, left), matmul(s.h, right)}) +
                 matmul(s.h, wh) + seen)};
  }
};

}  // namespace

TEST_CASE("checkpointed scan: a cell that uses tensors of the outer tape, its own input among them") {
  const auto check = [](auto projects) {
    for (const Dtype dtype : {f32, f64}) {
      Params params(1, dtype);
      const Scope scope = params;
      const Param w = scope("w", {hidden, hidden}, orthogonal), wx = scope("wx", {in, hidden}, glorot);
      const Array input = random_array({steps, batch, in}, 5).to(dtype);
      const auto run = [&](Index every, bool itself, bool part, bool later) {
        Tape tape;
        const Tensor xs = tape.watch(Tensor(input)) * 0.5, other = tape.watch(Tensor(input)) * 0.5;
        Random random(4);
        const Tensor dropped = dropout(w, 0.25, random);
        const Borrowing<projects> cell{dropped, itself ? xs : other, at(part ? xs : other, 7), wx};
        const auto scanned = scan(cell, xs, {.checkpoint_every = every});
        const Tensor watched = tape.watch(xs);
        Tensor loss = random_sum(scanned, 3) + 0.1 * sum(dropped * dropped);
        if (later) loss = loss + sum(xs * xs);
        const Grads grads = tape.backward(loss);
        std::vector<Array> all{scanned.outputs.value(), grads[watched]};
        append_gradients(all, params, grads);
        return all;
      };
      for (int kind = 0; kind < 8; ++kind) {
        CAPTURE(kind);
        const auto plain = run(0, kind & 1, kind & 2, kind & 4);
        for (const Index every : intervals()) check_same_bits(run(every, kind & 1, kind & 2, kind & 4), plain);
      }
    }
  };
  check(std::true_type{});
  check(std::false_type{});
}

TEST_CASE("checkpointed scan: watched tensors inside, between and after the chunks") {
  struct Watching {
    using State = Lstm::State;
    Lstm cell;
    Param w;
    std::vector<Tensor>* seen;
    State zero_state(Index n) const { return cell.zero_state(n); }
    Tensor project(const Tensor& xs) const { return cell.project(xs); }
    State step(const Tensor& z, const State& s) const {
      auto next = cell.step(z, s);
      next.c = Tape::current()->watch(tanh(next.c) + matmul(next.h, w));
      next.h = next.h * sigmoid(next.c);
      if (seen->size() < steps) seen->push_back(next.c);
      return next;
    }
  };
  Params params(1, f64);
  const Lstm lstm(params, in, hidden);
  const Param w = Scope(params)("w", {hidden, hidden}, orthogonal);
  const Array input = random_array({steps, batch, in}, 5);
  const auto run = [&](Index every) {
    std::vector<Tensor> seen;
    const Watching cell{lstm, w, &seen};
    Tape tape;
    const auto scanned = scan(cell, Tensor(input), {.checkpoint_every = every});
    const Tensor outputs = tape.watch(scanned.outputs), h = tape.watch(scanned.last.h), c = tape.watch(scanned.last.c);
    const Grads grads = tape.backward(sum(outputs * outputs) + sum(h * c));
    std::vector<Array> all{grads[outputs], grads[h], grads[c]};
    for (const Tensor& x : seen) all.push_back(grads[x]);
    append_gradients(all, params, grads);
    return all;
  };
  const auto plain = run(0);
  CHECK(plain.size() == 3 + steps + 4);
  for (const Index every : intervals()) check_same_bits(run(every), plain);
}

TEST_CASE("checkpointed scan: 10,000 steps keep less than a tenth of what a whole scan keeps") {
  // The outputs belong to the caller and are there both times: they are left out of both.
  constexpr Index length = 10'000, rows = 4, width = 8, units = 32;
  Params params(1);
  const Lstm cell(params, width, units);
  const Array xs = random_array({length, rows, width}, 5).to(f32);
  const auto bytes = [&](Index every) {
    const Index before = pool_stats().bytes;
    std::thread([&] {  // with a pool of its own: nothing that was freed before serves
      Tape tape;
      const auto scanned = scan(cell, Tensor(xs), {.checkpoint_every = every});
      tape.backward(sum(scanned.last.h * scanned.last.h));
    })
        .join();
    return pool_stats().bytes - before - length * rows * units * sizeof(float);
  };
  const Index whole = bytes(0), cut = bytes(100);
  CAPTURE(whole);
  CAPTURE(cut);
  CHECK(cut * 10 < whole);
}
