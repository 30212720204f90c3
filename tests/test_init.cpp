#include <doctest/doctest.h>

#include <cmath>

#include <unroll/core/init.h>

using namespace unroll;

namespace {

double element(const Array& a, Index r, Index c) { return a.flat(r * a.cols() + c); }

/// The largest deviation of q qᵀ (or qᵀ q) from the identity, q being `rows` × `cols` from column c0.
double deviation(const Array& a, Index c0, Index cols, bool of_rows) {
  const Index rows = a.rows(), n = of_rows ? rows : cols, m = of_rows ? cols : rows;
  double worst = 0;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) {
      double dot = i == j ? -1 : 0;
      for (Index k = 0; k < m; ++k) {
        dot += of_rows ? element(a, i, c0 + k) * element(a, j, c0 + k) : element(a, k, c0 + i) * element(a, k, c0 + j);
      }
      worst = std::max(worst, std::abs(dot));
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("init: orthogonal") {
  Random random(1);
  for (const Index h : {1u, 2u, 7u, 64u}) {
    for (const Index k : {1u, 3u, 4u}) {  // every gate's block by itself
      const Array a = orthogonal({h, k * h}, random);
      CHECK(a.dtype() == f64);
      for (Index block = 0; block < k; ++block) {
        CHECK(deviation(a, block * h, h, true) < 1e-13);
        CHECK(deviation(a, block * h, h, false) < 1e-13);
      }
      if (k > 1 && h > 1) CHECK(element(a, 0, 0) != element(a, 0, h));
    }
  }
  CHECK(deviation(orthogonal({5, 3}, random), 0, 3, false) < 1e-13);  // tall: orthonormal columns
  CHECK(deviation(orthogonal({3, 5}, random), 0, 5, true) < 1e-13);   // wide, but of no whole blocks: orthonormal rows
  CHECK(deviation(orthogonal({6}, random), 0, 1, true) < 1e-13);
  CHECK(orthogonal({0, 4}, random).size() == 0);
  CHECK(orthogonal({4, 0}, random).size() == 0);
  // Not always the same sign: normal draws have no preferred direction.
  int positive = 0;
  for (int i = 0; i < 400; ++i) positive += orthogonal({2, 2}, random).flat(0) > 0;
  CHECK(std::abs(positive - 200) < 4 * 10);
}

TEST_CASE("init: glorot") {
  Random random(2);
  const Array a = glorot({300, 500}, random);
  const double limit = std::sqrt(6. / 800);
  double low = 0, high = 0, squares = 0;
  for (Index i = 0; i < a.size(); ++i) {
    low = std::min(low, a.flat(i)), high = std::max(high, a.flat(i)), squares += a.flat(i) * a.flat(i);
  }
  CHECK(low >= -limit);
  CHECK(low < -0.999 * limit);
  CHECK(high < limit);
  CHECK(high > 0.999 * limit);
  CHECK(squares / 150'000 == doctest::Approx(limit * limit / 3).epsilon(0.02));
}

TEST_CASE("init: constants, uniform, normal, parts") {
  Random random(3);
  CHECK(zero({2, 3}, random).flat(5) == 0);
  CHECK(constant(2.5)({2, 3}, random).flat(5) == 2.5);
  const Array u = uniform(0.1)({10'000}, random), v = uniform(2, 3)({10'000}, random),
              n = normal(0.5)({10'000}, random);
  double sum = 0, squares = 0;
  for (Index i = 0; i < 10'000; ++i) {
    CHECK_FALSE(std::abs(u.flat(i)) > 0.1);
    CHECK_FALSE((v.flat(i) < 2 || v.flat(i) >= 3));
    sum += n.flat(i), squares += n.flat(i) * n.flat(i);
  }
  CHECK(std::abs(sum / 10'000) < 4 * 0.005);
  CHECK(squares / 10'000 == doctest::Approx(0.25).epsilon(0.06));
  const Array bias = parts({0, 1, 0, -2})({8}, random);
  for (const auto& [place, expected] :
       {std::pair{0u, 0.}, {1u, 0.}, {2u, 1.}, {3u, 1.}, {4u, 0.}, {6u, -2.}, {7u, -2.}}) {
    CHECK(bias.flat(place) == expected);
  }
  const Array two_rows = parts({3, 4})({2, 4}, random);
  CHECK(two_rows.flat(4) == 3);
  CHECK(two_rows.flat(7) == 4);
  CHECK_THROWS_WITH_AS(parts({0, 1, 0})({8}, random), "parts: the last axis of [8] does not divide into 3 parts",
                       ShapeError);
  CHECK_THROWS_WITH_AS(parts({})({8}, random), "parts: the last axis of [8] does not divide into 0 parts", ShapeError);
}

TEST_CASE("init: the same numbers for a seed") {
  for (const Init& init : {Init(orthogonal), Init(glorot), normal(1), uniform(1)}) {
    Random a(4), b(4);
    const Array x = init({6, 12}, a), y = init({6, 12}, b), z = init({6, 12}, b);
    for (Index i = 0; i < x.size(); ++i) CHECK(x.flat(i) == y.flat(i));
    CHECK(z.flat(0) != x.flat(0));
  }
}
