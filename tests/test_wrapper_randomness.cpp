// What VariationalDropout, Zoneout and WeightDrop promise: when they act, what they leave out, how often.

#include <unroll/layers/stack.h>

#include "ragged_testing.h"
#include "wrapper_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index in = 3, hidden = 4, steps = 6, batch = 3;
constexpr VariationalRates half{.input = 0.5, .recurrent = 0.5, .output = 0.5};

Tensor inputs(Dtype dtype = f64, Index rows = batch) { return Tensor(random_array({steps, rows, in}, 2).to(dtype)); }

/// Whether the share of `hits` in n draws is `rate`, within four standard deviations of a binomial count.
bool at_rate(Index hits, Index n, double rate) {
  const double mean = static_cast<double>(n) * rate;
  return std::abs(static_cast<double>(hits) - mean) <= 4 * std::sqrt(mean * (1 - rate));
}

/// Calls f(name, bare, wrapped) for random wrappers of an Lstm and a Gru, and for a nest of them.
template <class F>
void for_each_random_wrapper(Params& params, F f) {
  const Lstm lstm(params / "lstm", in, hidden);
  const Gru gru(params / "gru", in, hidden);
  f("VariationalDropout<Lstm>", lstm, VariationalDropout(params, lstm, half));
  f("VariationalDropout<Gru>", gru, VariationalDropout(params, gru, half));
  f("WeightDrop<Lstm>", lstm, WeightDrop(params, lstm, 0.5));
  f("WeightDrop<Gru>", gru, WeightDrop(params, gru, 0.5));
  f("VariationalDropout<WeightDrop<Lstm>>", lstm, VariationalDropout(params, WeightDrop(params, lstm, 0.5), half));
}

}  // namespace

TEST_CASE("dropout of a cell: in evaluation the bare cell bit for bit, without a draw; in training something else") {
  for (const Dtype dtype : {f32, f64}) {
    Params params(1, dtype);
    for_each_random_wrapper(params, [&](const std::string& name, const auto& bare, const auto& wrapped) {
      CAPTURE(name);
      for (const ScanOptions& options : std::vector<ScanOptions>{
               {}, {.reverse = true}, {.lengths = {2, 6, 4}}, {.lengths = {2, 6, 4}, .reverse = true}}) {
        const Tensor xs = inputs(dtype);
        const auto same = [&](const auto& got) {
          const auto want = scan(bare, xs, options);
          const auto theirs = tensors_of(want.last), ours = tensors_of(got.last);
          bool all = same_bits(want.outputs, got.outputs);
          for (Index k = 0; k < theirs.size(); ++k) all = all && same_bits(theirs[k], ours[k]);
          return all;
        };
        const auto before = params.random().state();
        CHECK(same(scan(wrapped, xs, options)));
        Tape tape;
        {
          const Evaluation evaluation;
          CHECK(same(scan(wrapped, xs, options)));
          CHECK(same_bits(output(wrapped, advance(wrapped, at(xs, 0), wrapped.zero_state(batch))),
                          output(bare, advance(bare, at(xs, 0), bare.zero_state(batch)))));
        }
        CHECK(params.random().state() == before);
        const auto trained = scan(wrapped, xs, options);
        CHECK_FALSE(same(trained));
        {  // a state that carries masks is no different in evaluation
          const Evaluation evaluation;
          const auto carried = scan(wrapped, xs, trained.last, options);
          auto plain = bare.zero_state(batch);
          const auto parts = tensors_of(trained.last);
          plain = state_of(plain, std::span(parts).first(tensors_of(plain).size()));
          CHECK(same_bits(carried.outputs, scan(bare, xs, plain, options).outputs));
        }
      }
    });
  }
}

TEST_CASE("VariationalDropout of an Lstm: one mask each for x, h and y, at all steps") {
  Params params(1, f64);
  const Lstm lstm(params / "lstm", in, hidden);
  const VariationalDropout cell(params, lstm, half);
  const Tensor xs = inputs();
  const auto start = random_state(lstm.zero_state(batch), 3);
  auto from = cell.zero_state(batch);
  from.inner = start;
  for (const std::vector<Index>& lengths : std::vector<std::vector<Index>>{{}, {2, 6, 4}}) {
    Tape tape;
    const auto scanned = scan(cell, xs, from, {.lengths = lengths});
    const auto& [last, mx, mh, my] = scanned.last;
    CHECK(mx.shape() == Shape{batch, in});
    CHECK(mh.shape() == Shape{batch, hidden});
    CHECK(my.shape() == Shape{batch, hidden});
    for (Index b = 0; b < batch; ++b) {  // each sequence by hand, with its own rows of the masks
      const auto row = [&, b = b](const Tensor& x) { return slice(x, 0, b, b + 1); };
      auto s = map_fields(start, row);
      for (Index t = 0; t < (lengths.empty() ? steps : lengths[b]); ++t) {
        s = lstm.step(lstm.project(row(at(xs, t)) * row(mx)), {s.h * row(mh), s.c});
        CHECK(distance(row(at(scanned.outputs, t)), s.h * row(my)) <= 1e-14);
      }
      CHECK(distance(row(last.h), s.h) <= 1e-14);
      CHECK(distance(row(last.c), s.c) <= 1e-14);
    }
  }
}

TEST_CASE("VariationalDropout of gated units: the products see h dropped, memory stays whole") {
  Params params(1, f64);
  const Tensor xs = inputs();
  const VariationalRates recurrent{.recurrent = 0.5};
  Tape tape;
  {
    const SimpleGru gru(params / "simple", in, hidden);
    const auto scanned = scan(VariationalDropout(params, gru, recurrent), xs);
    Tensor c = gru.zero_state(batch).c;
    for (Index t = 0; t < steps; ++t) {
      const auto [u, n] = split<2>(gru.project(at(xs, t)) + matmul(c * scanned.last.recurrent, gru.wh));
      c = sigmoid(u) * tanh(n) + (1 - sigmoid(u)) * c;
      CHECK(distance(at(scanned.outputs, t), c) <= 1e-14);
    }
  }
  for (const Reset reset : {Reset::before, Reset::after}) {
    const Gru gru(params / (reset == Reset::before ? "before" : "after"), in, hidden, reset);
    const auto scanned = scan(VariationalDropout(params, gru, recurrent), xs);
    Tensor c = gru.zero_state(batch).c;
    for (Index t = 0; t < steps; ++t) {
      const Tensor seen = c * scanned.last.recurrent;
      const auto [zu, zr, zn] = split<3>(gru.project(at(xs, t)));
      const auto [hu, hr] = split<2>(matmul(seen, gru.wh));
      const Tensor u = sigmoid(zu + hu), r = sigmoid(zr + hr);
      const Tensor n = reset == Reset::before ? matmul(r * seen, gru.wc) : r * (matmul(seen, gru.wc) + gru.bc);
      c = u * tanh(zn + n) + (1 - u) * c;
      CHECK(distance(at(scanned.outputs, t), c) <= 1e-14);
    }
  }
  {
    const Mgu mgu(params / "mgu", in, hidden);
    const auto scanned = scan(VariationalDropout(params, mgu, recurrent), xs);
    Tensor h = mgu.zero_state(batch).h;
    for (Index t = 0; t < steps; ++t) {
      const Tensor seen = h * scanned.last.recurrent;
      const auto [zf, zn] = split<2>(mgu.project(at(xs, t)));
      const Tensor f = sigmoid(zf + matmul(seen, mgu.wh));
      h = f * tanh(zn + matmul(f * seen, mgu.wc)) + (1 - f) * h;
      CHECK(distance(at(scanned.outputs, t), h) <= 1e-14);
    }
  }
}

TEST_CASE("masks of VariationalDropout: at their rates, of every sequence its own, carried with the state") {
  Params params(1);
  const Lstm lstm(params / "lstm", 60, 50);
  const VariationalRates rates{.input = 0.3, .recurrent = 0.5, .output = 0.1};
  const VariationalDropout cell(params, lstm, rates);
  const Tensor xs = Tensor::zeros({2, 40, 60});
  Tape tape;
  const auto start = cell.zero_state(40);
  for (const Tensor& mask : {start.input, start.recurrent, start.output}) CHECK(mask.shape() == Shape{40, 0});
  const auto first = scan(cell, xs, start), carried = scan(cell, xs, first.last), fresh = scan(cell, xs, start);
  const auto forgotten = scan(cell, xs, VariationalDropout<Lstm>::forget_masks(first.last));
  const auto check = [&](auto mask_of, double rate) {
    const Tensor& mask = mask_of(first.last);
    Index dropped = 0, as_first_sequence = 0;
    for (Index i = 0; i < mask.size(); ++i) {
      const double x = mask.value().flat(i);
      CHECK((x == 0 || x == doctest::Approx(1 / (1 - rate))));
      dropped += x == 0 ? 1 : 0;
      as_first_sequence += i >= mask.dim(1) && x == mask.value().flat(i % mask.dim(1)) ? 1 : 0;
    }
    CHECK(at_rate(dropped, mask.size(), rate));
    CHECK(as_first_sequence < (mask.dim(0) - 1) * mask.dim(1));
    CHECK(same_bits(mask, mask_of(carried.last)));
    CHECK_FALSE(same_bits(mask, mask_of(fresh.last)));
    CHECK_FALSE(same_bits(mask, mask_of(forgotten.last)));
  };
  check([](const auto& s) -> auto& { return s.input; }, rates.input);
  check([](const auto& s) -> auto& { return s.recurrent; }, rates.recurrent);
  check([](const auto& s) -> auto& { return s.output; }, rates.output);
}

TEST_CASE("streaming in training equals scanning, bit for bit: masks are carried on") {
  Params params(1, f64);
  const Lstm lstm(params / "lstm", in, hidden);
  const Tensor xs = inputs();
  const auto check = [&](const auto& cell) {
    Tape tape;
    const auto before = params.random().state();
    const auto scanned = scan(cell, xs);
    params.random().restore(before);
    const auto same_weights = substitutes(cell);
    auto state = cell.zero_state(batch);
    for (Index t = 0; t < steps; ++t) {
      state = advance(cell, at(xs, t), state);
      CHECK(same_bits(output(cell, state), at(scanned.outputs, t)));
    }
    const auto streamed = tensors_of(state), last = tensors_of(scanned.last);
    for (Index k = 0; k < last.size(); ++k) CHECK(same_bits(streamed[k], last[k]));
  };
  check(VariationalDropout(params, lstm, half));
  check(Zoneout(params, lstm, {0.5, 0.5}));
  check(WeightDrop(params, lstm, 0.5));
  check(VariationalDropout(params, Zoneout(params, WeightDrop(params, lstm, 0.5), {0.5, 0.5}), half));
  check(AnyLayer(VariationalDropout(params, lstm, half)));
  check(Stack({VariationalDropout(params, lstm, {.recurrent = 0.5})}));
}

TEST_CASE("Zoneout: 0 is the bare cell, 1 holds the state, in training and in evaluation") {
  for (const Dtype dtype : {f32, f64}) {
    Params params(1, dtype);
    const Lstm lstm(params / "lstm", in, hidden);
    const Zoneout none(params, lstm, {0, 0}), of_h(params, lstm, {1}), of_c(params, lstm, {0, 1}),
        of_both(params, lstm, {1, 1});
    const Tensor xs = inputs(dtype);
    const auto start = random_state(lstm.zero_state(batch), 3);
    const auto check = [&] {
      const auto before = params.random().state();
      CHECK(same_bits(scan(none, xs, start).outputs, scan(lstm, xs, start).outputs));
      CHECK(same_bits(scan(of_h, xs, start).last.h, start.h));
      CHECK_FALSE(same_bits(scan(of_h, xs, start).last.c, start.c));
      CHECK(same_bits(scan(of_c, xs, start).last.c, start.c));
      CHECK_FALSE(same_bits(scan(of_c, xs, start).last.h, start.h));
      CHECK(same_bits(scan(of_both, xs, start).last.h, start.h));
      CHECK(same_bits(scan(of_both, xs, start).last.c, start.c));
      CHECK(params.random().state() == before);
    };
    check();
    const Tape tape;
    check();
  }
}

TEST_CASE("Zoneout: units keep their value at its rate, anew at each step; in evaluation they move by the mean") {
  Params params(1, f64);
  const Lstm lstm(params / "lstm", in, 50);
  const std::array<double, 2> rates{0.3, 0.1};
  const Zoneout cell(params, lstm, {rates[0], rates[1]});
  const Tensor x = at(inputs(f64, 40), 0);
  const auto start = random_state(lstm.zero_state(40), 3);
  const auto bare = tensors_of(advance(lstm, x, start)), before = tensors_of(start);
  const auto mean = tensors_of(advance(cell, x, start));
  std::array<std::vector<bool>, 2> kept_first;
  const Tape tape;
  for (int round = 0; round < 2; ++round) {
    const auto next = tensors_of(advance(cell, x, start));
    for (Index k = 0; k < 2; ++k) {
      Index kept = 0, again = 0;
      std::vector<bool> now;
      for (Index i = 0; i < next[k].size(); ++i) {
        const double old = before[k].value().flat(i), moved = bare[k].value().flat(i), is = next[k].value().flat(i);
        CHECK((is == old || is == moved));
        CHECK(mean[k].value().flat(i) == doctest::Approx(rates[k] * old + (1 - rates[k]) * moved).epsilon(1e-14));
        now.push_back(is == old);
        kept += is == old ? 1 : 0;
        again += round == 1 && is == old && kept_first[k][i] ? 1 : 0;
      }
      CHECK(at_rate(kept, next[k].size(), rates[k]));
      if (round == 1) CHECK(at_rate(again, next[k].size(), rates[k] * rates[k]));
      kept_first[k] = now;
    }
  }
}

TEST_CASE("WeightDrop: one mask for all steps, zero gradient where it drops, one product for all steps") {
  for (const bool gru : {false, true}) {
    Params params(1, f64);
    const auto check = [&](const auto& bare) {
      const WeightDrop cell(params, bare, 0.5);
      const std::vector<Param> weights = detail::recurrent_weights(bare);
      CHECK(weights.size() == (gru ? 2 : 1));
      for (const std::vector<Index>& lengths : std::vector<std::vector<Index>>{{}, {2, 6, 4}}) {
        const auto random = params.random().state();
        std::vector<Array> masks;
        for (const Param& w : weights) masks.push_back(params.random().mask(w.shape(), f64, 0.5));
        const auto gradients = [&](const auto& layer, Tensor& outputs, Index& nodes) {
          Tape tape;
          params.random().restore(random);
          const auto scanned = scan(layer, inputs(), {.lengths = lengths});
          outputs = scanned.outputs;
          nodes = tape.size();
          return tape.backward(random_sum(scanned, 5));
        };
        Tensor dropped_outputs, outputs;
        Index dropped_nodes = 0, nodes = 0;
        const Grads dropped = gradients(cell, dropped_outputs, dropped_nodes);

        // The bare cell with the dropped weights as its own.
        std::vector<Array> own;
        for (Index k = 0; k < weights.size(); ++k) {
          own.push_back(weights[k].value().copy());
          weights[k].set((Tensor(weights[k]) * Tensor(masks[k])).value());
        }
        const Grads plain = gradients(bare, outputs, nodes);
        for (Index k = 0; k < weights.size(); ++k) weights[k].set(own[k]);
        CHECK(same_bits(dropped_outputs, outputs));
        for (Index k = 0; k < weights.size(); ++k) {
          CHECK(same_bits(dropped[weights[k]], (Tensor(plain[weights[k]]) * Tensor(masks[k])).value()));
          Index zeros = 0;
          for (Index i = 0; i < masks[k].size(); ++i) {
            zeros += masks[k].flat(i) == 0 ? 1 : 0;
            CHECK((masks[k].flat(i) != 0 || dropped[weights[k]].flat(i) == 0));
          }
          CHECK(at_rate(zeros, masks[k].size(), 0.5));
        }
        CHECK(same_bits(dropped[bare.wx], plain[bare.wx]));
        CHECK(dropped_nodes == nodes + weights.size());  // the same products, of one more tensor each
      }
    };
    if (gru) {
      check(Gru(params / "gru", in, 8));
    } else {
      check(Lstm(params / "lstm", in, 8));
    }
  }
}

TEST_CASE("WeightDrop draws for each scan and each streamed step, or for as long as the weights are held") {
  Params params(1, f64);
  const Lstm lstm(params / "lstm", in, hidden);
  const WeightDrop cell(params, lstm, 0.5);
  const Stack stack({cell});
  const Tensor x = at(inputs(), 0);
  const auto start = random_state(lstm.zero_state(batch), 3);
  const auto step = [&](const auto& layer) {
    return output(layer, advance(layer, x, state_of(layer.zero_state(batch), tensors_of(start))));
  };
  const Tape tape;
  CHECK_FALSE(same_bits(step(cell), step(cell)));
  CHECK_FALSE(same_bits(scan(cell, inputs()).outputs, scan(cell, inputs()).outputs));
  const auto held = substitutes(stack);  // of all layers, and of copies of them
  CHECK(held.size() == 1);
  CHECK(same_bits(step(cell), step(cell)));
  CHECK(same_bits(step(cell), step(stack)));
  CHECK(same_bits(step(cell), step(Residual(Projected(params / "p", cell, in)).cell.cell)));
  CHECK(same_bits(scan(cell, inputs()).outputs, scan(stack, inputs()).outputs));
}

TEST_CASE("padding changes no bit in training") {
  constexpr Index width = 2;
  Params params(1, f64);
  const auto check = [&](const auto& cell) {
    const Repeated<AnyLayer> layer{cell, &params.random()};
    for (const bool reverse : {false, true}) {
      check_padding_is_never_read(layer, params, width, steps, {.lengths = {2, 6, 4}, .reverse = reverse});
    }
  };
  const Lstm lstm(params / "lstm", width, width);
  const Gru gru(params / "gru", width, width);
  check(Residual(VariationalDropout(params, gru, half)));
  check(VariationalDropout(params, WeightDrop(params, lstm, 0.5), half));
  check(Zoneout(params, lstm, {0.5, 0.5}));
}

TEST_CASE("what the random wrappers refuse") {
  Params params(1);
  const Lstm lstm(params / "lstm", in, hidden);
  const MinGru minimal(params / "minimal", in, hidden);
  CHECK(message_of<UsageError>([&] { VariationalDropout(params, lstm, {.recurrent = 1}); }) ==
        "VariationalDropout: a rate of 1; it must be at least 0 and below 1");
  CHECK(message_of<UsageError>([&] { VariationalDropout(params, minimal, {.recurrent = 0.1}); }) ==
        "VariationalDropout: a recurrent rate of 0.1 for a cell without recurrent products");
  CHECK(message_of<UsageError>([&] {
          VariationalDropout(params, Zoneout(params, minimal, {0.1}), {.recurrent = 0.1});
        }) == "VariationalDropout: a recurrent rate of 0.1 for a cell without recurrent products");
  CHECK(message_of<UsageError>([&] {
          Zoneout(params, lstm, {0.1, 1.5});
        }) == "Zoneout: a rate of 1.5; it must be at least 0 and at most 1");
  CHECK(message_of<UsageError>([&] {
          Zoneout(params, lstm, {0.1, 0.1, 0.1});
        }) == "Zoneout: 3 rates for a state of 2 tensors");
  CHECK(message_of<UsageError>([&] { WeightDrop(params, lstm, -0.5); }) ==
        "WeightDrop: a rate of -0.5; it must be at least 0 and below 1");
  CHECK(message_of<UsageError>([&] { WeightDrop(params, minimal, 0.5); }) ==
        "WeightDrop: the cell has no weights 'wh' or 'wc'; say which to drop");
}

TEST_CASE("dropped weights, masks of sequences and zoneout are the same where a checkpointed scan computes once more") {
  const auto gradients = [](auto make, Index every) {
    Params params(5, f64);
    const auto cell = make(params / "cell");
    const Tensor xs = random_array({7, 3, 4}, 2);
    Tape tape;
    const Grads grads = tape.backward(random_sum(scan(cell, xs, {.checkpoint_every = every}), 3));
    std::vector<Array> all;
    for (const auto& [param, grad] : grads) all.push_back(grad);
    return all;
  };
  const auto same = [&](auto make) {
    const auto whole = gradients(make, 0), parts = gradients(make, 3);
    REQUIRE(whole.size() == parts.size());
    REQUIRE(!whole.empty());
    for (Index i = 0; i < whole.size(); ++i) CHECK(same_bits(whole[i], parts[i]));
  };
  same([](const Scope& p) { return WeightDrop(p, Lstm(p / "lstm", 4, 4), 0.4); });
  same([](const Scope& p) { return Zoneout(p, Lstm(p / "lstm", 4, 4), {0.3, 0.2}); });
  same([](const Scope& p) { return VariationalDropout(p, Gru(p / "gru", 4, 4), {.input = 0.3, .recurrent = 0.3}); });
}
