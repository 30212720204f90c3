// The dropout layer: when it acts, how often, and with which gradient.
#include <unroll/layers/dropout.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

TEST_CASE("dropout is the identity without a tape, in evaluation, and at a rate of zero") {
  Params params(1);
  const Dropout half(params, 0.5), never(params, 0);
  const Tensor x = random_array({4, 5, 6}, 2).to(f32);
  const auto before = params.random().state();
  CHECK(same_bits(half(x), x));
  CHECK(same_bits(half.same_for_all_steps(x), x));
  Tape tape;
  CHECK(same_bits(never(x), x));
  CHECK(same_bits(never.same_for_all_steps(x), x));
  {
    const Evaluation outer;
    { const Evaluation inner; }
    CHECK(Evaluation::active());  // the inner guard's end does not end the outer one
    CHECK(same_bits(half(x), x));
    CHECK(same_bits(half.same_for_all_steps(x), x));
  }
  CHECK_FALSE(Evaluation::active());
  CHECK(params.random().state() == before);  // nothing was drawn
  CHECK_FALSE(same_bits(half(x), x));
}

TEST_CASE("dropout zeroes at its rate, scales what is left, and its gradient is its mask") {
  for (const Dtype dtype : {f32, f64}) {
    for (const double rate : {0.1, 0.3, 0.9}) {
      CAPTURE(rate);
      Params params(1, dtype);
      const Dropout dropout(params, rate);
      constexpr Index n = 100'000;
      Tape tape;
      const Tensor x = tape.watch(Tensor::full({100, 10, 100}, 1, dtype));
      const Tensor y = dropout(x);
      const double kept_value = dtype == f32 ? static_cast<double>(static_cast<float>(1 / (1 - rate))) : 1 / (1 - rate);
      Index dropped = 0, others = 0;
      for (Index i = 0; i < n; ++i) {
        const double value = y.value().flat(i);
        if (value == 0) ++dropped;
        if (value != 0 && std::abs(value - kept_value) > 1e-6 * kept_value) ++others;
      }
      CHECK(others == 0);
      // Four standard deviations of a binomial count.
      CHECK(std::abs(static_cast<double>(dropped) - n * rate) <= 4 * std::sqrt(n * rate * (1 - rate)));
      CHECK(same_bits(tape.backward(sum(y))[x], y.value()));
    }
  }
}

TEST_CASE("one mask for all steps: the same at every step, another for every sequence and feature") {
  Params params(1);
  const Dropout dropout(params, 0.5);
  Tape tape;
  const Tensor x = tape.watch(Tensor::full({7, 20, 30}, 1));
  const Tensor y = dropout.same_for_all_steps(x);
  for (Index t = 1; t < 7; ++t) CHECK(same_bits(at(y, t), at(y, 0)));
  const auto mask = at(y, 0).as<float>();
  Index kept = 0, as_first_sequence = 0, as_first_feature = 0;
  for (Index b = 0; b < 20; ++b) {
    for (Index i = 0; i < 30; ++i) {
      CHECK((mask(b, i) == 0 || mask(b, i) == 2));
      kept += mask(b, i) != 0 ? 1 : 0;
      as_first_sequence += mask(b, i) == mask(0, i) ? 1 : 0;
      as_first_feature += mask(b, i) == mask(b, 0) ? 1 : 0;
    }
  }
  // Half of 600, within five standard deviations (12.2).
  CHECK(std::abs(static_cast<double>(kept) - 300) <= 61);
  CHECK(std::abs(static_cast<double>(as_first_sequence) - 315) <= 61);
  CHECK(std::abs(static_cast<double>(as_first_feature) - 310) <= 61);
  CHECK(same_bits(tape.backward(sum(y))[x], y.value()));
}

TEST_CASE("what dropout refuses") {
  Params params(1);
  CHECK(message_of<UsageError>([&] { Dropout(params, 1); }) ==
        "Dropout: a rate of 1; it must be at least 0 and below 1");
  CHECK(message_of<UsageError>([&] { Dropout(params, -0.25); }) ==
        "Dropout: a rate of -0.25; it must be at least 0 and below 1");
  CHECK(message_of<UsageError>([&] { Dropout(params, std::nan("")); }) ==
        "Dropout: a rate of nan; it must be at least 0 and below 1");
  Tape tape;
  CHECK(message_of([&] {
          Dropout(params, 0.5).same_for_all_steps(Tensor::zeros({3, 4}));
        }) == "Dropout: the input is [3, 4]; one mask for all steps needs [T, B, F]");
}
