// Logits as large as they get, and infinite ones: values and gradients of what turns scores into probabilities, in f32
// and f64. What is expected is the limit, written by hand. Where a formula has ∞ − ∞ it is NaN, as in PyTorch.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include <unroll/core/ops.h>

using namespace unroll;

namespace {

using Numbers = std::vector<double>;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double ln2 = std::numbers::ln2;

/// A number so large that twice as much is still finite.
double huge(Dtype dtype) { return dtype == f64 ? 1e300 : 1e38; }

Array array_of(const Numbers& numbers, Dtype dtype) { return Array::of({numbers.size()}, numbers.data()).to(dtype); }

/// NaN where NaN is wanted, the same infinity or 0 where that is, and else equal to a few units in the last place.
void check_numbers(const Array& got, const Numbers& want) {
  REQUIRE(got.size() == want.size());
  const double tolerance = got.dtype() == f64 ? 1e-15 : 1e-6;
  for (Index i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CAPTURE(got.flat(i));
    CAPTURE(want[i]);
    if (std::isnan(want[i])) {
      CHECK(std::isnan(got.flat(i)));
    } else if (std::isinf(want[i]) || want[i] == 0) {
      CHECK(got.flat(i) == want[i]);
    } else {
      CHECK(std::abs(got.flat(i) - want[i]) <= tolerance * std::abs(want[i]));
    }
  }
}

/// f(x), and the gradient of Σ r∘f(x) for r = 1, 2, 4, …
template <class F>
void check_op(const char* name, F f, const Numbers& x, Dtype dtype, const Numbers& y, const Numbers& dx) {
  CAPTURE(name);
  CAPTURE(dtype);
  Tape tape;
  const Tensor input = tape.watch(Tensor(array_of(x, dtype)));
  const Tensor result = f(input);
  check_numbers(result.value(), y);
  Array r = Array::uninitialised(result.shape(), dtype);
  for (Index i = 0; i < r.size(); ++i) r.set_flat(i, std::exp2(static_cast<double>(i)));
  check_numbers(tape.backward(result, r)[input], dx);
}

Tensor softmax_of(const Tensor& x) { return softmax(x); }
Tensor log_softmax_of(const Tensor& x) { return log_softmax(x); }
Tensor logsumexp_of(const Tensor& x) { return logsumexp(x); }

}  // namespace

TEST_CASE("extreme logits: softmax, its logarithm, and ln Σ exp") {
  for (const Dtype dtype : {f32, f64}) {
    const double big = huge(dtype);
    for (const double z : {1e4, big}) {
      // One class has it all: softmax is flat there, and Σ r is 7.
      check_op("softmax", softmax_of, {z, -z, 0}, dtype, {1, 0, 0}, {0, 0, 0});
      check_op("log_softmax", log_softmax_of, {z, -z, 0}, dtype, {0, -2 * z, -z}, {1 - 7, 2, 4});
      check_op("logsumexp", logsumexp_of, {z, -z, 0}, dtype, {z}, {1, 0, 0});
      // Two share it: Σ r y = 3/2, so dx = y (r − 3/2), and for the logarithm r − 7 y.
      check_op("softmax", softmax_of, {z, z, -z}, dtype, {0.5, 0.5, 0}, {-0.25, 0.25, 0});
      check_op("log_softmax", log_softmax_of, {z, z, -z}, dtype, {-ln2, -ln2, z == 1e4 ? -2 * z - ln2 : -2 * z},
               {1 - 3.5, 2 - 3.5, 4});
      check_op("logsumexp", logsumexp_of, {z, z, -z}, dtype, {z == 1e4 ? z + ln2 : z}, {0.5, 0.5, 0});
      // All are equal, however low.
      check_op("softmax", softmax_of, {-z, -z}, dtype, {0.5, 0.5}, {-0.25, 0.25});
      check_op("log_softmax", log_softmax_of, {-z, -z}, dtype, {-ln2, -ln2}, {-0.5, 0.5});
      check_op("logsumexp", logsumexp_of, {-z, -z}, dtype, {z == 1e4 ? ln2 - z : -z}, {0.5, 0.5});
    }
    // A class ruled out.
    check_op("softmax", softmax_of, {-infinity, 0, 0}, dtype, {0, 0.5, 0.5}, {0, -0.5, 0.5});
    check_op("log_softmax", log_softmax_of, {-infinity, 0, 0}, dtype, {-infinity, -ln2, -ln2}, {1, 2 - 3.5, 4 - 3.5});
    check_op("logsumexp", logsumexp_of, {-infinity, 0, 0}, dtype, {ln2}, {0, 0.5, 0.5});
    check_op("softmax", softmax_of, {-infinity, -big}, dtype, {0, 1}, {0, 0});
    // All ruled out: there is no distribution; ln 0 is −∞, and flat.
    const Numbers none{-infinity, -infinity, -infinity}, nans{nan_value, nan_value, nan_value};
    check_op("softmax", softmax_of, none, dtype, nans, nans);
    check_op("log_softmax", log_softmax_of, none, dtype, nans, nans);
    check_op("logsumexp", logsumexp_of, none, dtype, {-infinity}, {0, 0, 0});
    // ∞ − ∞, and numbers that are none.
    for (const double z : {infinity, nan_value}) {
      check_op("softmax", softmax_of, {0, z, 0}, dtype, nans, nans);
      check_op("log_softmax", log_softmax_of, {0, z, 0}, dtype, nans, nans);
    }
    check_op("logsumexp", logsumexp_of, {0, infinity, 0}, dtype, {infinity}, {0, nan_value, 0});
    check_op("logsumexp", logsumexp_of, {0, nan_value, 0}, dtype, {nan_value}, nans);
  }
}

TEST_CASE("extreme logits: at every place of narrow and wide rows") {
  for (const Dtype dtype : {f32, f64}) {
    for (const Index width : {2u, 8u, 17u, 1023u, 1024u, 1025u, 3000u}) {
      std::vector<Index> places{0, width / 2, width - 1};
      for (Index place = 0; width <= 17 && place < width; ++place) places.push_back(place);
      for (const Index place : places) {
        for (const double z : {1e4, huge(dtype)}) {
          CAPTURE(width);
          CAPTURE(place);
          CAPTURE(z);
          Array row = Array::full({1, width}, dtype, -z);
          row.set_flat(place, z);
          const Index other = place == 0 ? 1 : 0;
          if (width > 2) row.set_flat(other == 1 ? 2 : other, -infinity);
          Tape tape;
          const Tensor x = tape.watch(Tensor(row));
          const Tensor right = cross_entropy(x, {static_cast<Id>(place)}, Reduce::sum), y = softmax(x);
          CHECK(right.item() == 0);
          CHECK(logsumexp(x).item() == static_cast<double>(row.flat(place)));
          const Array slope = tape.backward(right + sum(y * y))[x];
          for (Index i = 0; i < width; ++i) {
            CHECK(y.value().flat(i) == (i == place ? 1 : 0));
            CHECK(slope.flat(i) == 0);
          }
        }
      }
    }
  }
}

TEST_CASE("extreme logits: blocks that are ruled out, and what is no number, in wide rows") {
  for (const Dtype dtype : {f32, f64}) {
    constexpr Index width = 2500, block = 1024;
    for (const double level : {0.0, 1e4, -1e4, huge(dtype), -huge(dtype)}) {
      for (Index ruled_out = 0; ruled_out < 7; ++ruled_out) {  // a bit for each block
        CAPTURE(level);
        CAPTURE(ruled_out);
        Array row = Array::full({1, width}, dtype, level);
        Index left = 0, last = 0;
        for (Index i = 0; i < width; ++i) {
          if (ruled_out >> (i / block) & 1) {
            row.set_flat(i, -infinity);
          } else {
            last = i;
            ++left;
          }
        }
        const double share = 1 / static_cast<double>(left), tolerance = dtype == f64 ? 1e-12 : 1e-5;
        Tape tape;
        const Tensor x = tape.watch(Tensor(row));
        const Tensor loss = cross_entropy(x, {static_cast<Id>(last)}, Reduce::sum), y = softmax(x);
        const Tensor log_y = log_softmax(x);
        CHECK(loss.item() == doctest::Approx(-std::log(share)).epsilon(tolerance));
        CHECK(log_y.value().flat(last) == doctest::Approx(std::log(share)).epsilon(tolerance));
        CHECK(logsumexp(x).item() == doctest::Approx(row.flat(last) - std::log(share)).epsilon(tolerance));
        const Array slope = tape.backward(loss)[x];
        for (Index i = 0; i < width; ++i) {
          const double p = row.flat(i) == -infinity ? 0 : share;
          CHECK(y.value().flat(i) == doctest::Approx(p).epsilon(tolerance));
          CHECK(slope.flat(i) == doctest::Approx(p - (i == last ? 1 : 0)).epsilon(tolerance));
        }
      }
    }
    for (const double z : {infinity, nan_value}) {
      for (const Index place : {Index{0}, Index{15}, block - 1, block, 2 * block + 7, width - 1}) {
        CAPTURE(z);
        CAPTURE(place);
        Array row = Array::full({1, width}, dtype, 1);
        row.set_flat(place, z);
        Tape tape;
        const Tensor x = tape.watch(Tensor(row));
        const Tensor loss = cross_entropy(x, {3}, Reduce::sum);
        CHECK(std::isnan(loss.item()));
        CHECK(std::isnan(softmax(x).value().flat(place)));
        CHECK(std::isnan(log_softmax(x).value().flat(place)));
        CHECK((std::isnan(z) ? std::isnan(logsumexp(x).item()) : logsumexp(x).item() == infinity));
        CHECK(std::isnan(tape.backward(loss)[x].flat(place)));
      }
    }
  }
}

TEST_CASE("extreme logits: cross-entropy") {
  for (const Dtype dtype : {f32, f64}) {
    // The gradient is softmax z − [c = target]; r is 1.
    const auto check = [&](const Numbers& z, Id target, double loss, const Numbers& dz) {
      check_op(
          "cross_entropy",
          [&](const Tensor& x) {
            return cross_entropy(reshape(x, {1, x.size()}), {target}, Reduce::sum);
          },
          z, dtype, {loss}, dz);
      const Index classes = z.size();
      Array probabilities = Array::zeros({1, classes}, dtype);
      probabilities.set_flat(static_cast<Index>(target), 1);
      check_op(
          "cross_entropy of probabilities",
          [&](const Tensor& x) {
            return cross_entropy(reshape(x, {1, x.size()}), Tensor(probabilities), Reduce::sum);
          },
          z, dtype, {loss}, dz);
    };
    const double big = huge(dtype);
    for (const double z : {1e4, big}) {
      check({z, -z, 0}, 0, 0, {0, 0, 0});
      check({z, -z, 0}, 1, 2 * z, {1, -1, 0});
      check({z, -z, 0}, 2, z, {1, 0, -1});
      check({z, z, -z}, 0, ln2, {-0.5, 0.5, 0});
      check({-z, -z}, 1, ln2, {0.5, -0.5});
    }
    check({-infinity, 0, 0}, 1, ln2, {0, -0.5, 0.5});
    check({-infinity, 0, 0}, 0, infinity, {-1, 0.5, 0.5});  // what was ruled out has happened
    check({-infinity, -infinity}, 0, nan_value, {nan_value, nan_value});
    check({infinity, 0}, 0, nan_value, {nan_value, nan_value});
    check({nan_value, 0}, 1, nan_value, {nan_value, nan_value});
  }
}

TEST_CASE("extreme logits: the gradient by probabilities of a class that weighs nothing") {
  for (const Dtype dtype : {f32, f64}) {
    const Tensor z(array_of({0, -infinity}, dtype).reshaped({1, 2}));
    for (const CrossEntropyOptions& options :
         {CrossEntropyOptions{.weights = {1, 0}}, CrossEntropyOptions{.smoothing = 1}}) {
      Tape tape;
      const Tensor q = tape.watch(Tensor(array_of({1, 0}, dtype).reshaped({1, 2})));
      check_numbers(tape.backward(cross_entropy(z, q, Reduce::sum, options))[q], {0, 0});
    }
  }
}

TEST_CASE("extreme logits: one logit, and the functions of one number") {
  for (const Dtype dtype : {f32, f64}) {
    const double big = huge(dtype);
    const auto bce = [&](double z, double target, double loss, double dz) {
      CAPTURE(z);
      CAPTURE(target);
      const Array y = array_of({target}, dtype);
      check_op("bce_with_logits", [&](const Tensor& x) { return bce_with_logits(x, y, Reduce::sum); }, {z}, dtype,
               {loss}, {dz});
      check_op("bce_with_logits, weighted",
               [&](const Tensor& x) { return bce_with_logits(x, y, Reduce::sum, {.weights = array_of({1}, dtype)}); },
               {z}, dtype, {loss}, {dz});
    };
    for (const double z : {1e4, big}) {
      bce(z, 1, 0, 0);
      bce(z, 0, z, 1);
      bce(z, 0.5, z / 2, 0.5);
      bce(-z, 1, z, -1);
      bce(-z, 0, 0, 0);
      bce(-z, 0.5, z / 2, -0.5);
    }
    bce(-infinity, 1, infinity, -1);
    bce(infinity, 0, infinity, 1);
    bce(-infinity, 0, 0, 0);
    bce(infinity, 1, 0, 0);
    bce(nan_value, 1, nan_value, nan_value);

    // In every place of a register and of what is left over.
    const auto of_all = [&](const char* name, auto f, double z, double y, double slope) {
      for (const Index n : {1u, 19u}) {
        Numbers slopes(n);
        for (Index i = 0; i < n; ++i) slopes[i] = slope * std::exp2(static_cast<double>(i));
        CAPTURE(z);
        if (dtype == f64 || std::isnan(z)) {
          check_op(name, f, Numbers(n, z), dtype, Numbers(n, y), slopes);
          continue;
        }
        // In f32 tanh is within 3.5e-7 of what it is (core/simd.h), and so are its limits and what is made from it.
        CAPTURE(name);
        Tape tape;
        const Tensor input = tape.watch(Tensor(array_of(Numbers(n, z), dtype)));
        const Tensor result = f(input);
        const Array dx = tape.backward(sum(result))[input];
        for (Index i = 0; i < n; ++i) {
          CHECK((result.value().flat(i) == y ||
                 std::abs(result.value().flat(i) - y) <= 3.5e-7 * std::max(1.0, std::abs(y))));
          CHECK(std::abs(dx.flat(i) - slope) <= 7e-7);
        }
      }
    };
    const auto sigmoid_of = [](const Tensor& x) { return sigmoid(x); };
    const auto tanh_of = [](const Tensor& x) { return tanh(x); };
    const auto softplus_of = [](const Tensor& x) { return softplus(x); };
    const auto logsigmoid_of = [](const Tensor& x) { return logsigmoid(x); };
    for (const double z : {1e4, big, infinity}) {
      of_all("sigmoid", sigmoid_of, z, 1, 0);
      of_all("sigmoid", sigmoid_of, -z, 0, 0);
      of_all("tanh", tanh_of, z, 1, 0);
      of_all("tanh", tanh_of, -z, -1, 0);
      of_all("softplus", softplus_of, z, z, 1);
      of_all("softplus", softplus_of, -z, 0, 0);
      of_all("logsigmoid", logsigmoid_of, z, 0, 0);
      of_all("logsigmoid", logsigmoid_of, -z, -z, 1);
    }
    for (const auto& f : {+sigmoid_of, +tanh_of, +softplus_of, +logsigmoid_of}) {
      of_all("of NaN", f, nan_value, nan_value, nan_value);
    }
  }
}
