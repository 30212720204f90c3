// Values of shapes, slices and selection against their definition in plain loops; what wrong calls say.
#include <functional>

#include "op_values.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

Ids drawn(const Shape& shape, Index below, std::uint64_t seed) {
  Random random(seed);
  std::vector<Id> ids(shape.size());
  for (Id& id : ids) id = static_cast<Id>(random.below(below));
  return {ids, shape};
}

Tensor zeros(const Shape& shape) { return Tensor::zeros(shape); }

}  // namespace

TEST_CASE("values: shapes are what NumPy makes of them") {
  const Array a = random_array({2, 3, 5});
  const Tensor t(a);
  const auto x = a.as<double>();
  CHECK(squeeze(reshape(t, {1, 2, 1, 15})).shape() == Shape{2, 15});
  CHECK(squeeze(reshape(t, {1, 2, 1, 15}), {-2}).shape() == Shape{1, 2, 15});
  CHECK(unsqueeze(t, 0).shape() == Shape{1, 2, 3, 5});
  CHECK(unsqueeze(t, -1).shape() == Shape{2, 3, 5, 1});
  CHECK(unsqueeze(t, 3).shape() == Shape{2, 3, 5, 1});
  CHECK(unsqueeze(Tensor::scalar(1), 0).shape() == Shape{1});
  check_equal(expand(slice(t, 1, 0, 1), {4, 2, 3, 5}),
              by_place({4, 2, 3, 5}, [&](const Place& at) { return x(at[1], 0, at[3]); }), 0);
  check_equal(tile(t, {2, 1, 3}), by_place({4, 3, 15}, [&](const Place& at) { return x(at[0] % 2, at[1], at[2] % 5); }),
              0);
  check_equal(repeat_interleave(t, 2, 1),
              by_place({2, 6, 5}, [&](const Place& at) { return x(at[0], at[1] / 2, at[2]); }), 0);
  check_equal(repeat_interleave(t, 3, -1),
              by_place({2, 3, 15}, [&](const Place& at) { return x(at[0], at[1], at[2] / 3); }), 0);
  CHECK(tile(t, {1, 0, 2}).shape() == Shape{2, 0, 10});
  CHECK(repeat_interleave(t, 0, 0).shape() == Shape{0, 3, 5});
  check_equal(pad(t, {{1, 0}, {0, 2}, {2, 1}}, 7),
              by_place({3, 5, 8},
                       [&](const Place& at) {
                         const bool inside = at[0] >= 1 && at[1] < 3 && at[2] >= 2 && at[2] < 7;
                         return inside ? x(at[0] - 1, at[1], at[2] - 2) : 7;
                       }),
              0);
  check_equal(pad(split<5>(t)[3], {{0, 0}, {1, 0}, {0, 0}}),
              by_place({2, 4, 1}, [&](const Place& at) { return at[1] == 0 ? 0 : x(at[0], at[1] - 1, 3); }), 0);
  check_equal(pad(Tensor::zeros({0}, f64), {{1, 2}}, 4), numbers({4, 4, 4}), 0);
}

TEST_CASE("values: slices in steps take the elements that Python's do") {
  const Array digits = numbers({0, 1, 2, 3, 4, 5, 6});
  const auto taken = [&](Index from, Index to, int step) { return slice(Tensor(digits), 0, from, to, step); };
  check_equal(taken(0, 7, 2), numbers({0, 2, 4, 6}), 0);
  check_equal(taken(1, 6, 2), numbers({1, 3, 5}), 0);
  check_equal(taken(1, 7, 3), numbers({1, 4}), 0);
  check_equal(taken(0, 7, 100), numbers({0}), 0);
  check_equal(taken(2, 5, 1), numbers({2, 3, 4}), 0);
  check_equal(taken(0, 7, -1), numbers({6, 5, 4, 3, 2, 1, 0}), 0);
  check_equal(taken(1, 6, -2), numbers({5, 3, 1}), 0);
  check_equal(taken(1, 7, -4), numbers({6, 2}), 0);
  CHECK(taken(3, 3, 2).size() == 0);
  CHECK(taken(0, 0, -2).size() == 0);
  const Array a = random_array({2, 7, 3});
  const auto x = a.as<double>();
  check_equal(slice(Tensor(a), 1, 1, 6, -2),
              by_place({2, 3, 3}, [&](const Place& at) { return x(at[0], 5 - 2 * at[1], at[2]); }), 0);
}

TEST_CASE("values: selection by ids equals its definition") {
  const Array a = random_array({3, 4, 5}), s = random_array({3, 4, 5}, 2);
  for (const int axis : {0, 1, 2, -1}) {
    CAPTURE(axis);
    const Index along = a.shape().axis(axis, "test"), extent = a.shape()[along];
    for (const Shape& shape : {Shape{3, 4, 5}, Shape{2, 3, 4}, Shape{1, 1, 1}, Shape{3, 0, 5}}) {
      Shape longer = shape;
      longer.set(along, shape[along] * 2);
      const Ids ids = drawn(longer, extent, 3);
      const auto id = [&](const Place& at) {
        Index flat = 0;
        for (Index i = 0; i < 3; ++i) flat = flat * longer[i] + at[i];
        return static_cast<Index>(ids[flat]);
      };
      check_equal(gather(a, ids, axis),
                  by_place(longer, [&](const Place& at) { return element(a, with(at, along, id(at))); }), 0);
      const Array source = random_array(longer, 4);
      Array expected = a.copy();
      for (Index i = 0; i < longer.size(); ++i) {
        Place at{};
        for (Index k = 3, rest = i; k-- > 0; rest /= longer[k]) at[k] = rest % longer[k];
        at[along] = static_cast<Index>(ids[i]);
        const Index to = (at[0] * 4 + at[1]) * 5 + at[2];
        expected.set_flat(to, expected.flat(to) + source.flat(i));
      }
      check_equal(scatter_add(a, ids, source, axis), expected, 0);
    }
    const Ids list = drawn({2, 3}, extent, 5);
    Shape shape;
    for (Index i = 0; i < 3; ++i) {
      if (i == along) {
        shape.append(2);
        shape.append(3);
      } else {
        shape.append(a.shape()[i]);
      }
    }
    check_equal(index_select(a, list, axis),
                by_place(shape,
                         [&](const Place& at) {
                           Place from{};
                           for (Index i = 0; i < 3; ++i) from[i] = i < along ? at[i] : i > along ? at[i + 1] : 0;
                           from[along] = static_cast<Index>(list(at[along], at[along + 1]));
                           return element(a, from);
                         }),
                0);
  }
  check_equal(index_select(at(Tensor(a), 1), {3, 0}, 0), rows(at(Tensor(a), 1), {3, 0}).value(), 0);
  // Operands that are parts of something, and ids that name one place twice.
  const Tensor part = split<5>(Tensor(a))[2];
  const Ids twice({1, 1, 3}, {1, 3, 1});
  check_equal(gather(part, twice, 1),
              by_place({1, 3, 1},
                       [&](const Place& at) {
                         return element(a, {0, static_cast<Index>(twice[at[1]]), 2});
                       }),
              0);
  check_equal(
      scatter_add(Tensor::zeros({2, 3}, f64), Ids({2, 2, 0, 2}, {1, 4}), numbers({1, 10, 5, 100}).reshaped({1, 4}), 1),
      numbers({5, 0, 111, 0, 0, 0}).reshaped({2, 3}), 0);
  check_equal(one_hot({2, 0}, 3), numbers({0, 0, 1, 1, 0, 0}).reshaped({2, 3}), 0);
  CHECK(one_hot({2, 0}, 3).dtype() == f32);
  CHECK(one_hot(Ids({1, 0, 1, 1}, {2, 1, 2}), 2, f64).shape() == Shape{2, 1, 2, 2});
  CHECK(rows(Tensor::zeros({4, 3}), Ids({1, 0, 1, 1}, {2, 1, 2})).shape() == Shape{2, 1, 2, 3});
}

TEST_CASE("values: ids of up to six axes") {
  const Ids ids({0, 1, 2, 3, 4, 5}, {1, 2, 1, 3});
  CHECK(ids.ndim() == 4);
  CHECK(ids.dim(3) == 3);
  CHECK(ids.shape() == std::vector<Index>{1, 2, 1, 3});
  CHECK(ids == Ids({0, 1, 2, 3, 4, 5}, Shape{1, 2, 1, 3}));
  CHECK_FALSE(ids == Ids({0, 1, 2, 3, 4, 5}, {1, 2, 3}));
  CHECK(Ids({7}, Shape{}).ndim() == 0);
  CHECK(message([] { Ids({0, 1, 2}, {2, 1, 2}); }) == "Ids: 3 values do not fill [2, 1, 2]");
  CHECK(message([] { Ids({0}, {1, 1, 1, 1, 1, 1, 1}); }) == "Ids: a shape has at most 6 axes");
}

TEST_CASE("errors: axes, shapes and selection") {
  const std::pair<std::function<void()>, std::string> calls[] = {
      {[] {
         sum(zeros({2, 3}), {0, -2});
       },
       "sum: axis -2 is named twice"},
      {[] {
         sum(zeros({2, 3}), std::vector<int>(7, 0));
       },
       "7 axes are named; a shape has at most 6"},
      {[] {
         prod(zeros({2, 3}), {2});
       },
       "prod: axis 2 of a tensor of shape [2, 3]"},
      {[] {
         cumsum(zeros({2, 3}), 2);
       },
       "cumsum: axis 2 of a tensor of shape [2, 3]"},
      {[] {
         top_k(zeros({2, 3}), 4);
       },
       "top_k: the 4 largest of the last axis of a tensor of shape [2, 3]"},
      {[] {
         squeeze(zeros({2, 1}), {0});
       },
       "squeeze: axis 0 of a tensor of shape [2, 1] has another extent than 1"},
      {[] {
         squeeze(zeros({2, 1}), {1, -1});
       },
       "squeeze: axis -1 is named twice"},
      {[] {
         unsqueeze(zeros({2, 3}), 3);
       },
       "unsqueeze: axis 3 of the result of 3 axes, from a tensor of shape [2, 3]"},
      {[] {
         expand(zeros({2, 3}), {2, 4});
       },
       "expand: [2, 3] does not become [2, 4]; each axis, from the last, must agree or be 1"},
      {[] { slice(zeros({5}), 0, 1, 3, 0); }, "slice: [1, 3) in steps of 0, of axis 0 of a tensor of shape [5]"},
      {[] { slice(zeros({5}), 0, 1, 6, -1); }, "slice: [1, 6) in steps of -1, of axis 0 of a tensor of shape [5]"},
      {[] {
         tile(zeros({2, 3}), {2});
       },
       "tile: 1 numbers of times for a tensor of shape [2, 3]; one for each axis"},
      {[] {
         pad(zeros({2, 3}), {{1, 2}});
       },
       "pad: 1 pairs of sizes for a tensor of shape [2, 3]; one for each axis"},
      {[] {
         pad(zeros({3}), {{0, Index(2) - Index(3)}});
       },
       "pad: 0 before and 18446744073709551615 behind axis 0 of a tensor of shape [3] are too many"},
      {[] {
         index_select(zeros({2, 3, 4}), {0, 3}, 1);
       },
       "index_select: id 3 at position 1 is outside 0 … 2"},
      {[] {
         gather(zeros({2, 3}), Ids({0, 1, 3, 0}, {2, 2}), 1);
       },
       "gather: id 3 at position 2 is outside 0 … 2"},
      {[] {
         gather(zeros({2, 3}), Ids({0, -1}, {2, 1}), 1);
       },
       "gather: id -1 at position 1 is outside 0 … 2"},
      {[] {
         gather(zeros({2, 3}), {0, 1}, 1);
       },
       "gather: x is [2, 3] and the ids [2]; as many axes, and besides axis 1 none longer than x's"},
      {[] {
         gather(zeros({2, 3}), Ids({0, 1, 2}, {3, 1}), 1);
       },
       "gather: x is [2, 3] and the ids [3, 1]; as many axes, and besides axis 1 none longer than x's"},
      {[] {
         scatter_add(zeros({2, 3}), Ids({0, 1}, {2, 1}), zeros({2, 2}), 1);
       },
       "scatter_add: the source is [2, 2] and the ids [2, 1]; they must have one shape"},
      {[] {
         scatter_add(zeros({2, 3}), Ids({0, 4}, {2, 1}), zeros({2, 1}), 1);
       },
       "scatter_add: id 4 at position 1 is outside 0 … 2"},
      {[] {
         one_hot({1, 5}, 3);
       },
       "one_hot: id 5 at position 1 is outside 0 … 2"},
      {[] { gather(Tensor(), {0}, 0); }, "gather: an input has no value"},
  };
  for (const auto& [call, text] : calls) CHECK(message(call) == text);
}
