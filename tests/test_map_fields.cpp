#include <doctest/doctest.h>

#include <unroll/core/map_fields.h>
#include <unroll/core/ops.h>

using namespace unroll;

namespace {

Tensor number(double value) { return Tensor::scalar(value, f64); }

struct Simple {
  Tensor h;
};
struct Pair {
  Tensor h, c;
};
struct Nested {
  Pair first;
  std::array<Pair, 2> layers;
  std::vector<Simple> stack;
  std::tuple<Tensor, Simple> both;
  std::pair<Tensor, int> counted;
};
struct WithOthers {
  Tensor h;
  int step = 0;
  std::string name;
  std::vector<double> weights;
};
struct Widest {
  Tensor a, b, c, d, e, f, g, h;
};

Nested nested(double from) {
  const auto next = [&] { return number(from++); };
  Nested s{{next(), next()}, {}, {}, {}, {}};
  for (Pair& layer : s.layers) layer = {next(), next()};
  for (int i = 0; i < 3; ++i) s.stack.push_back({next()});
  s.both = {next(), {next()}};
  s.counted = {next(), 7};
  return s;
}

template <class S>
std::vector<double> values(const S& s) {
  std::vector<double> all;
  each_field(s, [&](const Tensor& x) { all.push_back(x.item()); });
  return all;
}

}  // namespace

TEST_CASE("map_fields: each tensor once, in the order of the fields") {
  CHECK(values(number(3)) == std::vector{3.});
  CHECK(values(Simple{number(1)}) == std::vector{1.});
  CHECK(values(nested(1)) == std::vector{1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.});
  CHECK(values(Widest{number(1), number(2), number(3), number(4), number(5), number(6), number(7), number(8)}) ==
        std::vector{1., 2., 3., 4., 5., 6., 7., 8.});
  CHECK(values(std::vector<Pair>{}).empty());
}

TEST_CASE("map_fields: gives a State of the same form") {
  const Nested twice = map_fields(nested(1), [](const Tensor& x) { return x * 2.0; });
  CHECK(twice.first.c.item() == 4);
  CHECK(twice.layers[1].c.item() == 12);
  CHECK(twice.stack.size() == 3);
  CHECK(twice.stack[2].h.item() == 18);
  CHECK(std::get<1>(twice.both).h.item() == 22);
  CHECK(twice.counted.first.item() == 24);
  CHECK(twice.counted.second == 7);
}

TEST_CASE("map_fields: several States at once") {
  const Nested sum = map_fields(
      nested(1), [](const Tensor& a, const Tensor& b, const Tensor& c) { return a + b * c; }, nested(2), nested(3));
  CHECK(sum.first.h.item() == 1 + 2 * 3);
  CHECK(sum.layers[0].h.item() == 3 + 4 * 5);
  CHECK(sum.stack[0].h.item() == 7 + 8 * 9);
  CHECK(sum.counted.first.item() == 12 + 13 * 14);
  const std::vector<Simple> two{{number(1)}, {number(2)}}, three{{number(1)}, {number(2)}, {number(3)}};
  CHECK_THROWS_WITH_AS(map_fields(
                           two, [](const Tensor& a, const Tensor&) { return a; }, three),
                       "map_fields: vectors of 2 and 3 elements", UsageError);
}

TEST_CASE("map_fields: what is no tensor is copied from the first") {
  const WithOthers first{number(1), 5, "first", {0.5, 0.25}}, second{number(2), 6, "second", {1, 2}};
  const WithOthers out = map_fields(
      first, [](const Tensor& a, const Tensor& b) { return a + b; }, second);
  CHECK(out.h.item() == 3);
  CHECK(out.step == 5);
  CHECK(out.name == "first");
  CHECK(out.weights == std::vector{0.5, 0.25});
}

TEST_CASE("detach: forgets the tape in every field") {
  Tape tape;
  const Tensor x = tape.watch(number(2));
  const Nested recorded = map_fields(nested(1), [&](const Tensor& v) { return v * x; });
  int count = 0;
  each_field(recorded, [&](const Tensor& v) { count += v.recorded(); });
  CHECK(count == 12);
  const Nested plain = detach(recorded);
  each_field(plain, [&](const Tensor& v) { count -= !v.recorded(); });
  CHECK(count == 0);
  CHECK(plain.stack[1].h.item() == recorded.stack[1].h.item());
}
