// Layer and root-mean-square normalization against their definition, closed forms, and for any number of threads.
#include <unroll/core/threads.h>

#include "op_values.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

Tensor layer_norm_by_definition(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon) {
  const Tensor d = x - mean(x, {-1}, true);
  return d / sqrt(mean(d * d, {-1}, true) + epsilon) * gain + bias;
}
Tensor rms_norm_by_definition(const Tensor& x, const Tensor& gain, double epsilon) {
  return x / sqrt(mean(x * x, {-1}, true) + epsilon) * gain;
}

struct Result {
  Array y, x, gain, bias;
};
template <class F>
Result run(F f, const Array& x, const Array& gain, const Array& bias) {
  Tape tape;
  const Tensor a = tape.watch(x), g = tape.watch(gain), b = tape.watch(bias);
  const Tensor y = f(a, g, b);
  Random random(9);
  const Grads grads = tape.backward(y, uniform(-1, 1)(y.shape(), random).to(y.dtype()));
  return {y.value(), grads[a], grads[g], grads[b]};
}

void check_same(const Result& a, const Result& b, double tolerance) {
  check_equal(a.y, b.y, tolerance);
  check_equal(a.x, b.x, tolerance);
  check_equal(a.gain, b.gain, tolerance);
  check_equal(a.bias, b.bias, tolerance);
}

}  // namespace

TEST_CASE("normalization equals its definition, in value and gradient") {
  for (const Dtype dtype : {f32, f64}) {
    for (const Shape& shape :
         {Shape{3, 1}, Shape{4, 2}, Shape{5, 7}, Shape{2, 3, 33}, Shape{1, 130}, Shape{9}, Shape{70, 64}}) {
      for (const double epsilon : {1e-5, 0.1}) {
        CAPTURE(name(dtype));
        CAPTURE(shape.str());
        const Index cols = shape.cols();
        const Array x = random_array(shape), gain = random_array({cols}, 2), bias = random_array({cols}, 3);
        const Result norm = run([=](auto a, auto g, auto b) { return layer_norm(a, g, b, epsilon); }, x.to(dtype),
                                gain.to(dtype), bias.to(dtype));
        const Result definition =
            run([=](auto a, auto g, auto b) { return layer_norm_by_definition(a, g, b, epsilon); }, x, gain, bias);
        CHECK(norm.y.dtype() == dtype);
        // Two elements close to each other divide by little: the gradients are large, and so is their rounding.
        check_same(norm, definition, dtype == f64 ? 1e-12 : 5e-4);
        check_same(
            run([=](auto a, auto g, auto b) { return rms_norm(a, g, epsilon) + b; }, x.to(dtype), gain.to(dtype),
                bias.to(dtype)),
            run([=](auto a, auto g, auto b) { return rms_norm_by_definition(a, g, epsilon) + b; }, x, gain, bias),
            dtype == f64 ? 1e-12 : 2e-5);
      }
    }
  }
}

TEST_CASE("normalization: closed forms") {
  // A row of mean 3 and variance 4, with epsilon 0.
  const Tensor x = numbers({1, 5, 1, 5}).reshaped({1, 4});
  check_equal(layer_norm(x, 0.0), numbers({-1, 1, -1, 1}).reshaped({1, 4}), 0);
  check_equal(layer_norm(x, numbers({1, 2, 3, 4}), numbers({10, 20, 30, 40}), 0.0),
              numbers({9, 22, 27, 44}).reshaped({1, 4}), 0);
  check_equal(layer_norm(x, 5.0), numbers({-2. / 3, 2. / 3, -2. / 3, 2. / 3}).reshaped({1, 4}), 1e-15);
  check_equal(rms_norm(numbers({1, 7, 1, 7}), 0.0), numbers({0.2, 1.4, 0.2, 1.4}), 1e-15);
  // Equal elements normalize to 0, whatever rounding makes of a large mean in f32.
  check_equal(layer_norm(Tensor::full({2, 64}, 4096)), Array::zeros({2, 64}, f64), 0);
  // The variance far from zero: the elements ±1 around it.
  Array far = Array::full({1, 64}, f32, 4095);
  for (Index i = 0; i < 64; i += 2) far.set_flat(i, 4097);
  check_equal(layer_norm(far, 0.0),
              map(
                  "sign", [](auto v) { return v - 4096; }, far),
              1e-6);
}

TEST_CASE("normalization: only the gradients that are asked for, and views as operands") {
  const Array x = random_array({6, 8}), gain = random_array({8}, 2), bias = random_array({8}, 3);
  const Result all = run([](auto a, auto g, auto b) { return layer_norm(a, g, b); }, x, gain, bias);
  Random random(9);
  const Array cotangent = uniform(-1, 1)({6, 8}, random);
  {
    Tape tape;
    const Tensor g = tape.watch(gain);
    check_equal(tape.backward(layer_norm(x, g, bias), cotangent)[g], all.gain, 0);
  }
  {
    Tape tape;
    const Tensor b = tape.watch(bias);
    check_equal(tape.backward(layer_norm(x, gain, b), cotangent)[b], all.bias, 0);
  }
  {
    Tape tape;
    const Tensor wide = tape.watch(random_array({6, 16}, 4));
    auto [left, right] = split<2>(wide);
    check_equal(layer_norm(right, gain, bias), layer_norm_by_definition(right, gain, bias, 1e-5).value(), 1e-13);
  }
}

TEST_CASE("normalization has the same bits for any number of threads") {
  const Array x = random_array({900, 256}).to(f32), gain = random_array({256}, 2).to(f32),
              bias = random_array({256}, 3).to(f32);
  const auto result = [&] { return run([](auto a, auto g, auto b) { return layer_norm(a, g, b); }, x, gain, bias); };
  const Result one = result();
  set_threads(2);
  const Result two = result();
  set_threads(1);
  check_same(one, two, 0);
}

TEST_CASE("errors: normalization") {
  const auto zeros = [](const Shape& shape, Dtype dtype = f32) { return Tensor::zeros(shape, dtype); };
  CHECK_THROWS_WITH_AS(layer_norm(zeros({2, 3}), zeros({2}), zeros({3})),
                       "layer_norm: x is [2, 3], gain is [2] and bias is [3]; gain and bias have one number for each "
                       "column of x",
                       ShapeError);
  CHECK_THROWS_WITH_AS(rms_norm(zeros({2, 3}), zeros({1, 3})),
                       "rms_norm: x is [2, 3] and gain is [1, 3]; gain has one number for each column of x",
                       ShapeError);
  CHECK_THROWS_WITH_AS(layer_norm(zeros({2, 0})),
                       "layer_norm: the tensor of shape [2, 0] has no last axis to normalize", ShapeError);
  CHECK_THROWS_WITH_AS(rms_norm(zeros({})), "rms_norm: the tensor of shape [] has no last axis to normalize",
                       ShapeError);
  CHECK_THROWS_WITH_AS(layer_norm(zeros({2, 3}), -1.0), "layer_norm: epsilon is -1, below 0", UsageError);
  CHECK_THROWS_WITH_AS(layer_norm(zeros({2, 3}), zeros({3}, f64), zeros({3})),
                       "layer_norm: dtypes f32 and f64 do not mix; convert one with to(…)", ShapeError);
}
