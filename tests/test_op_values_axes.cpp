// Values of reductions and of the order along axes against xtensor, definitions in plain loops and numbers worked out
// by hand; what happens at zeros, ties, NaN and over nothing.
#include "op_values.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

Tensor zeros(const Shape& shape) { return Tensor::zeros(shape); }

}  // namespace

TEST_CASE("values: products, minima, variances and norms equal xtensor's") {
  const Array a = random_array({2, 3, 5});
  const Tensor t(a);
  const auto x = a.as<double>();
  check_equal(prod(t), xt::prod(x));
  check_equal(prod(t, {1}), xt::prod(x, {1}));
  check_equal(prod(t, {0, -1}, true), xt::prod(x, {0, 2}, xt::keep_dims));
  check_equal(min(t), xt::amin(x));
  check_equal(min(t, {-1}), xt::amin(x, {2}));
  check_equal(min(t, {0, 1}, true), xt::amin(x, {0, 1}, xt::keep_dims));
  check_equal(norm(t), xt::sqrt(xt::sum(x * x)));
  check_equal(norm(t, {1}), xt::sqrt(xt::sum(x * x, {1})));
  check_equal(norm(t, {0, -1}, true), xt::sqrt(xt::sum(x * x, {0, 2}, xt::keep_dims)));
  check_equal(cumsum(t, 0), xt::cumsum(x, 0));
  check_equal(cumsum(t, 1), xt::cumsum(x, 1));
  check_equal(cumsum(t, -1), xt::cumsum(x, 2));
  const Array centred = by_place({2, 3, 5}, [&](const Place& at) {
    return x(at[0], at[1], at[2]) - (x(at[0], 0, at[2]) + x(at[0], 1, at[2]) + x(at[0], 2, at[2])) / 3;
  });
  const auto middle = centred.as<double>();
  check_equal(var(t, {1}, Correction::none), xt::sum(middle * middle, {1}) / 3);
  check_equal(var(t, {1}, Correction::bessel, true), xt::sum(middle * middle, {1}, xt::keep_dims) / 2);
  check_equal(stddev(t, {1}, Correction::bessel), xt::sqrt(xt::sum(middle * middle, {1}) / 2));
  const xt::xarray<double> all = x - xt::mean(x);
  check_equal(var(t, Correction::none), xt::sum(all * all) / 30);
  check_equal(stddev(t, Correction::bessel), xt::sqrt(xt::sum(all * all) / 29));
  // Axes may be any array of ints.
  const std::vector<int> axes{2, 0};
  check_equal(sum(t, axes), xt::sum(x, {0, 2}));
  check_equal(transpose(t, std::array{2, 0, 1}), xt::transpose(x, {2, 0, 1}));
}

TEST_CASE("values: a variance far from zero loses nothing to the mean's square") {
  for (const Dtype dtype : {f32, f64}) {
    const double offset = dtype == f32 ? 4096 : 1e9;  // the numbers below are exact at these
    check_equal(var(Tensor(numbers({offset + 1, offset + 2, offset + 3, offset + 4}, dtype)), Correction::none),
                numbers({1.25}, dtype).reshaped({}), 0);
  }
}

TEST_CASE("values: over no element a sum is 0 and a product 1; all else is refused") {
  check_equal(sum(Tensor::zeros({0, 2}, f64), {0}), numbers({0, 0}));
  check_equal(prod(Tensor::zeros({0, 2}, f64), {0}), numbers({1, 1}));
  CHECK(prod(zeros({0})).item() == 1);
  CHECK(norm(zeros({0})).item() == 0);
  CHECK(prod(Tensor::full({}, 3)).item() == 3);
  CHECK(message([] { min(zeros({0, 2}), {0}); }) == "min: the minimum over no element of a tensor of shape [0, 2]");
  CHECK(message([] { max(zeros({0, 2}), {0}); }) == "max: the maximum over no element of a tensor of shape [0, 2]");
  CHECK(message([] {
          var(zeros({0, 2}), {0}, Correction::none);
        }) == "var: over 0 elements of a tensor of shape [0, 2] there is no variance");
  CHECK(message([] {
          stddev(zeros({1, 2}), {0}, Correction::bessel);
        }) == "stddev: over 1 elements, less one, of a tensor of shape [1, 2] there is no variance");
  CHECK(message([] { argmax(zeros({2, 0}), 1); }) == "argmax: axis 1 of a tensor of shape [2, 0] has no elements");
  CHECK(argmax(zeros({0, 2}), 1).size() == 0);
}

TEST_CASE("values: the gradient of a product with zeros and infinities among its factors") {
  for (const Dtype dtype : {f32, f64}) {
    const auto gradient = [&](std::initializer_list<double> factors) {
      return slope([](auto v) { return prod(v); }, numbers(factors, dtype));
    };
    check_equal(gradient({2, 3, 4}), numbers({12, 8, 6}), 0);
    check_equal(gradient({2, 0, 4}), numbers({0, 8, 0}), 0);
    check_equal(gradient({0, 3, 0, 5}), numbers({0, 0, 0, 0}), 0);
    check_equal(gradient({0, 3}), numbers({3, 0}), 0);
    check_equal(gradient({infinity, 2, 3}), numbers({6, infinity, infinity}), 0);
    check_equal(gradient({7}), numbers({1}), 0);
    const double huge = dtype == f32 ? 0x1p100 : 0x1p1000;  // the whole product overflows, those of two do not
    check_equal(gradient({huge, huge, 1 / huge}), numbers({1, 1, infinity}), 0);
    // Several products side by side: x [2, 3] over its first axis.
    check_equal(slope(
                    [](auto v) {
                      return prod(reshape(v, {2, 3}), {0});
                    },
                    numbers({0, 2, 0, 5, 3, 0}, dtype)),
                numbers({5, 3, 0, 0, 2, 0}), 0);
  }
}

TEST_CASE("values: gradients where a root has none, and of ties") {
  for (const Dtype dtype : {f32, f64}) {
    const Array nothing = Array::zeros({3}, dtype), same = Array::full({4}, dtype, 2);
    check_equal(slope([](auto v) { return norm(v); }, nothing), numbers({0, 0, 0}), 0);
    check_equal(slope([](auto v) { return norm(v); }, numbers({3, 0, -4}, dtype)), numbers({0.6, 0, -0.8}), 1e-7);
    check_equal(slope([](auto v) { return stddev(v, Correction::none); }, same), numbers({0, 0, 0, 0}), 0);
    check_equal(slope([](auto v) { return min(v); }, numbers({2, 1, 1, 3, 1}, dtype)),
                numbers({0, 1. / 3, 1. / 3, 0, 1. / 3}), 1e-7);
    for (const Index width : {3u, 40u}) {
      Array row = Array::full({1, width}, dtype, 1);
      row.set_flat(width / 2, nan_value);
      CHECK(std::isnan(min(Tensor(row)).item()));
      CHECK(std::isnan(min(Tensor(row), {1}).value().flat(0)));
      CHECK(min(Tensor(numbers({1, -infinity}, dtype))).item() == -infinity);
    }
  }
}

TEST_CASE("values: places of the largest and smallest elements") {
  for (const Dtype dtype : {f32, f64}) {
    const Tensor x = numbers({3, 1, 3, 0, 5, 0, nan_value, 9, nan_value}, dtype).reshaped({3, 3});
    CHECK(argmax(x, 1) == Ids{0, 1, 0});
    CHECK(argmin(x, 1) == Ids{1, 0, 0});
    CHECK(argmax(x, 0) == Ids{2, 2, 2});
    CHECK(argmin(x, -2) == Ids{2, 0, 2});
    CHECK(argmax(x, -1, true) == Ids({0, 1, 0}, {3, 1}));
    CHECK(argmax(split<3>(x)[1], 0) == Ids{2});
    const Tensor y = numbers({1, 4, 4, 2, nan_value, 4}, dtype);
    const auto [values, ids] = top_k(y, 4);
    CHECK(ids == Ids{4, 1, 2, 5});
    check_equal(values, numbers({nan_value, 4, 4, 4}), 0);
    CHECK(top_k(y, 0).ids.size() == 0);
    CHECK(top_k(y, 6).ids == Ids{4, 1, 2, 5, 3, 0});
  }
  const Array a = random_array({2, 3, 5});
  for (const int axis : {0, 1, 2}) {
    const auto along = static_cast<Index>(axis);
    const auto first = [&](auto before) {
      return by_place(sum(Tensor(a), {axis}).shape(), [&](const Place& at) {
        Place place{};
        for (Index i = 0, j = 0; i < 3; ++i) place[i] = i == along ? 0 : at[j++];
        Index best = 0;
        for (Index i = 1; i < a.shape()[along]; ++i) {
          if (before(element(a, with(place, along, i)), element(a, with(place, along, best)))) best = i;
        }
        return static_cast<double>(best);
      });
    };
    const auto as_numbers = [](const Ids& ids) {
      const std::vector<double> all(ids.begin(), ids.end());
      return Array::of(Shape::of(ids), all.data());
    };
    check_equal(as_numbers(argmax(a, axis)), first(std::greater<>()), 0);
    check_equal(as_numbers(argmin(a, axis)), first(std::less<>()), 0);
  }
  const auto [values, ids] = top_k(Tensor(a), 2);
  CHECK(ids.shape() == std::vector<Index>{2, 3, 2});
  check_equal(slice(values, -1, 0, 1), max(Tensor(a), {-1}, true).value(), 0);
  // The gradient goes to the elements that were taken.
  check_equal(slope([](auto v) { return top_k(v, 2).values; }, numbers({1, 7, 3, 7})), numbers({0, 1, 0, 1}), 0);
}

TEST_CASE("values: f32 agrees with f64 along axes") {
  const Array a = random_array({3, 4, 6}, 1, 0.5, 1.5);
  const auto of = [](const Tensor& x) {
    const Tensor y =
        prod(x, {1}, true) + var(x, {1}, Correction::bessel, true) + norm(x, {0, 1}, true) * min(x, {2}, true);
    return cumsum(y * stddev(x, {-1}, Correction::none, true), 2) *
           gather(x, Ids(std::vector<Id>(12, 2), {3, 4, 1}), 2);
  };
  check_equal(of(Tensor(a.to(f32))), of(Tensor(a)).value(), 1e-5);
  check_equal(slope(of, a.to(f32)), slope(of, a), 2e-5);
}
