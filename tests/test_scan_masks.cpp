// Masks with gaps: what a sequence does not read does not exist for it.
#include <unroll/layers/stack.h>

#include "ragged_testing.h"
#include "users_cells.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index in = 2, hidden = 3, steps = 7, batch = 5;

/// Of sequences with holes at the start, inside and at the end, one without, one that reads a single step.
const Array& holes() {
  static const Array mask = [] {
    const double read[steps][batch] = {{0, 1, 1, 1, 0}, {1, 1, 0, 1, 0}, {1, 1, 0, 0, 0}, {0, 1, 1, 0, 1},
                                       {1, 1, 0, 1, 0}, {0, 1, 1, 0, 0}, {1, 1, 0, 0, 0}};
    return Array::of({steps, batch}, &read[0][0]);
  }();
  return mask;
}

std::vector<ScanOptions> all_options() {
  std::vector<ScanOptions> all;
  for (const bool reverse : {false, true}) {
    for (const bool repeat : {false, true}) {
      for (const Index every : {0u, 2u}) {
        for (const std::vector<Index>& lengths : std::vector<std::vector<Index>>{{}, {7, 5, 4, 7, 6}}) {
          all.push_back({.lengths = lengths,
                         .reverse = reverse,
                         .mask = holes(),
                         .repeat_outputs = repeat,
                         .checkpoint_every = every});
        }
      }
    }
  }
  return all;
}

/// The steps that sequence b reads, in the order of time.
std::vector<Index> read_by(const ScanOptions& options, Index b) {
  std::vector<Index> all;
  const Index end = options.lengths.empty() ? steps : options.lengths[b];
  for (Index t = 0; t < end; ++t) {
    if (options.mask.value().flat(t * batch + b) == 1) all.push_back(t);
  }
  return all;
}

template <class Check>
void for_each_layer(Check check) {
  const auto visit = [&](const std::string& name, auto make) {
    for (const ScanOptions& options : all_options()) {
      CAPTURE(name);
      CAPTURE(options.lengths.size());
      CAPTURE(options.reverse);
      CAPTURE(options.repeat_outputs);
      CAPTURE(options.checkpoint_every);
      Params params(1, f64);
      const auto layer = make(params);
      params.fill(uniform(0.8));
      check(layer, params, options);
    }
  };
  visit("Rnn", [](const Scope& p) { return Rnn(p, in, hidden); });
  visit("Gru", [](const Scope& p) { return Gru(p, in, hidden); });
  visit("Lstm", [](const Scope& p) { return Lstm(p, in, hidden); });
  visit("Plain", [](const Scope& p) { return Plain(p, in, hidden); });
  visit("Nested", [](const Scope& p) { return Nested(p, in, hidden); });
  visit("Projecting", [](const Scope& p) { return Projecting(p, in, hidden, Projection::normalised); });
  visit("Bidirectional", [](const Scope& p) { return Bidirectional<Lstm>(p, in, hidden); });
  visit("AnyLayer", [](const Scope& p) { return AnyLayer(Gru(p, in, hidden)); });
}

Array with_unread(const Array& xs, const ScanOptions& options, double number) {
  Array other = xs.copy();
  for (Index b = 0; b < batch; ++b) {
    const auto read = read_by(options, b);
    for (Index t = 0; t < steps; ++t) {
      if (std::find(read.begin(), read.end(), t) != read.end()) continue;
      for (Index i = 0; i < xs.dim(2); ++i) other.set_flat((t * batch + b) * xs.dim(2) + i, number);
    }
  }
  return other;
}

template <class L>
void check_unread_changes_nothing(const L& layer, const Params& params, const ScanOptions& options) {
  const Array xs = random_array({steps, batch, in}, 5);
  const auto start = random_state(layer.zero_state(batch), 6);
  const auto pass = [&](double number) {
    return forward_and_backward(layer, params, with_unread(xs, options, number), start, options);
  };
  const Pass plain = pass(0);
  for (const double number : {std::numeric_limits<double>::quiet_NaN(), 1e30}) {
    const Pass other = pass(number);
    for (Index k = 0; k < plain.values.size(); ++k) CHECK(same_bits(plain.values[k], other.values[k]));
    for (Index k = 0; k < plain.gradients.size(); ++k) CHECK(same_bits(plain.gradients[k], other.gradients[k]));
  }
  CHECK(same_bits(plain.gradients[0], with_unread(plain.gradients[0], options, 0)));
  if (!options.repeat_outputs) CHECK(same_bits(plain.values[0], with_unread(plain.values[0], options, 0)));
}

/// The outputs of sequence b over what it reads, [n, 1, H], in all places of [T, 1, H].
Tensor spread_out(const Tensor& outputs, const std::vector<Index>& read, const ScanOptions& options) {
  const Tensor none = Tensor::zeros({1, 1, outputs.dim(2)}, outputs.dtype());
  std::vector<Tensor> all(steps);
  Tensor shown = none;
  for (Index i = 0; i < steps; ++i) {
    const Index t = options.reverse ? steps - 1 - i : i;
    const auto found = std::find(read.begin(), read.end(), t);
    if (found == read.end()) {
      all[t] = shown;
      continue;
    }
    const auto k = static_cast<Index>(found - read.begin());
    all[t] = slice(outputs, 0, k, k + 1);
    if (options.repeat_outputs) shown = all[t];
  }
  return concat(all, 0);
}

template <class L>
void check_equals_what_is_read(const L& layer, const Params& params, const ScanOptions& options) {
  if constexpr (requires { layer.backward; }) {
    if (options.repeat_outputs) return;  // each half repeats in its own direction, unlike `spread_out`
  }
  const auto scan_one = [&](const Tensor& xs, const auto& state, Index b) {
    const auto read = read_by(options, b);
    std::vector<Tensor> pieces;
    for (const Index t : read) pieces.push_back(slice(xs, 0, t, t + 1));
    auto one = scan(layer, concat(pieces, 0), state, {.reverse = options.reverse});
    one.outputs = spread_out(one.outputs, read, options);
    return one;
  };
  check_equals_one_by_one(layer, params, in, steps, batch, options, scan_one);
}

}  // namespace

TEST_CASE("masks: a batch equals its sequences one by one without what they do not read") {
  for_each_layer([](const auto& layer, const Params& params, const ScanOptions& options) {
    check_equals_what_is_read(layer, params, options);
  });
}

TEST_CASE("masks: what is not read changes no bit of any value or gradient") {
  for_each_layer([](const auto& layer, const Params& params, const ScanOptions& options) {
    check_unread_changes_nothing(layer, params, options);
  });
  for (const ScanOptions& options : all_options()) {  // a layer above reads the same steps as the one below
    Params params(1, f64);
    const Stack layer({Lstm(params / "a", in, hidden), Bidirectional<Gru>(params / "b", hidden, 2)});
    check_unread_changes_nothing(layer, params, options);
  }
}

TEST_CASE("masks: the state stays what it was, to the bit") {
  Params params(1, f64);
  const Nested cell(params, in, hidden);
  const Tensor xs = random_array({steps, batch, in}, 5);
  const auto start = random_state(cell.zero_state(batch), 6);
  Array none = holes().copy();
  for (Index t = 0; t < steps; ++t) none.set_flat(t * batch + 2, 0);
  const auto scanned = scan(cell, xs, start, {.mask = none});
  const auto before = tensors_of(start), after = tensors_of(scanned.last);
  for (Index k = 0; k < before.size(); ++k) CHECK(same_bits(at(before[k], 2), at(after[k], 2)));

  // Nobody reads anything.
  const auto idle = scan(cell, xs, start, {.mask = Array::zeros({steps, batch}, f64), .checkpoint_every = 2});
  CHECK(same_bits(idle.outputs.value(), Array::zeros({steps, batch, output_size(cell)}, f64)));
  for (Index k = 0; k < before.size(); ++k) CHECK(same_bits(before[k], tensors_of(idle.last)[k]));
}

TEST_CASE("masks: ones are no mask, and a prefix is a length") {
  Params params(1, f64);
  const Lstm cell(params, in, hidden);
  const Tensor xs = random_array({steps, batch, in}, 5);
  const std::vector<Index> lengths{7, 1, 3, 3, 5};
  Array prefix = Array::uninitialised({steps, batch}, f32);  // of another dtype than the numbers
  for (Index i = 0; i < prefix.size(); ++i) prefix.set_flat(i, i / batch < lengths[i % batch] ? 1 : 0);
  for (const bool reverse : {false, true}) {
    const auto ones = scan(cell, xs, {.reverse = reverse, .mask = Array::full({steps, batch}, f64, 1)});
    const auto plain = scan(cell, xs, {.reverse = reverse});
    CHECK(distance(ones.outputs, plain.outputs) <= 1e-14);
    CHECK(distance(ones.last.c, plain.last.c) <= 1e-14);
    const auto masked = scan(cell, xs, {.reverse = reverse, .mask = prefix});
    const auto cut = scan(cell, xs, {.lengths = lengths, .reverse = reverse});
    CHECK(same_bits(masked.outputs, cut.outputs));
    CHECK(same_bits(masked.last.h, cut.last.h));
  }
  // An xtensor comparison is a mask.
  const xt::xarray<int> ids{{3, 0, 2, 1, 4}, {0, 5, 0, 1, 2}};
  const auto compared = scan(cell, slice(xs, 0, 0, 2), {.mask = xt::not_equal(ids, 0)});
  const auto given = scan(cell, slice(xs, 0, 0, 2), {.mask = xt::xarray<double>{{1, 0, 1, 1, 1}, {0, 1, 0, 1, 1}}});
  CHECK(same_bits(compared.outputs, given.outputs));
}

TEST_CASE("masks: what scan refuses") {
  Params params(1);
  const Rnn cell(params, in, hidden);
  const auto refused = [&](const Tensor& mask) {
    return message_of([&] { scan(cell, Tensor::zeros({4, 3, in}), {.mask = mask}); });
  };
  CHECK(refused(Tensor::zeros({3, 4})) ==
        "scan: the mask is [3, 4] and the input [4, 3, 2]; it must be [T, B], one number for each step of each "
        "sequence");
  CHECK(refused(Tensor::zeros({4, 3, 1})).starts_with("scan: the mask is [4, 3, 1]"));
  Array half = Array::full({4, 3}, f32, 1);
  half.set_flat(5, 0.5);
  CHECK(refused(half) == "scan: the mask is 0.5 at step 1 of sequence 2; it must be 0 or 1");
}
