// Long chains and long sequences under a small stack: `sh -c "ulimit -s 256; exec deep"`. Nothing in the library
// recurses over what was recorded, so a million nodes need no more stack than ten.
#include <sys/resource.h>

#include <cmath>

#include <unroll/unroll.h>

using namespace unroll;

namespace {

void check(bool ok, const char* what) {
  if (ok) return;
  fmt::print(stderr, "deep: {}\n", what);
  std::exit(1);
}

struct HalfWay {};

/// y = f x, again and again.
Tensor chain(const Param& w, Index nodes, double factor, Index end) {
  Tensor y = w;
  for (Index i = 0; i < nodes; ++i) {
    if (i == end) throw HalfWay();
    y = y * factor;
  }
  return y;
}

void chains() {
  constexpr Index nodes = 1'000'000;
  const double factor = 1 - 1e-6;
  Params params(1, f64);
  const Param w = Scope(params)("w", {1}, constant(2));
  {
    Tape tape;
    const Tensor y = chain(w, nodes, factor, nodes);
    check(tape.size() >= nodes, "the chain has a million nodes");
    const double slope = tape.backward(sum(y))[w].item(), expected = std::pow(factor, static_cast<double>(nodes));
    check(std::abs(slope - expected) < 1e-9, "the derivative of the chain");
  }
  {
    Tape tape;
    chain(w, nodes, factor, nodes);
  }
  try {
    Tape tape;
    chain(w, nodes, factor, nodes / 2);
  } catch (const HalfWay&) { check(Tape::current() == nullptr, "no tape is left"); }
}

/// Views of views: the rest of a sequence of which every step takes the first, and all of a sum again and again.
void views() {
  constexpr Index steps = 100'000;
  Params params(1, f64);
  const Param w = Scope(params)("w", {steps, 1}, constant(1));
  {
    Tape tape;
    Tensor rest = w, total = Tensor::zeros({1}, f64);
    for (Index t = 0; t < steps; ++t) {
      total = total + static_cast<double>(t % 7) * at(rest, 0);
      if (t + 1 < steps) rest = slice(rest, 0, 1, rest.dim(0));
    }
    const Grads grads = tape.backward(sum(total));
    for (Index t = 0; t < steps; ++t)
      check(grads[w].flat(t) == static_cast<double>(t % 7), "the gradient of what each step took");
  }
  {
    Tape tape;
    const Tensor one = Tensor::full({1, 1}, 1, f64), x = tape.watch(one);
    Tensor y = x;
    for (Index t = 0; t < steps; ++t) y = split<1>(y)[0] + one;
    check(tape.backward(sum(2.0 * y))[x].item() == 2, "the gradient through sums and views of them");
  }
}

/// An RNN that may give up in the middle.
struct Ending {
  using State = Rnn::State;
  Rnn rnn;
  Index* left;
  Index size() const { return rnn.size(); }
  State zero_state(Index batch) const { return rnn.zero_state(batch); }
  State step(const Tensor& x, const State& s) const {
    if ((*left)-- == 0) throw HalfWay();
    return rnn.step(rnn.project(x), s);
  }
};

void sequences() {
  constexpr Index steps = 100'000;
  Params params(1);
  Index left = steps;
  const Ending cell{Rnn(params / "rnn", 1, 2), &left};
  const Lstm lstm(params / "lstm", 1, 2);
  const Tensor xs = Tensor::full({steps, 1, 1}, 0.1);
  for (const Index checkpoint_every : {Index{0}, Index{316}}) {
    Tape tape;
    ScanOptions options;
    options.checkpoint_every = checkpoint_every;
    const Grads grads = tape.backward(sum(scan(lstm, xs, options).outputs));
    check(std::isfinite(grads.norm()) && grads.norm() > 0, "the gradient of the sequence");
  }
  {
    Tape tape;
    scan(lstm, xs);
  }
  left = steps / 2;
  try {
    Tape tape;
    scan(cell, xs);
    check(false, "the cell gives up half-way");
  } catch (const HalfWay&) { check(Tape::current() == nullptr, "no tape is left"); }
}

}  // namespace

int main() {
  rlimit stack{};
  ::getrlimit(RLIMIT_STACK, &stack);
  check(stack.rlim_cur <= 256 * 1024, "the stack is to be limited: sh -c 'ulimit -s 256; exec deep'");
  chains();
  views();
  sequences();
  check(pool_stats().in_use == 0, "all memory is free again");
  fmt::print("a chain of 1,000,000 nodes, 100,000 views and 100,000 steps in a stack of {} KiB\n",
             stack.rlim_cur / 1024);
}
