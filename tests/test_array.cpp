// Array: value semantics over shared memory, views, and xtensor in and out.
#include <doctest/doctest.h>

#include <unroll/core/array.h>
#include <unroll/core/ops.h>

using namespace unroll;

namespace {

/// 0, 1, 2 … in a shape.
Array counting(const Shape& shape, Dtype dtype = f64) {
  Array a = Array::zeros(shape, dtype);
  for (Index i = 0; i < a.size(); ++i) a.set_flat(i, static_cast<double>(i));
  return a;
}
std::vector<double> elements(const Array& a) {
  std::vector<double> all;
  for (Index i = 0; i < a.size(); ++i) all.push_back(a.flat(i));
  return all;
}

}  // namespace

TEST_CASE("array: making one") {
  CHECK(!Array().defined());
  const Array a = Array::full({2, 3}, f32, 1.5);
  CHECK(a.defined());
  CHECK(a.shape() == Shape{2, 3});
  CHECK(a.rows() == 2);
  CHECK(a.cols() == 3);
  CHECK(a.dim(-1) == 3);
  CHECK(a.dtype() == f32);
  CHECK(elements(a) == std::vector<double>(6, 1.5));
  CHECK(Array::full({}, f64, 2).item() == 2);
  CHECK(Array::zeros({0, 4}, f32).size() == 0);
  const float four[] = {1, 2, 3, 4};
  CHECK(elements(Array::of({2, 2}, four)) == std::vector<double>{1, 2, 3, 4});
  CHECK(Array::of({2, 2}, four).dtype() == f32);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data<float>()) % 64 == 0);
}

TEST_CASE("array: copies share until one is written to") {
  Array a = counting({2, 3}), b = a, c = a;
  CHECK(a.same_place(b));
  b.set_flat(0, 100);
  CHECK(!a.same_place(b));
  CHECK(a.same_place(c));
  CHECK(a.flat(0) == 0);
  CHECK(b.flat(0) == 100);
  c.as<double>()(1, 2) = 50;
  CHECK(a.flat(5) == 5);
  CHECK(c.flat(5) == 50);
  const double* place = c.data<double>();
  c.writable<double>()[0] = 7;  // nobody shares it any more: written where it lies
  CHECK(c.data<double>() == place);
  CHECK(c.flat(0) == 7);
  Array moved = std::move(c);
  CHECK(!c.defined());
  CHECK(moved.data<double>() == place);
  c = moved;
  Array& self = c;
  c = self;
  CHECK(c.flat(0) == 7);
  CHECK_THROWS_WITH_AS(Array().writable<float>(), "an empty array has no elements to write", UsageError);
}

TEST_CASE("array: parts are views") {
  Array a = counting({3, 8});
  const Array gate = a.part(0, 2, {3, 2}), row = a.part(1, 0, {8}), block = a.part(1, 4, {2, 4});
  CHECK(elements(gate) == std::vector<double>{2, 3, 10, 11, 18, 19});
  CHECK(elements(row) == std::vector<double>{8, 9, 10, 11, 12, 13, 14, 15});
  CHECK(gate.stride() == 8);
  CHECK(!gate.contiguous());
  CHECK(row.contiguous());
  CHECK(!row.reusable());
  CHECK(elements(block.part(1, 1, {1, 2})) == std::vector<double>{21, 22});  // a part of a part
  CHECK(elements(gate.copy()) == elements(gate));
  CHECK(gate.copy().contiguous());
  // Writing to the whole leaves the view, writing to a view leaves the whole.
  a.set_flat(2, -1);
  CHECK(gate.flat(0) == 2);
  Array view = gate;
  view.set_flat(3, 99);
  CHECK(elements(view) == std::vector<double>{2, 3, 10, 99, 18, 19});
  CHECK(gate.flat(3) == 11);
  // A view keeps the memory of its whole alive.
  const Array left = counting({2, 2}).part(1, 0, {2});
  CHECK(elements(left) == std::vector<double>{2, 3});
  CHECK(elements(gate.to(f32)) == elements(gate));
}

TEST_CASE("array: what is lent is passed on by moving, and no longer lent once it was copied") {
  Array a = Array::zeros({4, 2}, f64).part(1, 0, {2, 2});
  CHECK(!a.lent());
  a.lend();
  Array moved = std::move(a);
  CHECK(moved.lent());
  CHECK(!a.lent());
  Array assigned;
  assigned = std::move(moved);
  CHECK(assigned.lent());
  const Array copy = assigned;
  CHECK(!assigned.lent());
  CHECK(!copy.lent());
  assigned.lend();
  CHECK(!assigned.part(0, 0, {1, 2}).lent());
  CHECK(!assigned.lent());
}

TEST_CASE("array: reshaped") {
  const Array a = counting({2, 6});
  CHECK(a.reshaped({3, 4}).same_place(a.reshaped({3, 4})));
  CHECK(elements(a.reshaped({2, 3, 2})) == elements(a));
  CHECK(a.reshaped({12}).data<double>() == a.data<double>());
  const Array view = counting({2, 3, 8}).part(0, 4, {2, 3, 4});
  CHECK(view.reshaped({6, 4}).data<double>() == view.data<double>());  // the rows stay: no copy
  CHECK(elements(view.reshaped({6, 4})) == elements(view));
  CHECK(elements(view.reshaped({4, 6})) == elements(view));  // other rows: a copy
  CHECK(view.reshaped({4, 6}).contiguous());
  const Array one_row = a.part(1, 2, {1, 3});
  CHECK(elements(one_row.reshaped({3, 1})) == std::vector<double>{8, 9, 10});
  CHECK_THROWS_WITH_AS(a.reshaped({5, 2}), "reshape: [2, 6] has 12 elements and [5, 2] has 10", ShapeError);
}

TEST_CASE("array: conversion") {
  const Array a = Array::full({3}, f64, 0.1);
  CHECK(a.to(f64).same_place(a));
  CHECK(a.to(f32).dtype() == f32);
  CHECK(a.to(f32).flat(2) == static_cast<double>(0.1f));
  CHECK(a.to(f32).to(f64).flat(2) == static_cast<double>(0.1f));
  CHECK_THROWS_WITH_AS(a.as<float>(), "an array of f64 was asked for its elements as f32", ShapeError);
  CHECK_THROWS_WITH_AS(a.to(f32).data<double>(), "an array of f32 was asked for its elements as f64", ShapeError);
  CHECK_THROWS_WITH_AS(a.item(), "item: the array is [3]; only an array of one element has a single value", ShapeError);
  CHECK_THROWS_AS(Array().item(), ShapeError);
  CHECK_THROWS_WITH_AS(a.flat(3), "element 3 of an array of shape [3]", ShapeError);
  CHECK_THROWS_WITH_AS(a.dim(1), "dim: axis 1 of a tensor of shape [3]", ShapeError);
  CHECK_THROWS_WITH_AS((Shape{1, 2, 3, 4, 5, 6, 7}), "a shape has at most 6 axes", ShapeError);
  CHECK_THROWS_WITH_AS((Shape{Index{1} << 32}), "an axis of 4294967296 elements is too long", ShapeError);
}

TEST_CASE("array: more elements than any memory holds, or than can be counted") {
  const Index half = Index{1} << 31;
  CHECK_THROWS_WITH_AS(Array::full({half, half}, f32, 0),
                       "an array f32 [2147483648, 2147483648] is larger than any memory", ShapeError);
  CHECK_THROWS_WITH_AS(Tensor::zeros({half, half, half}, f64),
                       "an array f64 [2147483648, 2147483648, 2147483648] is larger than any memory", ShapeError);
  CHECK_THROWS_AS(Array::full({half, half / 2}, f32, 0), ShapeError);  // 2⁶³ bytes
  for (Index rows = Index{1} << 16; rows < Index{1} << 29; rows *= 2)
    CHECK_THROWS_AS(Array::uninitialised({rows, half}, f32), std::bad_alloc);
  const Tensor column = Tensor::zeros({half / 128, 1}), row = Tensor::zeros({half / 128});
  CHECK_THROWS_AS(column + row, std::bad_alloc);  // an outer product that nobody wanted
  CHECK_THROWS_WITH_AS(Array::zeros({0}, f32).reshaped({half, half, 4}),
                       "an array f32 [2147483648, 2147483648, 4] is larger than any memory", ShapeError);
  CHECK(Array::full({half, half, 0, half}, f32, 1).size() == 0);
}

TEST_CASE("array: xtensor expressions come in") {
  const xt::xarray<float> single = {{1, 2}, {3, 4}};
  const xt::xarray<double> twice = {{1, 2}, {3, 4}};
  CHECK(Array(single).dtype() == f32);
  CHECK(Array(twice).dtype() == f64);
  CHECK(elements(Array(twice * 2.0 + xt::transpose(twice))) == std::vector<double>{3, 7, 8, 12});
  CHECK(elements(Array(xt::view(twice, xt::all(), 1))) == std::vector<double>{2, 4});
  CHECK(elements(Array(xt::sum(twice, {0}))) == std::vector<double>{4, 6});
  CHECK(Array(xt::sum(twice)).shape() == Shape{});
  CHECK(Array(xt::xtensor_fixed<double, xt::xshape<2, 1>>({{5.}, {6.}})).shape() == Shape{2, 1});
  const xt::xarray<double, xt::layout_type::column_major> columns = twice;
  CHECK(elements(Array(columns)) == std::vector<double>{1, 2, 3, 4});
  CHECK(Array(xt::arange<int>(0, 3)).dtype() == f64);  // whole numbers become f64
  CHECK(elements(Array(xt::arange<int>(0, 3))) == std::vector<double>{0, 1, 2});
  CHECK(Array(xt::zeros<double>({0, 3})).shape() == Shape{0, 3});
  const Tensor t = xt::exp(twice) - 1.0;
  CHECK(t.shape() == Shape{2, 2});
  Array a = counting({2, 2});
  a = a.as<double>() * a.as<double>();
  CHECK(elements(a) == std::vector<double>{0, 1, 4, 9});
}

TEST_CASE("array: the elements go out as an xtensor") {
  const Array a = counting({2, 3});
  const auto x = a.as<double>();
  CHECK(x.dimension() == 2);
  CHECK(x.data() == a.data<double>());  // no copy
  CHECK(x(1, 2) == 5);
  CHECK(xt::sum(x)() == 15);
  CHECK(xt::amax(xt::view(x, xt::all(), 0))() == 3);
  const Array view = a.part(0, 1, {2, 2});
  CHECK(xt::sum(view.as<double>())() == 1 + 2 + 4 + 5);  // a copy without gaps
  CHECK(view.as<double>().data() != view.data<double>());
  CHECK(Array::full({}, f32, 3).as<float>()() == 3);
  CHECK(Array::zeros({0, 3}, f32).as<float>().size() == 0);
  // Writable: whole assignments, but not to another size.
  Array b = a;
  b.as<double>() = xt::xarray<double>(x * 10.0);
  xt::view(b.as<double>(), 0) = 7;
  CHECK(elements(b) == std::vector<double>{7, 7, 7, 30, 40, 50});
  CHECK(a.flat(0) == 0);
  b.as<double>() = xt::flip(b.as<double>(), 1) + 1.0;  // may read what it overwrites
  CHECK(elements(b) == std::vector<double>{8, 8, 8, 51, 41, 31});
  b.as<double>() += x;
  CHECK(elements(b) == std::vector<double>{8, 9, 10, 54, 45, 36});
  CHECK_THROWS_AS(b.as<double>() = xt::xarray<double>(xt::zeros<double>({7})), ShapeError);
  CHECK_THROWS_WITH_AS(b.as<double>().resize({7}), "the xtensor of an Array of 6 elements cannot be resized",
                       ShapeError);
}

TEST_CASE("array: the xtensor of a temporary keeps its memory") {
  const auto make = [](double value) { return Array::full({1000}, f64, value); };
  auto x = make(3).as<double>();
  const auto y = std::as_const(*std::make_unique<Array>(make(4))).as<double>();
  const Array other = make(5), another = make(6);  // would take the freed memory
  CHECK(x(999) == 3);
  CHECK(y(999) == 4);
  const auto copy = x;
  x = make(7).as<double>();
  CHECK(x(0) == 7);
  const auto lazy = make(1).as<double>() + make(2).as<double>();
  const Array third = make(8), fourth = make(9);
  CHECK(xt::sum(lazy)() == 3000);
}

TEST_CASE("array: what reads a const array cannot change it") {
  using Read = decltype(std::declval<const Array&>().as<double>());
  static_assert(!std::is_assignable_v<decltype(std::declval<Read&>()(0)), double>);
  static_assert(!std::is_assignable_v<decltype(std::declval<const Tensor&>().as<float>()(0)), float>);
  using Write = decltype(std::declval<Array&>().as<double>());
  static_assert(std::is_assignable_v<decltype(std::declval<Write&>()(0)), double>);
}

TEST_CASE("pool: memory is used again") {
  { const Array a = Array::zeros({321, 7}, f32); }
  const PoolStats before = pool_stats();
  for (int i = 0; i < 1000; ++i)
    const Array a = Array::zeros({321, 7}, f32), b = Array::zeros({320, 7}, f32).part(0, 0, {2});
  CHECK(pool_stats().system_calls <= before.system_calls + 1);
  for (Index n = 1; n < 70'000; n = n * 5 / 4 + 1) {  // every size is whole
    const Array a = Array::full({n}, f64, 1), b = Array::full({n}, f64, 2);
    CHECK(a.flat(n - 1) == 1);
    CHECK(b.flat(0) == 2);
  }
}
