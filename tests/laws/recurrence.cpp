// Laws of recurrence: of layers with random cells, sizes, lengths and numbers.
#include <unroll/core/fast_paths.h>

#include "laws.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

template <class State>
std::vector<Array> values_of(const State& state) {
  std::vector<Array> all;
  for (const Tensor& x : tensors_of(state)) all.push_back(x.value());
  return all;
}

/// A batch turned round: each sequence within its own length.
Tensor turned(const Tensor& xs, const std::vector<Index>& lengths) {
  return lengths.empty() ? flip(xs, 0) : flip(xs, lengths);
}

/// A layer with random numbers and a random state to start from.
struct DrawnLayer {
  Drawn d;
  Params params{d.seed, f64};
  AnyLayer layer = d.layer(params);
  AnyLayer::State start;
  DrawnLayer() : start((fill(params), random_state(layer.zero_state(d.batch), d.seed + 1))) {}
};

}  // namespace

TEST_CASE("law: a bidirectional layer reads a sequence turned round with its directions exchanged") {
  CHECK(rc::check([] {
    const Drawn d;
    Params params(d.seed, f64);
    const AnyLayer a = d.cell(params / "a"), b = d.other_cell(params / "b");
    fill(params);
    const Bidirectional<AnyLayer> both(a, b), exchanged(b, a);
    const Tensor xs = d.xs();
    const auto start = random_state(both.zero_state(d.batch), d.seed + 1);
    const auto one = scan(both, turned(xs, d.lengths), start, {.lengths = d.lengths});
    const auto other = scan(exchanged, xs, {start.backward, start.forward}, {.lengths = d.lengths});
    const Index width = a.size();
    const auto halves =
        concat({slice(other.outputs, -1, b.size(), b.size() + width), slice(other.outputs, -1, 0, b.size())});
    RC_ASSERT(close(turned(one.outputs, d.lengths).value(), halves.value()));
    RC_ASSERT(close(values_of(one.last.forward), values_of(other.last.backward)));
    RC_ASSERT(close(values_of(one.last.backward), values_of(other.last.forward)));
  }));
}

TEST_CASE("law: all steps at once are as many single steps, to the bit") {
  CHECK(rc::check([] {
    const Drawn d;
    const Dtype dtype = d.ragged ? f32 : f64;
    Params params(d.seed, dtype);
    const Stack stack({d.cell(params / "a"), all_cells()[d.other_kind](params / "b", d.hidden, d.in)});
    fill(params);
    const Tensor xs = d.xs().to(dtype);
    auto state = random_state(stack.zero_state(d.batch), d.seed + 1);
    const auto scanned = scan(stack, xs, state);
    for (Index t = 0; t < d.steps; ++t) {
      state = advance(stack, at(xs, t), state);
      RC_ASSERT(same_bits(output(stack, state), at(scanned.outputs, t)));
    }
    RC_ASSERT(same_bits(values_of(state), values_of(scanned.last)));
  }));
}

TEST_CASE("law: pieces with the state carried from one to the next are the whole") {
  CHECK(rc::check([] {
    const Drawn d;
    Params params(d.seed, f64);
    const Stack stack({d.cell(params / "a"), all_cells()[d.other_kind](params / "b", d.hidden, d.in)});
    fill(params);
    const Tensor xs = d.xs();
    auto state = random_state(stack.zero_state(d.batch), d.seed + 1);
    const auto whole = scan(stack, xs, state);
    std::vector<Tensor> outputs;
    for (Index from = 0; from < d.steps;) {
      const Index to = from + *rc::gen::inRange<Index>(1, d.steps - from + 1);
      const auto piece = scan(stack, slice(xs, 0, from, to), state);
      outputs.push_back(piece.outputs);
      state = piece.last;
      from = to;
    }
    RC_ASSERT(close(concat(outputs, 0).value(), whole.outputs.value()));
    RC_ASSERT(close(values_of(state), values_of(whole.last)));
  }));
}

TEST_CASE("law: sequences in another order have the same outputs, states and gradients in that order") {
  CHECK(rc::check([] {
    const Drawn d;
    Params params(d.seed, f64);
    const AnyLayer layer = d.layer(params);
    fill(params);
    const Index turn = *rc::gen::inRange<Index>(0, d.batch);
    const auto rotated = [&](const Tensor& x, int axis) {
      return concat({slice(x, axis, turn, d.batch), slice(x, axis, 0, turn)}, axis);
    };
    ScanOptions options = d.options(), other = options;
    std::rotate(other.lengths.begin(), other.lengths.begin() + static_cast<std::ptrdiff_t>(d.ragged ? turn : 0),
                other.lengths.end());
    const Tensor xs = d.xs();
    const auto start = random_state(layer.zero_state(d.batch), d.seed + 1);
    const auto one = scan(layer, xs, start, options);
    const auto two =
        scan(layer, rotated(xs, 1), map_fields(start, [&](const Tensor& x) { return rotated(x, 0); }), other);
    RC_ASSERT(close(rotated(one.outputs, 1).value(), two.outputs.value()));
    RC_ASSERT(
        close(values_of(map_fields(one.last, [&](const Tensor& x) { return rotated(x, 0); })), values_of(two.last)));
  }));
}

TEST_CASE("law: a scan with checkpoints is the scan, in values and gradients, to the bit") {
  CHECK(rc::check([] {
    DrawnLayer drawn;
    const auto& [d, params, layer, start] = drawn;
    ScanOptions options = d.options();
    const Pass plain = forward_and_backward(layer, params, d.xs(), start, options);
    options.checkpoint_every = *rc::gen::inRange<Index>(1, d.steps + 2);
    const Pass again = forward_and_backward(layer, params, d.xs(), start, options);
    RC_ASSERT(same_bits(plain.values, again.values));
    RC_ASSERT(same_bits(plain.gradients, again.gradients));
  }));
}

TEST_CASE("law: the fast paths compute what the plain ones do") {
  CHECK(rc::check([] {
    DrawnLayer drawn;
    const auto& [d, params, layer, start] = drawn;
    const auto run = [&](bool fast) {
      set_fast_paths(fast);
      Pass pass = forward_and_backward(layer, params, d.xs(), start, d.options());
      set_fast_paths(true);
      return pass;
    };
    const Pass fast = run(true), plain = run(false);
    RC_ASSERT(close(fast.values, plain.values));
    RC_ASSERT(close(fast.gradients, plain.gradients));
  }));
}
