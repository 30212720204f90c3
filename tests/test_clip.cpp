#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include <unroll/optim/clip.h>

using namespace unroll;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Gradients of two parameters, so that a norm over all of them differs from each one's own.
struct Pair {
  explicit Pair(Dtype dtype = f64)
      : params(0, dtype), a(Scope(params)("a", {2}, zero)), b(Scope(params)("b", {1, 1}, zero)) {}
  Grads grads(double a0, double a1, double b0) const {
    Array first = Array::uninitialised({2}, a.dtype()), second = Array::full({1, 1}, b.dtype(), b0);
    first.set_flat(0, a0);
    first.set_flat(1, a1);
    Grads grads;
    grads.insert(a, first);
    grads.insert(b, second);
    return grads;
  }
  Params params;
  Param a, b;
};

}  // namespace

TEST_CASE("clip: by the norm over all parameters") {
  for (const Dtype dtype : {f32, f64}) {
    const Pair p(dtype);
    const Grads grads = p.grads(2, -3, 6);  // norm 7
    const double exact = dtype == f64 ? 1e-14 : 1e-6;

    const Grads small = clip(grads, 3.5);
    CHECK(small[p.a].flat(0) == doctest::Approx(2 * 3.5 / 7.000001).epsilon(exact));
    CHECK(small[p.a].flat(1) == doctest::Approx(-3 * 3.5 / 7.000001).epsilon(exact));
    CHECK(small[p.b].flat(0) == doctest::Approx(6 * 3.5 / 7.000001).epsilon(exact));
    CHECK(small[p.a].dtype() == dtype);

    for (const double above : {7.1, 1000., infinity}) {
      const Grads whole = clip(grads, above);
      CHECK(whole[p.a].flat(0) == 2);
      CHECK(whole[p.a].flat(1) == -3);
      CHECK(whole[p.b].flat(0) == 6);
    }
    CHECK(clip(grads, 0)[p.b].flat(0) == 0);
    CHECK(grads[p.b].flat(0) == 6);  // a value: the original is whole
  }
  // At the bound itself the 1e-6 shows.
  const Pair p;
  CHECK(clip(p.grads(2, -3, 6), 7)[p.b].flat(0) == doctest::Approx(6 / (1 + 1e-6 / 7)).epsilon(1e-15));
  CHECK(clip(p.grads(0, 0, 0), 1)[p.b].flat(0) == 0);
  CHECK(clip(Grads(), 1).size() == 0);
}

TEST_CASE("clip: what is not finite, as PyTorch treats it") {
  const Pair p;
  const Grads infinite = clip(p.grads(1, -infinity, 5), 1);
  CHECK(infinite[p.a].flat(0) == 0);
  CHECK(std::isnan(infinite[p.a].flat(1)));
  CHECK(infinite[p.b].flat(0) == 0);

  const Grads nan = clip(p.grads(1, std::nan(""), 5), 1000);
  CHECK(std::isnan(nan[p.a].flat(0)));
  CHECK(std::isnan(nan[p.b].flat(0)));
}

TEST_CASE("clip: by other norms") {
  for (const Dtype dtype : {f32, f64}) {
    const Pair p(dtype);
    const Grads grads = p.grads(2, -3, 6);
    CHECK(grads.norm(1) == 11);
    CHECK(grads.norm(2) == 7);
    CHECK(grads.norm(infinity) == 6);
    CHECK(grads.norm(3) == doctest::Approx(std::cbrt(8. + 27 + 216)).epsilon(1e-15));
    const double exact = dtype == f64 ? 1e-14 : 1e-6;
    CHECK(clip(grads, 1, 1)[p.a].flat(1) == doctest::Approx(-3 / 11.000001).epsilon(exact));
    CHECK(clip(grads, 1, infinity)[p.a].flat(1) == doctest::Approx(-3 / 6.000001).epsilon(exact));
    CHECK(clip(grads, 1, 3)[p.b].flat(0) == doctest::Approx(6 / (std::cbrt(251.) + 1e-6)).epsilon(exact));
    CHECK(clip(grads, 11.1, 1)[p.b].flat(0) == 6);
    CHECK(clip(grads, 6.1, infinity)[p.b].flat(0) == 6);
  }
  const Pair p;
  CHECK(p.grads(1, 2000, 0).norm(100) == doctest::Approx(2000).epsilon(1e-12));  // 2000¹⁰⁰ is no double
  CHECK(p.grads(0, 1e-4, 0).norm(100) == doctest::Approx(1e-4).epsilon(1e-12));
  CHECK(p.grads(0, 0, 0).norm(3) == 0);
  for (const double norm : {1., 3., infinity}) {
    CHECK(std::isnan(p.grads(1, std::nan(""), 5).norm(norm)));
    CHECK(std::isnan(p.grads(std::nan(""), infinity, 5).norm(norm)));
    CHECK(p.grads(1, -infinity, 5).norm(norm) == infinity);
    CHECK(Grads().norm(norm) == 0);
  }
}

TEST_CASE("clip_value: each element by itself") {
  for (const Dtype dtype : {f32, f64}) {
    const Pair p(dtype);
    const Grads grads = p.grads(2, -3, 0.25);
    const Grads clipped = clip_value(grads, 0.5);
    CHECK(clipped[p.a].flat(0) == 0.5);
    CHECK(clipped[p.a].flat(1) == -0.5);
    CHECK(clipped[p.b].flat(0) == 0.25);
    CHECK(grads[p.a].flat(0) == 2);
    CHECK(clip_value(grads, 3)[p.a].flat(1) == -3);
    CHECK(clip_value(grads, 0)[p.a].flat(1) == 0);
    CHECK(clip_value(grads, infinity)[p.a].flat(1) == -3);

    const Grads odd = clip_value(p.grads(infinity, -infinity, std::nan("")), 0.5);
    CHECK(odd[p.a].flat(0) == 0.5);
    CHECK(odd[p.a].flat(1) == -0.5);
    CHECK(std::isnan(odd[p.b].flat(0)));
  }
}

TEST_CASE("clip: wrong calls") {
  CHECK_THROWS_WITH_AS(clip({}, -1), "clip: max_norm is -1; it must be at least 0", UsageError);
  CHECK_THROWS_WITH_AS(clip({}, std::nan("")), "clip: max_norm is nan; it must be at least 0", UsageError);
  CHECK_THROWS_WITH_AS(clip({}, 1, 0.5), "clip: p is 0.5; it must be at least 1", UsageError);
  CHECK_THROWS_WITH_AS(clip({}, 1, std::nan("")), "clip: p is nan; it must be at least 1", UsageError);
  CHECK_THROWS_WITH_AS(Grads().norm(0), "norm: p is 0; it must be at least 1", UsageError);
  CHECK_THROWS_WITH_AS(clip_value({}, -0.5), "clip_value: limit is -0.5; it must be at least 0", UsageError);
}
