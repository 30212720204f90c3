// Random numbers: the bits themselves, the distributions, and the state.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include <unroll/core/random.h>

using namespace unroll;

// The numbers below come from this independent implementation (Python 3, integers of any size):
//
//   M = 2**64 - 1
//   rotl = lambda x, k: ((x << k) | (x >> (64 - k))) & M
//   def splitmix64(seed):
//     while True:
//       seed = (seed + 0x9e3779b97f4a7c15) & M
//       z = ((seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9) & M
//       z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & M
//       yield z ^ (z >> 31)
//   def xoshiro256pp(seed):
//     g = splitmix64(seed); s = [next(g) for _ in range(4)]
//     while True:
//       yield (rotl((s[0] + s[3]) & M, 23) + s[0]) & M
//       t = (s[1] << 17) & M
//       s[2] ^= s[0]; s[3] ^= s[1]; s[1] ^= s[2]; s[0] ^= s[3]; s[2] ^= t; s[3] = rotl(s[3], 45)
//   uniform = lambda g: (next(g) >> 11) * 2.0**-53
//   def normal(g):
//     while True:
//       u, v = 2 * uniform(g) - 1, 2 * uniform(g) - 1
//       if 0 < u*u + v*v < 1: return u * math.sqrt(-2 * math.log(u*u + v*v) / (u*u + v*v))
//   below = lambda g, n: next(d for d in g if d < 2**64 // n * n) % n
TEST_CASE("random: the bits of a seed") {
  Random zero(0), answer(42), seven(7);
  for (const std::uint64_t expected :
       {0x53175d61490b23dfu, 0x61da6f3dc380d507u, 0x5c0fdf91ec9a7bfcu, 0x02eebf8c3bbe5e1au}) {
    CHECK(zero.bits() == expected);
  }
  for (const std::uint64_t expected :
       {0xd0764d4f4476689fu, 0x519e4174576f3791u, 0xfbe07cfb0c24ed8cu, 0xb37d9f600cd835b8u}) {
    CHECK(answer.bits() == expected);
  }
  std::uint64_t last = 0;
  for (int i = 0; i < 1'000'000; ++i) last = seven.bits();
  CHECK(last == 0x0699fc348ddd7152u);
}

TEST_CASE("random: the draws of a seed") {
  Random a(0), b(42);
  CHECK(a.uniform() == 0.3245752680314067);
  CHECK(a.uniform() == 0.38223929651167343);
  CHECK(b.uniform() == 0.8143051451229099);
  a = Random(0), b = Random(42);
  for (const double expected : {-1.5411826072230725, -0.004041182672357505, 0.11165681497434186}) {
    CHECK(a.normal() == doctest::Approx(expected).epsilon(1e-14));
  }
  for (const double expected : {0.9813983900724986, 1.3403256427520227, -0.9642205062941384}) {
    CHECK(b.normal() == doctest::Approx(expected).epsilon(1e-14));
  }
  a = Random(0), b = Random(42);
  for (const Index expected : {503u, 255u, 180u, 330u, 874u}) CHECK(a.below(1000) == expected);
  for (const Index expected : {951u, 753u, 100u, 464u, 331u}) CHECK(b.below(1000) == expected);
  CHECK(Random(1).bits() != Random(2).bits());
}

TEST_CASE("random: moments of the distributions") {
  constexpr int n = 200'000;
  Random random(3);
  double sum = 0, squares = 0, low = 1, high = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    sum += u, squares += u * u;
    low = std::min(low, u), high = std::max(high, u);
  }
  // Four standard errors: 4 √(1/12 / n) = 0.0026, 4 √(4/45 / n) = 0.0027.
  CHECK(std::abs(sum / n - 0.5) < 0.0026);
  CHECK(std::abs(squares / n - 1. / 3) < 0.0027);
  CHECK(low >= 0);
  CHECK(high < 1);
  double moments[5] = {};
  int beyond_two = 0;
  for (int i = 0; i < n; ++i) {
    const double x = random.normal();
    double power = 1;
    for (double& m : moments) m += power, power *= x;
    beyond_two += std::abs(x) > 2;
  }
  // Standard errors: √(1/n), √(2/n), √(15/n), √(96/n), √(0.0455·0.9545/n).
  CHECK(std::abs(moments[1] / n) < 4 * std::sqrt(1. / n));
  CHECK(std::abs(moments[2] / n - 1) < 4 * std::sqrt(2. / n));
  CHECK(std::abs(moments[3] / n) < 4 * std::sqrt(15. / n));
  CHECK(std::abs(moments[4] / n - 3) < 4 * std::sqrt(96. / n));
  CHECK(std::abs(static_cast<double>(beyond_two) / n - 0.04550026) < 4 * std::sqrt(0.0455 * 0.9545 / n));
  for (int i = 0; i < 1000; ++i) {
    const double u = random.uniform(-3, -1);
    CHECK_FALSE((u < -3 || u >= -1));
  }
}

TEST_CASE("random: below is without bias") {
  Random random(5);
  CHECK(random.below(1) == 0);
  int counts[7] = {};
  for (int i = 0; i < 70'000; ++i) ++counts[random.below(7)];
  double chi_squared = 0;
  for (const int count : counts) chi_squared += (count - 10'000.) * (count - 10'000.) / 10'000.;
  CHECK(chi_squared < 22.46);  // 6 degrees of freedom, one in a thousand
  // With a bound of 3·2⁶², a plain remainder would fall into the first third half of the time.
  const Index large = 3 * (Index{1} << 62);
  int first_third = 0;
  for (int i = 0; i < 9000; ++i) first_third += random.below(large) < large / 3;
  CHECK(std::abs(first_third - 3000) < 4 * std::sqrt(9000 * 2. / 9));
  CHECK_THROWS_WITH_AS(random.below(0), "Random::below: the bound must be positive", UsageError);
}

TEST_CASE("random: every order is equally likely") {
  Random random(6);
  std::map<std::vector<int>, int> seen;
  for (int i = 0; i < 24'000; ++i) {
    std::vector<int> v{0, 1, 2, 3};
    random.shuffle(v);
    ++seen[v];
  }
  CHECK(seen.size() == 24);
  double chi_squared = 0;
  for (const auto& [order, count] : seen) chi_squared += (count - 1000.) * (count - 1000.) / 1000.;
  CHECK(chi_squared < 49.73);  // 23 degrees of freedom, one in a thousand
  std::vector<int> none;
  random.shuffle(none);
  CHECK(none.empty());
}

TEST_CASE("random: masks") {
  for (const Dtype dtype : {f32, f64}) {
    for (const double keep : {0.5, 0.9, 1.0}) {
      Random random(8);
      const Array mask = random.mask({400, 250}, dtype, keep);
      CHECK(mask.dtype() == dtype);
      double kept = 0, pairs = 0;
      int wrong = 0;
      for (Index i = 0; i < mask.size(); ++i) {
        const bool is_kept = mask.flat(i) != 0;
        wrong += is_kept && std::abs(mask.flat(i) * keep - 1) > 1e-7;
        kept += is_kept;
        pairs += is_kept && i % 2 == 1 && mask.flat(i - 1) != 0;  // two elements come from one draw of 64 bits
      }
      CHECK(wrong == 0);
      CHECK(std::abs(kept / 1e5 - keep) <= 4 * std::sqrt(keep * (1 - keep) / 1e5));
      CHECK(std::abs(pairs / 5e4 - keep * keep) <= 4 * std::sqrt(keep * keep * (1 - keep * keep) / 5e4));
    }
  }
  // The same pattern in both dtypes.
  Random one(9), two(9);
  const Array a = one.mask({33}, f32, 0.5), b = two.mask({33}, f64, 0.5);
  for (Index i = 0; i < 33; ++i) CHECK(a.flat(i) == b.flat(i));
}

TEST_CASE("random: the state can be kept") {
  Random random(11);
  random.normal();
  const Random::State state = random.state();
  const double first = random.normal(), second = random.uniform();
  random.restore(state);
  CHECK(random.normal() == first);
  CHECK(random.uniform() == second);
  Random other(99);
  other.restore(state);
  CHECK(other.normal() == first);
}

TEST_CASE("random: portable_log is within 3 ulp") {
  Random random(12);
  double worst = 0;
  const auto check = [&](double x) {
    const long double exact = std::log(static_cast<long double>(x));
    const double near = static_cast<double>(exact);
    const double ulp = std::nextafter(std::abs(near), std::numeric_limits<double>::infinity()) - std::abs(near);
    worst = std::max(worst, static_cast<double>(std::abs(static_cast<long double>(portable_log(x)) - exact)) / ulp);
  };
  for (int i = 0; i < 200'000; ++i) {
    check(random.uniform() + 0x1p-60);
    check(std::bit_cast<double>(random.bits() >> 2));  // every exponent of positive finite numbers below 2⁵¹²
  }
  for (double x = 1e-3; x < 1e3; x *= 1.001) check(x), check(1 + x * 1e-4), check(1 / (1 + x * 1e-4));
  for (const double x : {5e-324, 2.2250738585072014e-308, 1e-310, 0.5, 2.0, std::nextafter(1, 0), std::nextafter(1, 2),
                         1.4142135623730951, 1.7976931348623157e308}) {
    check(x);
  }
  CHECK(worst <= 3);
  CHECK(portable_log(1) == 0);
}
