// What every layer owes a batch of ragged sequences: tests for a layer of any kind.
#pragma once

#include <vector>

#include "layer_testing.h"

namespace unroll::testing {

/// Everything that came of one pass: outputs, last state, and the gradients of a random sum of them.
struct Pass {
  std::vector<Array> values;     // outputs, then the last state's tensors
  std::vector<Array> gradients;  // of xs, the initial state's tensors, and the parameters
};

inline void append_gradients(std::vector<Array>& to, const Params& params, const Grads& grads) {
  for (const Param& p : params) to.push_back(grads.contains(p) ? grads[p] : Array::zeros(p.shape(), p.dtype()));
}

template <class L, class State>
Pass forward_and_backward(const L& layer, const Params& params, const Array& xs, const State& start,
                          const ScanOptions& options) {
  Tape tape;
  const Tensor x = tape.watch(Tensor(xs));
  const State state = map_fields(start, [&](const Tensor& t) { return tape.watch(t); });
  const auto scanned = scan(layer, x, state, options);
  Pass pass{{scanned.outputs.value()}, {}};
  each_field(scanned.last, [&](const Tensor& t) { pass.values.push_back(t.value()); });
  const Grads grads = tape.backward(random_sum(scanned, 7));
  pass.gradients.push_back(grads[x]);
  each_field(state, [&](const Tensor& t) { pass.gradients.push_back(grads[t]); });
  append_gradients(pass.gradients, params, grads);
  return pass;
}

/// xs [T, B, F] with `number(i)` in the i-th place of all padding.
template <class Number>
Array with_padding_of(const Array& xs, const std::vector<Index>& lengths, Number number) {
  Array padded = xs.copy();
  const Index batch = xs.dim(1), width = xs.dim(2);
  Index place = 0;
  for (Index t = 0; t < xs.dim(0); ++t) {
    for (Index b = 0; b < batch; ++b) {
      for (Index i = 0; i < width && t >= lengths[b]; ++i)
        padded.set_flat((t * batch + b) * width + i, number(place++));
    }
  }
  return padded;
}
inline Array with_padding(const Array& xs, const std::vector<Index>& lengths, double number) {
  return with_padding_of(xs, lengths, [number](Index) { return number; });
}

/// xs with all that padding may hold: NaN, 1e30, ordinary numbers, and the same ones in another order.
inline std::vector<Array> with_all_padding(const Array& xs, const std::vector<Index>& lengths) {
  Index places = 0;
  for (const Index length : lengths) places += (xs.dim(0) - length) * xs.dim(2);
  const auto ordinary = [](Index place) { return 0.5 * static_cast<double>(place) - 3; };
  return {with_padding(xs, lengths, std::numeric_limits<double>::quiet_NaN()), with_padding(xs, lengths, 1e30),
          with_padding_of(xs, lengths, ordinary),
          with_padding_of(xs, lengths, [&](Index place) { return ordinary(places - 1 - place); })};
}

/// The sequences of a batch scanned one by one give what its scan gives, values and gradients, to 1e-12.
/// `scan_one(xs, state, b)` scans sequence b of the batch, and gives its outputs in all places, [T, 1, H].
template <class L, class ScanOne>
void check_equals_one_by_one(const L& layer, const Params& params, Index in, Index steps, Index batch,
                             const ScanOptions& options, ScanOne scan_one) {
  const Array xs = random_array({steps, batch, in}, 5);
  const auto start = random_state(layer.zero_state(batch), 6);
  const Pass together = forward_and_backward(layer, params, xs, start, options);

  Tape tape;
  const Tensor x = tape.watch(Tensor(xs));
  const auto state = map_fields(start, [&](const Tensor& t) { return tape.watch(t); });
  std::vector<Tensor> outputs;
  std::vector<std::vector<Tensor>> last(tensors_of(state).size());
  for (Index b = 0; b < batch; ++b) {
    const auto one =
        scan_one(slice(x, 1, b, b + 1), map_fields(state, [&](const Tensor& t) { return slice(t, 0, b, b + 1); }), b);
    outputs.push_back(one.outputs);
    Index field = 0;
    each_field(one.last, [&](const Tensor& t) { last[field++].push_back(t); });
  }
  std::vector<Tensor> joined;
  for (const auto& field : last) joined.push_back(concat(field, 0));
  const Scanned<std::vector<Tensor>> apart{concat(outputs, 1), joined};
  CHECK(distance(apart.outputs.value(), together.values[0]) <= 1e-12);
  REQUIRE(joined.size() + 1 == together.values.size());
  for (Index k = 0; k < joined.size(); ++k) CHECK(distance(joined[k].value(), together.values[k + 1]) <= 1e-12);

  const Grads grads = tape.backward(random_sum(apart, 7));
  std::vector<Array> gradients{grads[x]};
  each_field(state, [&](const Tensor& t) { gradients.push_back(grads[t]); });
  append_gradients(gradients, params, grads);
  REQUIRE(gradients.size() == together.gradients.size());
  for (Index k = 0; k < gradients.size(); ++k) {
    CAPTURE(k);
    CHECK(distance(gradients[k], together.gradients[k]) <= 1e-12);
  }
}

template <class L>
void check_batch_equals_sequences(const L& layer, const Params& params, Index in, Index steps,
                                  const ScanOptions& options) {
  const std::vector<Index>& lengths = options.lengths;
  const auto scan_one = [&](const Tensor& xs, const auto& state, Index b) {
    auto one = scan(layer, slice(xs, 0, 0, lengths[b]), state, {.reverse = options.reverse});
    const Index missing = steps - lengths[b], width = one.outputs.dim(2);
    if (missing > 0) one.outputs = concat({one.outputs, Tensor::zeros({missing, 1, width}, f64)}, 0);
    return one;
  };
  check_equals_one_by_one(layer, params, in, steps, lengths.size(), options, scan_one);
}

inline void check_same_bits(const std::vector<Array>& a, const std::vector<Array>& b) {
  REQUIRE(a.size() == b.size());
  for (Index i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bits(a[i], b[i]));
  }
}
inline void check_same_bits(const Pass& a, const Pass& b) {
  check_same_bits(a.values, b.values);
  check_same_bits(a.gradients, b.gradients);
}

/// What lies in padding, and in what order, changes no bit of any value or gradient; padding gets a gradient of zero.
template <class L>
void check_padding_is_never_read(const L& layer, const Params& params, Index in, Index steps,
                                 const ScanOptions& options) {
  const Index batch = options.lengths.size();
  const Array xs = random_array({steps, batch, in}, 5);
  const auto start = random_state(layer.zero_state(batch), 6);
  const auto pass = [&](const Array& padded) { return forward_and_backward(layer, params, padded, start, options); };
  const Pass plain = pass(with_padding(xs, options.lengths, 0));
  for (const Array& padded : with_all_padding(xs, options.lengths)) check_same_bits(plain, pass(padded));
  CHECK(same_bits(plain.values[0], with_padding(plain.values[0], options.lengths, 0)));
  CHECK(same_bits(plain.gradients[0], with_padding(plain.gradients[0], options.lengths, 0)));
}

}  // namespace unroll::testing
