// Reductions, shapes, selection and normalization against central differences, in f64 to 1e-9: every shape, and views
// as operands.
#include "op_gradients.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

/// Ids 0 … below-1 of a shape, in no order and with repetitions.
Ids some_ids(const Shape& shape, Index below) {
  std::vector<Id> ids(shape.size());
  for (Index i = 0; i < ids.size(); ++i) ids[i] = static_cast<Id>((i * 7 + i / 3) % below);
  return {ids, shape};
}
Ids for_each(const Tensor& x, int axis) { return some_ids(x.shape(), x.dim(axis)); }

const Unary axis_ops[] = {
    {"prod", [](const Tensor& x) { return prod(slice(x, -1, 0, std::min<Index>(3, x.dim(-1)))); }, -1.5, 1.5},
    {"prod of the last", [](const Tensor& x) { return prod(x, {-1}); }, -1.5, 1.5},
    {"prod of the first, kept", [](const Tensor& x) { return prod(x, {0}, true); }},
    {"min", [](const Tensor& x) { return min(x); }},
    {"min of the last", [](const Tensor& x) { return min(x, {-1}); }},
    {"min of the first, kept", [](const Tensor& x) { return min(x, {0}, true); }},
    {"var", [](const Tensor& x) { return var(x, Correction::none); }},
    {"var of the last", [](const Tensor& x) { return var(x, {-1}, Correction::none); }},
    {"var of the first, kept", [](const Tensor& x) { return var(x, {0}, Correction::none, true); }},
    {"norm", [](const Tensor& x) { return norm(x); }, 0.5, 2.5},
    {"norm of the last", [](const Tensor& x) { return norm(x, {-1}); }, 0.5, 2.5},
    {"norm of the first, kept", [](const Tensor& x) { return norm(x, {0}, true); }, 0.5, 2.5},
    {"cumsum of the first", [](const Tensor& x) { return cumsum(x, 0); }},
    {"cumsum of the last", [](const Tensor& x) { return cumsum(x, -1); }},
    {"top_k", [](const Tensor& x) { return top_k(x, (x.dim(-1) + 1) / 2).values; }},
    {"squeeze", [](const Tensor& x) { return squeeze(x); }},
    {"unsqueeze", [](const Tensor& x) { return x.ndim() == max_axes ? x : unsqueeze(x, -2); }},
    {"expand the first",
     [](const Tensor& x) {
       const Tensor one = slice(x, 0, 0, 1);
       Shape shape = x.shape();
       shape.set(0, 3);
       return expand(one, shape);
     }},
    {"expand the last",
     [](const Tensor& x) {
       Shape shape = x.shape();
       shape.set(x.ndim() - 1, 5);
       return expand(slice(x, -1, 0, 1), shape);
     }},
    {"expand to the same shape", [](const Tensor& x) { return expand(x, x.shape()) * x; }},
    {"every second of the first", [](const Tensor& x) { return slice(x, 0, 0, x.dim(0), 2); }},
    {"every third of the last, backwards", [](const Tensor& x) { return slice(x, -1, 0, x.dim(-1), -3); }},
    {"tile",
     [](const Tensor& x) {
       std::vector<Index> times(x.ndim(), 1);
       times.front() = 2;
       times.back() = 3;
       return tile(x, times);
     }},
    {"repeat_interleave of the first", [](const Tensor& x) { return repeat_interleave(x, 3, 0); }},
    {"repeat_interleave of the last", [](const Tensor& x) { return repeat_interleave(x, 2, -1); }},
    {"pad",
     [](const Tensor& x) {
       std::vector<Padding> sizes(x.ndim());
       sizes.front() = {1, 2};
       sizes.back() = {2, sizes.back().after};
       return pad(x, sizes, 0.5);
     }},
    {"index_select of the first", [](const Tensor& x) { return index_select(x, some_ids({4}, x.dim(0)), 0); }},
    {"index_select of the last", [](const Tensor& x) { return index_select(x, some_ids({4}, x.dim(-1)), -1); }},
    {"gather of the first", [](const Tensor& x) { return gather(x, for_each(x, 0), 0); }},
    {"gather of the last", [](const Tensor& x) { return gather(x, for_each(x, -1), -1); }},
    {"gather of x * x", [](const Tensor& x) { return gather(x * x, for_each(x, 0), 0) * x; }},
    {"scatter_add on the first", [](const Tensor& x) { return scatter_add(x * x, for_each(x, 0), x, 0); }},
    {"scatter_add on the last", [](const Tensor& x) { return scatter_add(x, for_each(x, -1), x * x, -1); }},
    {"layer_norm", [](const Tensor& x) { return layer_norm(x, 0.1); }},
    {"rms_norm", [](const Tensor& x) { return rms_norm(x, 0.1); }},
    {"layer_norm beside another use", [](const Tensor& x) { return layer_norm(x, 0.1) * x + x; }},
};

// Ops that need two elements in an axis or more.
const Unary pair_ops[] = {
    {"var with correction", [](const Tensor& x) { return var(x, {-1}, Correction::bessel); }},
    {"var of all with correction", [](const Tensor& x) { return var(x, Correction::bessel); }},
};

}  // namespace

TEST_CASE("gradients: ops along axes, of a tensor as itself and as a part") {
  for (const Unary& op : axis_ops) {
    for (const Shape& shape : shapes) check_unary(op, shape);
  }
  for (const Unary& op : pair_ops) {
    for (const Shape& shape : shapes) {
      if (shape[shape.ndim() - 1] > 1) check_unary(op, shape);
    }
  }
}

TEST_CASE("gradients: of no row, and of no column") {
  for (const Shape& shape : {Shape{0, 3}, Shape{2, 0, 3}}) {
    check_grad(
        "softmax", [](auto x) { return softmax(x); }, shape);
    check_grad(
        "log_softmax", [](auto x) { return log_softmax(x); }, shape);
    check_grad(
        "logsumexp", [](auto x) { return logsumexp(x, {-1}); }, shape);
    for (const bool keep : {false, true}) {
      check_grad("max of the last", [=](auto x) { return max(x, {-1}, keep); }, shape);
      check_grad("min of the last", [=](auto x) { return min(x, {-1}, keep); }, shape);
      check_grad("mean of the last", [=](auto x) { return mean(x, {-1}, keep); }, shape);
      check_grad("var of the last", [=](auto x) { return var(x, {-1}, Correction::bessel, keep); }, shape);
      check_grad("stddev of the last", [=](auto x) { return stddev(x, {-1}, Correction::bessel, keep); }, shape);
      check_grad("norm of the last", [=](auto x) { return norm(x, {-1}, keep); }, shape);
    }
    check_grad(
        "sum of the last", [](auto x) { return sum(x, {-1}); }, shape);
    check_grad(
        "prod of the last", [](auto x) { return prod(x, {-1}); }, shape);
    check_grad(
        "cumsum", [](auto x) { return cumsum(x, 0); }, shape);
    check_grad(
        "flip", [](auto x) { return flip(x, -1); }, shape);
    check_grad(
        "concat",
        [](auto x) {
          return concat({x, x * x});
        },
        shape);
    check_grad(
        "slice", [](auto x) { return slice(x, -1, 1, 3); }, shape);
    check_grad(
        "split", [](auto x) { return split<3>(x)[1]; }, shape);
    check_grad(
        "unsqueeze", [](auto x) { return unsqueeze(x, 1); }, shape);
    check_grad(
        "repeat_interleave", [](auto x) { return repeat_interleave(x, 2, -1); }, shape);
  }
  check_grad("sum of no column", [](auto x) { return sum(x, {-1}); }, {3, 0});
  check_grad("prod of no column", [](auto x) { return prod(x, {-1}); }, {3, 0});
}

TEST_CASE("gradients: reductions over axes of three and more") {
  for (const bool keep : {false, true}) {
    for (const std::vector<int>& axes : {std::vector{1}, {0, -1}, {0, 1, 2}, {2, 1}, {}}) {
      const auto named = [&](const char* op) { return fmt::format("{} over {}", op, fmt::join(axes, ", ")); };
      check_grad(named("prod"), [&](auto x) { return prod(x, axes, keep); }, {2, 3, 4});
      check_grad_within(-2, 2, named("min"), [&](auto x) { return min(x, axes, keep); }, {Shape{2, 3, 4}});
      check_grad(named("var"), [&](auto x) { return var(x, axes, Correction::none, keep); }, {2, 3, 4});
      check_grad(named("norm"), [&](auto x) { return norm(x, axes, keep); }, {2, 3, 4});
      if (axes.empty()) continue;
      check_grad(named("var"), [&](auto x) { return var(x, axes, Correction::bessel, keep); }, {2, 3, 4});
      check_grad(named("stddev"), [&](auto x) { return stddev(x, axes, Correction::bessel, keep); }, {3, 3, 4});
      check_grad(named("stddev"), [&](auto x) { return stddev(x, axes, Correction::none, keep); }, {3, 3, 4});
    }
    check_grad("product of no element", [=](auto x) { return prod(x, {0}, keep); }, {0, 3});
  }
  check_grad("stddev", [](auto x) { return stddev(x, Correction::bessel); }, {7});
  check_grad("stddev of a part", [](auto x) { return stddev(split<2>(x)[1], {0}, Correction::none); }, {5, 6});
  for (const int axis : {0, 1, 2, -1}) check_grad("cumsum", [=](auto x) { return cumsum(x, axis); }, {2, 3, 4});
}

TEST_CASE("gradients: shapes of three and more") {
  check_grad("squeeze {1, -1}", [](auto x) { return squeeze(x, {1, -1}); }, {2, 1, 1, 3, 1});
  for (const int axis : {0, 1, 2, 3, -1, -4}) {
    check_grad("unsqueeze", [=](auto x) { return unsqueeze(x, axis); }, {2, 3, 4});
  }
  check_grad("expand with new axes", [](auto x) { return expand(x, {2, 5, 3, 4}); }, {3, 1});
  check_grad(
      "expand a number",
      [](auto x) {
        return expand(x, {2, 3});
      },
      Shape{});
  check_grad("expand to nothing", [](auto x) { return expand(x, {0, 3}) * 2.0 + sum(x); }, {3});
  check_grad("slice of a middle axis", [](auto x) { return slice(x, 1, 1, 6, 2); }, {2, 7, 3});
  check_grad("slice of a middle axis, backwards", [](auto x) { return slice(x, 1, 1, 6, -2); }, {2, 7, 3});
  check_grad("tile", [](auto x) { return tile(x, {2, 1, 3}); }, {2, 3, 4});
  check_grad("tile to nothing", [](auto x) { return sum(tile(x, {2, 0})) + x * x; }, {2, 3});
  check_grad("repeat_interleave", [](auto x) { return repeat_interleave(x, 2, 1); }, {2, 3, 4});
  check_grad("pad", [](auto x) { return pad(x, {{1, 0}, {0, 2}, {3, 1}}, 7); }, {2, 3, 4});
  check_grad("pad of nothing", [](auto x) { return pad(x, {{1, 1}, {0, 1}}) + sum(x); }, {0, 3});
  check_grad("pad of a part", [](auto x) { return pad(split<2>(x)[1], {{1, 0}, {0, 2}}); }, {3, 4});
}

TEST_CASE("gradients: selection from three and more axes, and into them") {
  for (const int axis : {0, 1, 2}) {
    check_grad("gather", [=](auto x) { return gather(x, for_each(x, axis), axis); }, {2, 3, 4});
    check_grad("gather from a corner", [=](auto x) { return gather(x, some_ids({1, 2, 3}, 2), axis); }, {2, 3, 4});
    check_grad("scatter_add", [=](auto x, auto s) { return scatter_add(x, for_each(s, axis), s, axis); }, {2, 3, 4},
               {2, 3, 4});
    check_grad("scatter_add into a corner",
               [=](auto x, auto s) {
                 return scatter_add(x, some_ids({1, 2, 3}, 2), s, axis);
               },
               {2, 3, 4}, {1, 2, 3});
    check_grad("index_select", [=](auto x) { return index_select(x, some_ids({2, 3}, x.dim(axis)), axis); }, {2, 3, 4});
  }
  check_grad("gather more than there is", [](auto x) { return gather(x, some_ids({3, 9}, 4), 1); }, {3, 4});
  check_grad("gather nothing", [](auto x) { return concat({gather(x, Ids({}, {3, 0}), 1), x}); }, {3, 4});
  check_grad("gather from an expanded axis", [](auto x) { return gather(x, some_ids({1, 5, 2}, 4), 1); }, {1, 4, 2});
  check_grad("scatter_add of parts",
             [](auto x, auto s) {
               return scatter_add(split<2>(x)[0], some_ids({3, 4}, 3), split<2>(s)[1], 0);
             },
             {3, 8}, {3, 8});
  check_grad("scatter_add of one into itself",
             [](auto x) {
               return scatter_add(x, some_ids({3, 4}, 4), x, 1);
             },
             {3, 4});
  check_grad_within(-2, 2, "top_k of a part", [](auto x) { return top_k(split<2>(x)[1], 3).values; },
                    {Shape{2, 3, 10}});
  check_grad("index_select from rows of a tape's table",
             [](auto x) {
               return matmul(index_select(x, {1, 1}, 0), x);
             },
             {3, 3});
}

TEST_CASE("gradients: normalization with gain and bias") {
  const auto norm3 = [](auto x, auto gain, auto bias) { return layer_norm(x, gain, bias, 0.1); };
  const auto rms = [](auto x, auto gain) { return rms_norm(x, gain, 0.1); };
  for (const Index cols : {1u, 2u, 7u, 8u, 16u, 17u, 65u, 130u}) {
    check_grad("layer_norm", norm3, {3, cols}, {cols}, {cols});
    check_grad("rms_norm", rms, {3, cols}, {cols});
  }
  check_grad("layer_norm of a vector", norm3, {5}, {5}, {5});
  check_grad("layer_norm [T, B, C]", norm3, {2, 3, 5}, {5}, {5});
  check_grad("rms_norm [T, B, C]", rms, {2, 3, 5}, {5});
  check_grad("layer_norm of many rows", norm3, {100, 3}, {3}, {3});
  check_grad("layer_norm of no row", [](auto x, auto g, auto b) { return layer_norm(x, g, b, 0.1) + sum(x) + g * b; },
             {0, 3}, {3}, {3});
  check_grad("parts of all",
             [](auto x, auto p) {
               auto [a, b] = split<2>(x);
               auto [gain, bias] = split<2>(p);
               return layer_norm(b, gain, bias, 0.1) + rms_norm(a, gain * bias, 0.1);
             },
             {3, 10}, {10});
  check_grad("gain and bias are one", [](auto x, auto p) { return layer_norm(x, p, p, 0.1); }, {3, 5}, {5});
  check_grad("all are one", [](auto x) { return layer_norm(x, x, x, 0.1); }, {5});
}
