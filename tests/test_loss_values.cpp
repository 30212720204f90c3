// Values of the losses against plain loops over their formulas; extremes; padding; reductions; errors.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include <unroll/core/ops.h>

using namespace unroll;

namespace {

using Long = long double;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr Reduce reductions[] = {Reduce::sum, Reduce::per_token, Reduce::per_sequence};

Array random_array(const Shape& shape, std::uint64_t seed = 1, double low = -2, double high = 2) {
  Random random(seed);
  return uniform(low, high)(shape, random);
}
Array numbers(const Shape& shape, const std::vector<double>& values) { return Array::of(shape, values.data()); }
Tensor tensor(const std::vector<double>& values, Dtype dtype) { return numbers({values.size()}, values).to(dtype); }
template <class F>
Array slope(F loss, const Array& at) {
  Tape tape;
  const Tensor x = tape.watch(at);
  return tape.backward(loss(x))[x];
}
void check_close(double got, double want, double tolerance = 1e-14) {
  CAPTURE(got);
  CAPTURE(want);
  const bool same = got == want || (std::isnan(got) && std::isnan(want));
  CHECK((same || std::abs(got - want) <= tolerance * std::max(1.0, std::abs(want))));
}
void check_close(const Array& got, const std::vector<double>& want, double tolerance = 1e-14) {
  REQUIRE(got.size() == want.size());
  for (Index i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    check_close(got.flat(i), want[i], tolerance);
  }
}
/// Equal to the last bit.
void check_same(const Array& a, const Array& b) {
  REQUIRE(a.shape() == b.shape());
  for (Index i = 0; i < a.size(); ++i) CHECK(a.flat(i) == b.flat(i));
}

/// −ln softmax(z)_c of row r.
Long negative_log(const Array& z, Index r, Index c) {
  const Index classes = z.dim(-1);
  Long top = z.flat(r * classes), sum = 0;
  for (Index k = 0; k < classes; ++k) top = std::max<Long>(top, z.flat(r * classes + k));
  for (Index k = 0; k < classes; ++k) sum += std::exp(z.flat(r * classes + k) - top);
  return top + std::log(sum) - z.flat(r * classes + c);
}

}  // namespace

TEST_CASE("cross_entropy: smoothing, weights, ignored targets and lengths, by the formula") {
  const Array z = random_array({3, 2, 4});
  const Ids targets({0, 3, -7, 1, 2, 9}, 3, 2);
  const std::vector<Index> lengths{3, 2};  // the 9 is never read
  for (const double smoothing : {0.0, 0.1, 1.0}) {
    for (const std::vector<double>& weights : {std::vector<double>{}, std::vector<double>{0.5, 2, 0, 1.25}}) {
      const auto weight = [&](Index c) { return weights.empty() ? 1 : weights[c]; };
      Long total = 0, divisor = 0;
      for (Index i = 0; i < 6; ++i) {
        if (i / 2 >= lengths[i % 2] || targets[i] == -7) continue;
        const auto target = static_cast<Index>(targets[i]);
        divisor += weight(target);
        for (Index c = 0; c < 4; ++c) {
          total += weight(c) * ((c == target ? 1 - smoothing : 0) + smoothing / 4) * negative_log(z, i, c);
        }
      }
      const CrossEntropyOptions options{.ignore = -7, .smoothing = smoothing, .weights = weights, .lengths = lengths};
      for (const Dtype dtype : {f32, f64}) {
        const double tolerance = dtype == f64 ? 1e-14 : 1e-6;
        const auto loss = [&](Reduce reduce) { return cross_entropy(z.to(dtype), targets, reduce, options); };
        check_close(loss(Reduce::sum).item(), static_cast<double>(total), tolerance);
        check_close(loss(Reduce::per_token).item(), static_cast<double>(total / divisor), tolerance);
        check_close(loss(Reduce::per_sequence).item(), static_cast<double>(total / 2), tolerance);
        CHECK(loss(Reduce::sum).dtype() == dtype);
      }
    }
  }
}

TEST_CASE("cross_entropy: the options that change nothing give the bits of the plain loss") {
  const Array z = random_array({7, 33}).to(f32);
  const Ids targets({1, 0, 32, 5, 5, 9, 30});
  for (const Reduce reduce : reductions) {
    const auto plain = [&](auto x) { return cross_entropy(x, targets, reduce); };
    for (const CrossEntropyOptions& options : {CrossEntropyOptions{}, CrossEntropyOptions{.ignore = 31},
                                               CrossEntropyOptions{.weights = std::vector<double>(33, 1)},
                                               CrossEntropyOptions{.lengths = std::vector<Index>(7, 1)}}) {
      const auto with = [&](auto x) { return cross_entropy(x, targets, reduce, options); };
      CHECK(with(z).item() == plain(z).item());
      check_same(slope(with, z), slope(plain, z));
    }
  }
}

TEST_CASE("cross_entropy of probabilities: by the formula, and equal to that of ids where they are one-hot") {
  const Array z = random_array({5, 4}), q = random_array({5, 4}, 2, 0, 1);
  for (const double smoothing : {0.0, 0.2}) {
    for (const std::vector<double>& weights : {std::vector<double>{}, std::vector<double>{0.5, 2, 0, 1.25}}) {
      Long total = 0;
      for (Index i = 0; i < 5; ++i) {
        for (Index c = 0; c < 4; ++c) {
          const Long w = weights.empty() ? 1 : weights[c];
          total += w * ((1 - smoothing) * q.flat(i * 4 + c) + smoothing / 4) * negative_log(z, i, c);
        }
      }
      const CrossEntropyOptions options{.smoothing = smoothing, .weights = weights};
      check_close(cross_entropy(z, Tensor(q), Reduce::sum, options).item(), static_cast<double>(total));
      check_close(cross_entropy(z, Tensor(q), Reduce::per_token, options).item(), static_cast<double>(total / 5));
      check_close(cross_entropy(z.to(f32), Tensor(q.to(f32)), Reduce::sum, options).item(), static_cast<double>(total),
                  1e-6);
      const Ids targets({3, 0, 0, 1, 3});
      Array one_hot = Array::zeros({5, 4}, f64);
      for (Index i = 0; i < 5; ++i) one_hot.set_flat(i * 4 + static_cast<Index>(targets[i]), 1);
      check_close(cross_entropy(z, Tensor(one_hot), Reduce::sum, options).item(),
                  cross_entropy(z, targets, Reduce::sum, options).item());
    }
  }
}

TEST_CASE("cross_entropy: logits of every size, with smoothing, weights and probabilities") {
  for (const double far : {300.0, 1e4, 1e30}) {
    for (const Dtype dtype : {f32, f64}) {
      const Tensor z = numbers({1, 3}, {far, -far, 0}).to(dtype), q = numbers({1, 3}, {0.5, 0.25, 0.25}).to(dtype);
      const double tolerance = dtype == f64 ? 1e-14 : 1e-6;
      check_close(cross_entropy(z, {1}, Reduce::sum).item(), 2 * far, tolerance);
      check_close(cross_entropy(z, {0}, Reduce::sum, {.smoothing = 0.3}).item(), 0.3 * far, tolerance);
      check_close(cross_entropy(z, {1}, Reduce::sum, {.weights = {1, 4, 1}}).item(), 8 * far, tolerance);
      check_close(cross_entropy(z, q, Reduce::sum).item(), 0.75 * far, tolerance);
      check_close(slope([&](auto x) { return cross_entropy(x, q, Reduce::sum); }, z.value()), {0.5, -0.25, -0.25},
                  tolerance);
    }
  }
  // A class that is impossible and weighs nothing is no part of the loss.
  const Tensor z = numbers({1, 3}, {-infinity, 0, 0});
  const double ln_2 = std::log(2.0);
  check_close(cross_entropy(z, {1}, Reduce::sum, {.smoothing = 0.3, .weights = {0, 1, 1}}).item(),
              (0.7 + 0.1) * ln_2 + 0.1 * ln_2);
  check_close(cross_entropy(z, Tensor(numbers({1, 3}, {0, 0.5, 0.5})), Reduce::sum).item(), ln_2);
  CHECK(cross_entropy(z, {1}, Reduce::sum, {.smoothing = 0.3}).item() == infinity);
  CHECK(std::isnan(cross_entropy(numbers({1, 3}, {0, nan_value, 0}), {0}, Reduce::sum, {.smoothing = 0.3}).item()));
}

TEST_CASE("nll_loss after log_softmax is cross_entropy") {
  const Array z = random_array({3, 2, 4});
  const Ids targets({0, 3, -1, 1, 2, 2}, 3, 2);
  for (const Reduce reduce : reductions) {
    for (const std::vector<double>& weights : {std::vector<double>{}, std::vector<double>{0.5, 2, 0, 1.25}}) {
      const auto nll = [&](auto x) {
        return nll_loss(log_softmax(x), targets, reduce, {.ignore = -1, .weights = weights, .lengths = {3, 2}});
      };
      const auto whole = [&](auto x) {
        return cross_entropy(x, targets, reduce, {.ignore = -1, .weights = weights, .lengths = {3, 2}});
      };
      check_close(nll(z).item(), whole(z).item());
      const Array expected = slope(whole, z);
      check_close(slope(nll, z), {expected.as<double>().begin(), expected.as<double>().end()});
    }
  }
  const Tensor p = numbers({1, 2}, {-infinity, 0});
  CHECK(nll_loss(p, {0}, Reduce::sum).item() == infinity);
  CHECK(nll_loss(p, {0}, Reduce::sum, {.weights = {0, 1}}).item() == 0);
}

TEST_CASE("bce_with_logits: weights and positive weights, by the formula, at logits of every size") {
  const std::vector<double> z{-1e300, -1e4, -300, -30, -1, 0, 1, 30, 300, 1e4, 1e300};
  for (const double y : {0.0, 0.25, 1.0}) {
    for (const double p : {1.0, 3.0}) {
      std::vector<double> loss, gradient;
      for (const Long v : z) {
        const Long positive = std::max<Long>(-v, 0) + std::log1p(std::exp(-std::abs(v)));  // −ln σ(z)
        const Long no = 1 / (1 + std::exp(v));                                             // 1 − σ(z)
        loss.push_back(static_cast<double>(0.5 * ((1 - y) * v + (1 + (p - 1) * y) * positive)));
        gradient.push_back(static_cast<double>(0.5 * ((1 - y) - (1 + (p - 1) * y) * no)));
      }
      const BceOptions options{.weights = Array::full({}, f64, 0.5), .positive_weight = {p}};
      for (Index i = 0; i < z.size(); ++i) {
        const auto f = [&](auto x) { return bce_with_logits(x, Array::full({1}, f64, y), Reduce::sum, options); };
        const Array at = Array::full({1}, f64, z[i]);
        CAPTURE(z[i]);
        CAPTURE(y);
        check_close(f(at).item(), loss[i]);
        check_close(slope(f, at).item(), gradient[i]);
        const auto plain = [&](auto x) { return bce_with_logits(x, Array::full({1}, f64, y), Reduce::sum); };
        if (p == 1) check_close(0.5 * plain(at).item(), loss[i]);
        if (p == 1) check_close(0.5 * slope(plain, at).item(), gradient[i]);
      }
    }
  }
  // The small losses keep their relative accuracy.
  CHECK(bce_with_logits(Tensor::full({1}, 40, f64), Array::full({1}, f64, 1), Reduce::sum).item() ==
        doctest::Approx(std::exp(-40)).epsilon(1e-14));
  const Array a = random_array({2, 3}), y = random_array({2, 3}, 2, 0, 1), w = random_array({3}, 3, 0, 2);
  double total = 0;
  const std::vector<double> positive{1, 2, 3};
  for (Index i = 0; i < 6; ++i) {
    const double s = 1 / (1 + std::exp(-a.flat(i))), t = y.flat(i);
    total -= w.flat(i % 3) * (positive[i % 3] * t * std::log(s) + (1 - t) * std::log(1 - s));
  }
  const BceOptions options{.weights = w, .positive_weight = positive};
  check_close(bce_with_logits(a, y, Reduce::sum, options).item(), total);
  check_close(bce_with_logits(a, y, Reduce::per_token, options).item(), total / 6);
  check_close(bce_with_logits(a, y, Reduce::per_sequence, options).item(), total / 3);
}

TEST_CASE("losses of a difference: values and derivatives, at every size") {
  for (const Dtype dtype : {f32, f64}) {
    const double far = dtype == f64 ? 1e150 : 1e15, t = dtype == f64 ? 1e-15 : 2e-7;
    const Tensor x = tensor({0, 0.25, -0.25, 2, -2, far, -far, 1}, dtype);
    const Tensor y = tensor({0, 0, 0, 0, 0, 0, 0, 1}, dtype);
    const auto check = [&](auto loss, const std::vector<double>& values, const std::vector<double>& slopes) {
      for (Index i = 0; i < values.size(); ++i) {
        CAPTURE(i);
        const Tensor a = slice(x, 0, i, i + 1), b = slice(y, 0, i, i + 1);
        check_close(loss(a, b).item(), values[i], t);
      }
      check_close(slope([&](auto v) { return loss(v, y); }, x.value()), slopes, t);
      std::vector<double> negated;
      for (const double s : slopes) negated.push_back(-s);
      check_close(slope([&](auto v) { return loss(x, v); }, y.value()), negated, t);
    };
    const double f = x.value().flat(5);  // the far one as it is in this dtype
    check([](auto a, auto b) { return mse_loss(a, b, Reduce::sum); }, {0, 0.0625, 0.0625, 4, 4, f * f, f * f, 0},
          {0, 0.5, -0.5, 4, -4, 2 * f, -2 * f, 0});
    check([](auto a, auto b) { return l1_loss(a, b, Reduce::sum); }, {0, 0.25, 0.25, 2, 2, f, f, 0},
          {0, 1, -1, 1, -1, 1, -1, 0});
    check([](auto a, auto b) { return huber_loss(a, b, Reduce::sum, {.delta = 0.5}); },
          {0, 0.03125, 0.03125, 0.875, 0.875, 0.5 * f, 0.5 * f, 0}, {0, 0.25, -0.25, 0.5, -0.5, 0.5, -0.5, 0});
    check([](auto a, auto b) { return smooth_l1_loss(a, b, Reduce::sum, {.beta = 0.5}); },
          {0, 0.0625, 0.0625, 1.75, 1.75, f, f, 0}, {0, 0.5, -0.5, 1, -1, 1, -1, 0});
    check([](auto a, auto b) { return smooth_l1_loss(a, b, Reduce::sum, {.beta = 0}); }, {0, 0.25, 0.25, 2, 2, f, f, 0},
          {0, 1, -1, 1, -1, 1, -1, 0});
    check([](auto a, auto b) { return quantile_loss(a, b, 0.75, Reduce::sum); },
          {0, 0.0625, 0.1875, 0.5, 1.5, 0.25 * f, 0.75 * f, 0}, {0, 0.25, -0.75, 0.25, -0.75, 0.25, -0.75, 0});
    for (const double odd : {infinity, -infinity}) {
      const Tensor a = tensor({odd}, dtype), b = tensor({1}, dtype);
      CHECK(mse_loss(a, b, Reduce::sum).item() == infinity);
      CHECK(l1_loss(a, b, Reduce::sum).item() == infinity);
      CHECK(huber_loss(a, b, Reduce::sum).item() == infinity);
      CHECK(quantile_loss(a, b, 0.1, Reduce::sum).item() == infinity);
      CHECK(slope([&](auto v) { return huber_loss(v, b, Reduce::sum); }, a.value()).item() == (odd > 0 ? 1 : -1));
    }
    const Tensor n = tensor({nan_value}, dtype), b = tensor({1}, dtype);
    CHECK(std::isnan(mse_loss(n, b, Reduce::sum).item()));
    CHECK(std::isnan(l1_loss(n, b, Reduce::sum).item()));
    CHECK(std::isnan(huber_loss(n, b, Reduce::sum).item()));
    CHECK(std::isnan(quantile_loss(b, n, 0.1, Reduce::sum).item()));
  }
}

TEST_CASE("the least quantile loss is at the quantile") {
  std::vector<double> sorted;
  for (int i = 0; i < 100; ++i) sorted.push_back(i * i);
  const Tensor y = tensor(sorted, f64);
  double best = infinity, at = 0;
  for (const double candidate : sorted) {
    const double loss = quantile_loss(Tensor::full({100}, candidate, f64), y, 0.805, Reduce::per_token).item();
    if (loss < best) best = loss, at = candidate;
  }
  CHECK(at == 80 * 80);  // 80 of 100 lie below
}

TEST_CASE("kl_divergence: by the formula, 0 at itself, and right where a probability is 0") {
  const Tensor z = random_array({3, 2, 5}), u = random_array({3, 2, 5}, 2);
  const Tensor l = log_softmax(z), t = log_softmax(u), q = softmax(u);
  double total = 0;
  for (Index i = 0; i < q.size(); ++i) { total += q.value().flat(i) * (t.value().flat(i) - l.value().flat(i)); }
  for (const bool log_target : {false, true}) {
    const KlOptions options{.log_target = log_target};
    const Tensor& target = log_target ? t : q;
    check_close(kl_divergence(l, target, Reduce::sum, options).item(), total);
    check_close(kl_divergence(l, target, Reduce::per_token, options).item(), total / 6);
    check_close(kl_divergence(l, target, Reduce::per_sequence, options).item(), total / 2);
    check_close(kl_divergence(t, target, Reduce::sum, options).item(), 0, 1e-15);
  }
  for (const Dtype dtype : {f32, f64}) {
    const double e = dtype == f64 ? 1e-15 : 2e-7, ln_2 = std::log(2.0);
    const Tensor logs = numbers({1, 4}, {-infinity, -ln_2, -2 * ln_2, -2 * ln_2}).to(dtype);
    const Tensor p = numbers({1, 4}, {0, 0, 1, 0}).to(dtype), log_p = log(p);
    check_close(kl_divergence(logs, p, Reduce::sum).item(), 2 * ln_2, e);
    check_close(kl_divergence(logs, log_p, Reduce::sum, {.log_target = true}).item(), 2 * ln_2, e);
    check_close(slope([&](auto v) { return kl_divergence(v, p, Reduce::sum); }, logs.value()), {0, 0, -1, 0}, e);
    check_close(slope([&](auto v) { return kl_divergence(logs, v, Reduce::sum); }, p.value()), {0, 0, 2 * ln_2 + 1, 0},
                e);
    CHECK(kl_divergence(logs, Tensor(numbers({1, 4}, {1, 0, 0, 0}).to(dtype)), Reduce::sum).item() == infinity);
  }
}

TEST_CASE("losses: what lies in padding changes no bit, of value or gradient") {
  const Shape shape{5, 3, 7};
  const std::vector<Index> lengths{4, 0, 2};
  using Loss = std::function<Tensor(const Tensor& x, const Tensor& y, Reduce)>;
  const Ids ids(std::vector<Id>{0, 1, 2, 3, 99, 5, 6, -8, 1, 2, 99, 99, 99, 99, 99}, 5, 3);
  struct Row {
    const char* name;
    bool by_both;
    Loss loss;
  };
  const std::vector<Row> losses = {
      {"cross_entropy", false,
       [&](auto& x, auto&, Reduce r) {
         return cross_entropy(x, ids, r,
                              {.ignore = 2, .smoothing = 0.1, .weights = {1, 2, 3, 4, 5, 6, 7}, .lengths = lengths});
       }},
      {"nll_loss", false,
       [&](auto& x, auto&, Reduce r) { return nll_loss(x, ids, r, {.ignore = 2, .lengths = lengths}); }},
      {"soft cross_entropy", true,
       [&](auto& x, auto& y, Reduce r) { return cross_entropy(x, y, r, {.smoothing = 0.1, .lengths = lengths}); }},
      {"kl_divergence", true, [&](auto& x, auto& y, Reduce r) { return kl_divergence(x, y, r, {.lengths = lengths}); }},
      {"bce_with_logits", false,
       [&](auto& x, auto& y, Reduce r) {
         return bce_with_logits(x, y.value(), r,
                                {.weights = detach(y).value(), .positive_weight = {2}, .lengths = lengths});
       }},
      {"mse_loss", true, [&](auto& x, auto& y, Reduce r) { return mse_loss(x, y, r, lengths); }},
      {"l1_loss", true, [&](auto& x, auto& y, Reduce r) { return l1_loss(x, y, r, lengths); }},
      {"huber_loss", true, [&](auto& x, auto& y, Reduce r) { return huber_loss(x, y, r, {.lengths = lengths}); }},
      {"smooth_l1_loss", true,
       [&](auto& x, auto& y, Reduce r) { return smooth_l1_loss(x, y, r, {.lengths = lengths}); }},
      {"quantile_loss", true, [&](auto& x, auto& y, Reduce r) { return quantile_loss(x, y, 0.3, r, lengths); }},
  };
  for (const Dtype dtype : {f32, f64}) {
    const Array x = random_array(shape, 1).to(dtype), y = random_array(shape, 2, 0, 1).to(dtype);
    Array filled_x = x.copy(), filled_y = y.copy();
    for (Index i = 0; i < x.size(); ++i) {
      if (i / 21 < lengths[i / 7 % 3]) continue;
      filled_x.set_flat(i, i % 2 == 0 ? nan_value : 1e30);
      filled_y.set_flat(i, i % 3 == 0 ? nan_value : -infinity);
    }
    for (const auto& [name, by_both, loss] : losses) {
      for (const Reduce reduce : reductions) {
        CAPTURE(name);
        const auto run = [&, &loss = loss, by_both = by_both](const Array& at, const Array& other) {
          Tape tape;
          const Tensor u = tape.watch(at), v = by_both ? tape.watch(other) : Tensor(other);
          const Tensor l = loss(u, v, reduce);
          const Grads grads = tape.backward(l);
          return std::tuple{l.item(), grads[u], by_both ? grads[v] : Array::zeros(shape, dtype)};
        };
        const auto [plain, dx, dy] = run(x, y);
        const auto [filled, filled_dx, filled_dy] = run(filled_x, filled_y);
        CHECK(std::isfinite(plain));
        CHECK(filled == plain);
        check_same(filled_dx, dx);
        check_same(filled_dy, dy);
        for (Index i = 0; i < x.size(); ++i) {
          if (i / 21 >= lengths[i / 7 % 3]) CHECK(filled_dx.flat(i) == 0);
        }
      }
    }
  }
}

TEST_CASE("losses: many elements, over several tiles, equal a plain sum; divisors count tokens") {
  const Array x = random_array({31, 9, 41}, 1), y = random_array({31, 9, 41}, 2);
  std::vector<Index> lengths;
  for (Index b = 0; b < 9; ++b) lengths.push_back(b * 31 / 8);
  Long whole = 0, ragged = 0;
  Index count = 0;
  for (Index i = 0; i < x.size(); ++i) {
    const Long d = static_cast<Long>(x.flat(i)) - y.flat(i);
    whole += d * d;
    if (i / 369 >= lengths[i / 41 % 9]) continue;
    ragged += d * d;
    ++count;
  }
  check_close(mse_loss(x, y, Reduce::sum).item(), static_cast<double>(whole));
  check_close(mse_loss(x, y, Reduce::per_token).item(), static_cast<double>(whole / (31 * 9 * 41)));
  check_close(mse_loss(x, y, Reduce::per_sequence).item(), static_cast<double>(whole / 9));
  check_close(mse_loss(x, y, Reduce::sum, lengths).item(), static_cast<double>(ragged));
  check_close(mse_loss(x, y, Reduce::per_token, lengths).item(), static_cast<double>(ragged / count));
  check_close(mse_loss(x.to(f32), y.to(f32), Reduce::per_token, lengths).item(), static_cast<double>(ragged / count),
              1e-6);
  CHECK(mse_loss(Tensor::zeros({0, 3}), Tensor::zeros({0, 3}), Reduce::sum).item() == 0);
}
