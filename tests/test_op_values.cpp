// Values of the ops against xtensor, plain loops and golden/hand_values.h; extremes; f32 against f64.
#include "op_values.h"

#include "golden/hand_values.h"

using namespace unroll;
using namespace unroll::testing;

TEST_CASE("values: elementwise ops equal xtensor's") {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{65}, Shape{3, 4}, Shape{2, 3, 7}, Shape{0, 3}}) {
    const Array a = random_array(shape), b = random_array(shape, 2, 0.5, 2.5);
    const auto x = a.as<double>(), y = b.as<double>();
    check_equal(Tensor(a) + b, x + y);
    check_equal(Tensor(a) - b, x - y);
    check_equal(Tensor(a) * b, x * y);
    check_equal(Tensor(a) / b, x / y);
    check_equal(-Tensor(a), -x);
    check_equal(2.0 - Tensor(a) * 3.0 + 0.5, 2.0 - x * 3.0 + 0.5);
    check_equal(1.0 / Tensor(b) - 1.0, 1.0 / y - 1.0);
    check_equal(max(Tensor(a), Tensor(b)), xt::maximum(x, y));
    check_equal(min(Tensor(a), Tensor(b)), xt::minimum(x, y));
    check_equal(exp(Tensor(a)), xt::exp(x));
    check_equal(log(Tensor(b)), xt::log(y));
    check_equal(sqrt(Tensor(b)), xt::sqrt(y));
    check_equal(tanh(Tensor(a)), xt::tanh(x));
    check_equal(sigmoid(Tensor(a)), 1.0 / (1.0 + xt::exp(-x)));
    check_equal(relu(Tensor(a)), xt::maximum(x, 0.0));
    check_equal(softsign(Tensor(a)), x / (1.0 + xt::abs(x)));
    check_equal(abs(Tensor(a)), xt::abs(x));
  }
}

TEST_CASE("values: a number divides as it does in C++") {
  // Multiplying by 1/49 would give 0.9999999999999999.
  CHECK((Tensor(numbers({49.0, 98.0})) / 49.0).value().flat(0) == 1);
  CHECK((Tensor(numbers({5e-324})) / 1e-320).value().flat(0) == doctest::Approx(5e-324 / 1e-320));
}

TEST_CASE("values: reductions and shapes equal xtensor's") {
  const Array a = random_array({2, 3, 5});
  const Tensor t(a);
  const auto x = a.as<double>();
  check_equal(sum(t), xt::sum(x));
  check_equal(sum(t, {1}), xt::sum(x, {1}));
  check_equal(sum(t, {0, -1}, true), xt::sum(x, {0, 2}, xt::keep_dims));
  check_equal(mean(t, {0}), xt::mean(x, {0}));
  check_equal(max(t, {-1}), xt::amax(x, {2}));
  check_equal(max(t, {0, 1}, true), xt::amax(x, {0, 1}, xt::keep_dims));
  check_equal(logsumexp(t, {1}), xt::log(xt::sum(xt::exp(x), {1})));
  check_equal(transpose(t), xt::transpose(x));
  check_equal(transpose(t, {1, -1, 0}), xt::transpose(x, {1, 2, 0}));
  check_equal(slice(t, 1, 1, 3), xt::view(x, xt::all(), xt::range(1, 3), xt::all()));
  check_equal(slice(t, -1, 2, 2), xt::view(x, xt::all(), xt::all(), xt::range(2, 2)));
  check_equal(at(t, 1), xt::view(x, 1));
  check_equal(unstack(t)[1], xt::view(x, 1));
  check_equal(split<5>(t)[3], xt::view(x, xt::all(), xt::all(), xt::range(3, 4)));
  check_equal(concat({t, 2.0 * t}, 1), xt::concatenate(xt::xtuple(x, 2.0 * x), 1));
  check_equal(concat({t, 2.0 * t}), xt::concatenate(xt::xtuple(x, 2.0 * x), 2));
  check_equal(at(stack(std::vector{t, 2.0 * t}), 0), x);
  check_equal(at(stack(std::vector{t, 2.0 * t}), 1), 2.0 * x);
  check_equal(flip(t, 1), xt::flip(x, 1));
  check_equal(reshape(t, {6, 5}), xt::eval(xt::reshape_view(x, {6, 5})));
  const Tensor flipped = flip(t, std::vector<Index>{2, 0, 1});
  for (Index b = 0; b < 3; ++b) {
    for (Index s = 0; s < 2; ++s) CHECK(flipped.as<double>()(s, b, 4) == x(b == 0 ? 1 - s : s, b, 4));
  }
  const Ids ids({2, 0, 2, 1}, 2, 2);
  const Tensor table = at(t, 0), taken = rows(table, ids);
  CHECK(taken.shape() == Shape{2, 2, 5});
  CHECK(taken.as<double>()(1, 0, 3) == x(0, 2, 3));
  CHECK(pick(table, {4, 0, 2}).value().flat(2) == x(0, 2, 2));
  check_equal(sum(Tensor::zeros({3, 0}, f64), {1}), xt::xarray<double>(xt::zeros<double>({3})));
}

TEST_CASE("values: softmax, logsumexp and the losses at extreme logits") {
  for (const Dtype dtype : {f32, f64}) {
    const double tolerance = dtype == f64 ? 1e-14 : 3e-7;
    for (const auto& c : golden::logits) {
      const Tensor z = Array::of({1, 4}, c.z.data()).to(dtype);
      check_equal(softmax(z), Array::of({1, 4}, c.softmax.data()), tolerance);
      check_equal(logsumexp(z), Array::full({}, f64, c.logsumexp), tolerance);
      CHECK(softmax(z).dtype() == dtype);
      for (Index k = 0; k < 4; ++k) {
        CAPTURE(k);
        const Id target = static_cast<Id>(k);
        CHECK(close(cross_entropy(z, {target}, Reduce::sum).item(), c.cross_entropy[k], tolerance));
        CHECK(close(-log_softmax(z).value().flat(k), c.cross_entropy[k], tolerance));
        Array expected = Array::of({1, 4}, c.softmax.data());
        expected.set_flat(k, expected.flat(k) - 1);
        check_equal(slope([&](auto x) { return cross_entropy(x, {target}, Reduce::sum); }, z.value()), expected,
                    2 * tolerance);
      }
      check_equal(slope([](auto x) { return logsumexp(x); }, z.value()), Array::of({1, 4}, c.softmax.data()),
                  2 * tolerance);
    }
    for (const auto& c : golden::binary_cross_entropy) {
      const Array z = numbers({c.logit}, dtype), y = numbers({c.target}, dtype);
      CHECK(close(bce_with_logits(z, y, Reduce::sum).item(), c.loss, tolerance));
      CHECK(close(slope([&](auto x) { return bce_with_logits(x, y, Reduce::sum); }, z).item(), c.gradient, tolerance));
    }
  }
  CHECK(cross_entropy(Tensor::zeros({1, 10000}, f64), {7}, Reduce::sum).item() ==
        doctest::Approx(golden::ln_10000).epsilon(1e-15));
}

TEST_CASE("values: cross-entropy where the first block of a vocabulary has no probability at all") {
  for (const Dtype dtype : {f32, f64}) {
    for (const double all_others : {2.0, -100.0, -1e4, 1e4, dtype == f64 ? -1e300 : -1e38}) {
      CAPTURE(all_others);
      Array z = Array::full({1, 1030}, dtype, -std::numeric_limits<double>::infinity());
      for (Index i = 1024; i < 1030; ++i) z.set_flat(i, all_others);
      Array target = Array::zeros({1, 1030}, dtype);
      target.set_flat(1026, 1);
      const auto by_id = [](auto x) { return cross_entropy(x, {1026}, Reduce::sum); };
      const auto by_probability = [&](auto x) { return cross_entropy(x, Tensor(target), Reduce::sum); };
      CHECK(by_id(Tensor(z)).item() == doctest::Approx(std::log(6)).epsilon(1e-6));
      CHECK(by_probability(Tensor(z)).item() == doctest::Approx(std::log(6)).epsilon(1e-6));
      for (const Array& dz : {slope(by_id, z), slope(by_probability, z)}) {
        for (Index i = 0; i < 1030; ++i) {
          const double expected = i < 1024 ? 0 : 1.0 / 6 - (i == 1026 ? 1 : 0);
          CHECK(dz.flat(i) == doctest::Approx(expected).epsilon(1e-6));
        }
      }
    }
  }
}

TEST_CASE("values: cross-entropy over vocabularies of several blocks, wherever the large logits lie") {
  // ln Σ exp z by the textbook's two passes in f64.
  const auto reference = [](const Array& z) {
    double top = z.flat(0), sum = 0;
    for (Index i = 0; i < z.size(); ++i) top = std::max(top, z.flat(i));
    for (Index i = 0; i < z.size(); ++i) sum += std::exp(z.flat(i) - top);
    return top + std::log(sum);
  };
  for (const Dtype dtype : {f32, f64}) {
    const double tolerance = dtype == f32 ? 5e-7 : 1e-14;
    for (const Index classes : std::initializer_list<Index>{1, 15, 1023, 1024, 1025, 2500, 4096}) {
      for (const double slope_of_blocks : {0.0, 30.0, 70.0, 200.0, -30.0, -200.0}) {
        CAPTURE(classes);
        CAPTURE(slope_of_blocks);
        Array z = random_array({1, classes}, 3).to(dtype);
        for (Index i = 0; i < classes; ++i) z.set_flat(i, z.flat(i) + slope_of_blocks * static_cast<double>(i / 1024));
        const Id target = static_cast<Id>(classes / 2);
        const double logsum = reference(z), loss = logsum - z.flat(classes / 2);
        CHECK(cross_entropy(z, {target}, Reduce::sum).item() ==
              doctest::Approx(loss).epsilon(tolerance).scale(1 + std::abs(logsum)));
        const Array dz = slope([&](auto x) { return cross_entropy(x, {target}, Reduce::sum); }, z);
        double worst = 0;
        for (Index i = 0; i < classes; ++i) {
          const double expected = std::exp(z.flat(i) - logsum) - (i == classes / 2 ? 1 : 0);
          worst = std::max(worst, std::abs(dz.flat(i) - expected));
        }
        CHECK(worst <= tolerance);
      }
    }
  }
}

TEST_CASE("values: reductions of the losses, with lengths") {
  const Array z = random_array({3, 2, 4});
  const Ids targets({0, 1, 2, 3, 9, 1}, 3, 2);  // the 9 lies beyond sequence 0's length and is never read
  const std::vector<Index> lengths{2, 3};
  double total = 0;
  for (Index b = 0; b < 2; ++b) {
    for (Index t = 0; t < lengths[b]; ++t) {
      double sum = 0;
      for (Index v = 0; v < 4; ++v) sum += std::exp(z.flat((t * 2 + b) * 4 + v));
      total += std::log(sum) - z.flat((t * 2 + b) * 4 + static_cast<Index>(targets(t, b)));
    }
  }
  CHECK(cross_entropy(z, targets, Reduce::sum, lengths).item() == doctest::Approx(total).epsilon(1e-14));
  CHECK(cross_entropy(z, targets, Reduce::per_token, lengths).item() == doctest::Approx(total / 5).epsilon(1e-14));
  CHECK(cross_entropy(z, targets, Reduce::per_sequence, lengths).item() == doctest::Approx(total / 2).epsilon(1e-14));
  // What lies in padding changes no bit.
  Array filled = z;
  for (Index v = 0; v < 4; ++v) filled.set_flat((2 * 2 + 0) * 4 + v, v % 2 == 0 ? nan_value : 1e30);
  CHECK(cross_entropy(filled, targets, Reduce::sum, lengths).item() ==
        cross_entropy(z, targets, Reduce::sum, lengths).item());
  check_equal(slope([&](auto x) { return cross_entropy(x, targets, Reduce::sum, lengths); }, filled),
              slope([&](auto x) { return cross_entropy(x, targets, Reduce::sum, lengths); }, z), 0);
  const Array y = random_array({3, 2, 4}, 2, 0, 1);
  CHECK(bce_with_logits(filled, y, Reduce::per_token, lengths).item() ==
        bce_with_logits(z, y, Reduce::per_token, lengths).item());
  CHECK(bce_with_logits(Array::zeros({5, 2}, f64), Array::full({5, 2}, f64, 1), Reduce::per_sequence).item() ==
        doctest::Approx(5 * golden::ln_2).epsilon(1e-15));
}

TEST_CASE("values: the logarithm of denormal numbers") {
  check_equal(log(numbers({0x1p-1074, 0x1.8p-1070}, f64)), numbers({-1074 * golden::ln_2, std::log(0x1.8p-1070)}, f64),
              1e-15);
  check_equal(log(numbers({0x1p-149}, f32)), numbers({-149 * golden::ln_2}, f32), 3e-7);
}

TEST_CASE("gradients at NaN are PyTorch's") {
  for (const Dtype dtype : {f32, f64}) {
    CAPTURE(name(dtype));
    Tape tape;
    const Tensor x = tape.watch(numbers({nan_value, 1, nan_value}, dtype)),
                 y = tape.watch(numbers({2, nan_value, nan_value}, dtype));
    const Grads grads = tape.backward(sum(relu(x) + max(x, y) + min(x, y)));
    check_equal(grads[x], numbers({3, 3, 3}, dtype), 0);
    check_equal(grads[y], numbers({2, 2, 2}, dtype), 0);
  }
}

TEST_CASE("values: NaN and infinities go where PyTorch sends them") {
  for (const Dtype dtype : {f32, f64}) {
    CAPTURE(name(dtype));
    const Tensor x = numbers({nan_value, infinity, -infinity, 0.0}, dtype);
    const double tolerance = dtype == f64 ? 1e-15 : 3e-7;
    check_equal(exp(x), numbers({nan_value, infinity, 0, 1}), tolerance);
    check_equal(log(x), numbers({nan_value, infinity, nan_value, -infinity}), tolerance);
    check_equal(sqrt(x), numbers({nan_value, infinity, nan_value, 0}), tolerance);
    check_equal(tanh(x), numbers({nan_value, 1, -1, 0}), tolerance);
    check_equal(sigmoid(x), numbers({nan_value, 1, 0, 0.5}), tolerance);
    check_equal(relu(x), numbers({nan_value, infinity, 0, 0}), tolerance);
    check_equal(abs(x), numbers({nan_value, infinity, infinity, 0}), tolerance);
    check_equal(max(x, Tensor::full({1}, 2, dtype)), numbers({nan_value, infinity, 2, 2}), tolerance);
    check_equal(max(Tensor::full({1}, 2, dtype), x), numbers({nan_value, infinity, 2, 2}), tolerance);
    check_equal(min(Tensor::full({1}, 2, dtype), x), numbers({nan_value, 2, -infinity, 0}), tolerance);
    for (const Index width : {3u, 40u}) {  // the NaN first, in the middle, last
      for (const Index place : {Index{0}, width / 2, width - 1}) {
        Array row = Array::full({1, width}, dtype, 1);
        row.set_flat(place, nan_value);
        CAPTURE(place);
        CHECK(std::isnan(max(Tensor(row)).item()));
        CHECK(std::isnan(max(Tensor(row), {1}).value().flat(0)));
        CHECK(std::isnan(logsumexp(Tensor(row)).item()));
        CHECK(std::isnan(softmax(Tensor(row)).value().flat(0)));
        CHECK(std::isnan(log_softmax(Tensor(row)).value().flat(0)));
        CHECK(std::isnan(cross_entropy(Tensor(row), {0}, Reduce::sum).item()));
      }
    }
    const Tensor z = numbers({-infinity, 0, 0}, dtype);
    check_equal(softmax(z), numbers({0, 0.5, 0.5}), tolerance);
    check_equal(log_softmax(z), numbers({-infinity, -golden::ln_2, -golden::ln_2}), tolerance);
    CHECK(logsumexp(numbers({-infinity, -infinity}, dtype)).item() == -infinity);
    CHECK(logsumexp(numbers({infinity, 0}, dtype)).item() == infinity);
    check_equal(slope([](auto v) { return log_softmax(v); }, z.value()), numbers({1, -0.5, -0.5}), tolerance);
  }
}

TEST_CASE("values: derivatives at kinks") {
  for (const Dtype dtype : {f32, f64}) {
    const Array x = numbers({-1, 0, 1, -0.0}, dtype);
    check_equal(slope([](auto v) { return relu(v); }, x), numbers({0, 0, 1, 0}));
    check_equal(slope([](auto v) { return abs(v); }, x), numbers({-1, 0, 1, 0}));
    check_equal(slope([](auto v) { return softsign(v); }, x), numbers({0.25, 1, 0.25, 1}));
    check_equal(slope([&](auto v) { return max(v, Tensor::zeros({1}, dtype)); }, x), numbers({0, 0.5, 1, 0.5}));
    check_equal(slope([&](auto v) { return min(v, Tensor::zeros({1}, dtype)); }, x), numbers({1, 0.5, 0, 0.5}));
    const Array tied = numbers({2, 1, 2, 2, 0}, dtype);
    check_equal(slope([](auto v) { return max(v); }, tied), numbers({1. / 3, 0, 1. / 3, 1. / 3, 0}), 1e-7);
    check_equal(slope([](auto v) { return max(reshape(v, {5, 1}), {1}); }, tied), numbers({1, 1, 1, 1, 1}));
  }
}

TEST_CASE("values: f32 agrees with f64 to 1e-5, in value and gradient") {
  struct Row {
    const char* name;
    Tensor (*f)(const Tensor&);
  };
  const Row table[] = {
      {"exp", [](const Tensor& x) { return exp(x); }},
      {"log", [](const Tensor& x) { return log(x * x + 0.5); }},
      {"sqrt", [](const Tensor& x) { return sqrt(x * x + 0.5); }},
      {"tanh", [](const Tensor& x) { return tanh(x); }},
      {"sigmoid", [](const Tensor& x) { return sigmoid(x); }},
      {"relu, abs, softsign", [](const Tensor& x) { return relu(x) + abs(x) * softsign(x); }},
      {"arithmetic", [](const Tensor& x) { return (x - 0.3) * x / (x * x + 1.0) - 2.0 / (x + 5.0); }},
      {"max, min", [](const Tensor& x) { return max(x, x * 0.5) + min(x, at(x, 0)); }},
      {"sums", [](const Tensor& x) { return sum(x, {0}) * mean(x) + max(x, {1}, true) * logsumexp(x, {0}); }},
      {"softmax", [](const Tensor& x) { return softmax(x) * log_softmax(x); }},
      {"products", [](const Tensor& x) { return affine(x, transpose(x), at(transpose(x), 0)); }},
      {"shapes",
       [](const Tensor& x) {
         return concat({split<3>(x)[1], flip(slice(x, 1, 0, 11), 0)});
       }},
      {"selection",
       [](const Tensor& x) {
         return pick(rows(x, {3, 3, 1}), {2, 0, 32});
       }},
      {"cross_entropy",
       [](const Tensor& x) {
         return cross_entropy(x, {0, 32, 5, 7}, Reduce::per_token);
       }},
      {"bce",
       [](const Tensor& x) {
         return bce_with_logits(x, Array::full({4, 33}, x.dtype(), 0.25), Reduce::per_token);
       }},
      {"pointwise",
       [](const Tensor& x) { return pointwise([](auto a, auto b) { return tanh(a) * sigmoid(b); }, x, at(x, 2)); }},
  };
  const Array x = random_array({4, 33});
  for (const auto& [name, f] : table) {
    CAPTURE(name);
    const Tensor single = f(x.to(f32)), twice = f(x);
    CHECK(single.dtype() == f32);
    CHECK(twice.dtype() == f64);
    check_equal(single, twice.value(), 1e-5);
    check_equal(slope(f, x.to(f32)), slope(f, x), 1e-5);
  }
}

TEST_CASE("values: f32 tanh and sigmoid over a dense grid") {
  std::vector<double> grid;
  for (int i = -200'000; i <= 200'000; ++i) grid.push_back(i * 1e-4);  // −20 … 20
  for (const double far : {25., 50., 88., 104., 1e3, 1e30, 3e38, infinity}) {
    grid.push_back(far);
    grid.push_back(-far);
  }
  const Array x = Array::of({grid.size()}, grid.data()).to(f32);
  const Array t = tanh(Tensor(x)).value(), s = sigmoid(Tensor(x)).value();
  double worst_tanh = 0, worst_sigmoid = 0;
  int outside = 0;
  for (Index i = 0; i < x.size(); ++i) {
    const double v = x.flat(i);
    worst_tanh = std::max(worst_tanh, std::abs(t.flat(i) - std::tanh(v)));
    worst_sigmoid = std::max(worst_sigmoid, std::abs(s.flat(i) - 1 / (1 + std::exp(-v))));
    outside += std::abs(t.flat(i)) > 1 || s.flat(i) < 0 || s.flat(i) > 1;
  }
  CHECK(outside == 0);
  CHECK(worst_tanh < 3.5e-7);
  CHECK(worst_sigmoid < 2.5e-7);
  CHECK(tanh(Tensor(numbers({1e-20}, f32))).item() == doctest::Approx(1e-20).epsilon(1e-6));
  CHECK(std::isnan(tanh(Tensor(numbers({nan_value}, f32))).item()));
  CHECK(std::isnan(sigmoid(Tensor(numbers({nan_value}, f32))).item()));
}
