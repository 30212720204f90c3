#include <doctest/doctest.h>

#include <unroll/core/ops.h>

using namespace unroll;

namespace {

struct Layer {
  Param w, b;
  Layer(Scope p, Index in, Index out) : w(p("w", {in, out}, glorot)), b(p("b", {out}, zero)) {}
};

}  // namespace

TEST_CASE("params: paths and order of creation") {
  Params params(1);
  const Param root = Scope(params)("scale", {1}, constant(2));
  const Layer z(params / "z", 3, 4), a(params / "a" / "inner", 4, 2);
  std::vector<std::string> names;
  for (const Param& param : params) names.push_back(param.name());
  CHECK(names == std::vector<std::string>{"scale", "z.w", "z.b", "a.inner.w", "a.inner.b"});
  CHECK((params / "a" / "inner").path() == "a.inner");
  CHECK(params.size() == 5);
  CHECK(params.count() == 1 + 12 + 4 + 8 + 2);
  CHECK(params["a.inner.w"].shape() == Shape{4, 2});
  CHECK(params.contains("z.b"));
  CHECK(!params.contains("z"));
  CHECK(&params["scale"].data() == &root.data());
  CHECK(root.dim(-1) == 1);
  CHECK(&(params / "z").random() == &params.random());
  CHECK_THROWS_WITH_AS(params["z.v"], "there is no parameter 'z.v'; there are: scale, z.w, z.b, a.inner.w, a.inner.b",
                       UsageError);
}

TEST_CASE("params: names that are refused") {
  Params params(1);
  const Scope scope = params;
  const Layer layer(params / "rnn", 2, 2);
  CHECK_THROWS_WITH_AS(Layer(params / "rnn", 2, 2),
                       "parameter 'rnn.w' is declared twice; give each layer a scope of its own", UsageError);
  CHECK(params.size() == 2);
  for (const char* name : {"", "a.b", "a/b", "a b", "a\nb"}) {
    CHECK_THROWS_AS(params / name, UsageError);
    CHECK_THROWS_AS(scope(name, {1}, zero), UsageError);
  }
  CHECK_THROWS_WITH_AS(params / "a.b",
                       "'a.b' is no name for a scope or a parameter; a name is one word without dots and slashes",
                       UsageError);
  CHECK_THROWS_WITH_AS(scope("odd", {3}, [](const Shape&, Random&) { return Array::zeros({4}, f64); }),
                       "the initialiser of 'odd' made [4] instead of [3]", ShapeError);
  CHECK(!params.contains("odd"));
  CHECK_THROWS_WITH_AS(Param().value(), "a parameter was used before it was created", UsageError);
}

TEST_CASE("params: values and handles") {
  Params params(1);
  Param handle;
  {
    Params short_lived(2);
    handle = Scope(short_lived)("x", {2}, constant(3));
  }
  CHECK(handle.value().flat(1) == 3);  // lives on with its handle
  const Param w = Scope(params)("w", {2, 2}, constant(1));
  const Array before = w.value();
  w.set(Array::full({2, 2}, f32, 7));
  CHECK(params["w"].value().flat(3) == 7);
  CHECK(before.flat(3) == 1);
  CHECK_THROWS_WITH_AS(w.set(Array::zeros({4}, f32)), "parameter 'w' is f32 [2, 2] and cannot become f32 [4]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(w.set(Array::zeros({2, 2}, f64)), "parameter 'w' is f32 [2, 2] and cannot become f64 [2, 2]",
                       ShapeError);
  CHECK(w.zeros(3, 2).shape() == Shape{3, 2});
  CHECK(w.zeros(3, 2).dtype() == f32);
}

TEST_CASE("params: the same numbers for a seed and in both dtypes") {
  Params a(5), b(5), c(5, f64), d(6);
  const Layer la(a, 3, 4), lb(b, 3, 4), lc(c, 3, 4), ld(d, 3, 4);
  for (Index i = 0; i < 12; ++i) {
    CHECK(la.w.value().flat(i) == lb.w.value().flat(i));
    CHECK(la.w.value().flat(i) == static_cast<double>(static_cast<float>(lc.w.value().flat(i))));
    CHECK(la.w.value().flat(i) != ld.w.value().flat(i));
  }
  a.to(f64);
  CHECK(a.dtype() == f64);
  CHECK(la.w.dtype() == f64);
  CHECK(la.w.value().flat(1) == lb.w.value().flat(1));  // converted, not drawn anew
  CHECK((a / "later")("v", {2}, zero).dtype() == f64);
  a.to(f32);
  CHECK(la.w.value().flat(1) == lb.w.value().flat(1));
  b.fill(uniform(0.1));
  CHECK(std::abs(lb.b.value().flat(0)) <= 0.1);
  CHECK(lb.b.value().flat(0) != 0);
  CHECK(lb.b.dtype() == f32);
  const Array kept = lb.w.value();
  CHECK_THROWS_AS(b.fill([&](const Shape& shape, Random&) {
    return shape == lb.b.shape() ? Array::zeros({99}, f32) : Array::zeros(shape, f32);
  }),
                  ShapeError);
  CHECK(lb.w.value().same_place(kept));
}

TEST_CASE("params: freezing") {
  Params params(1);
  const Layer embed(params / "embed", 2, 3), head(params / "head", 3, 2), other(params / "other" / "embed", 2, 3);
  params.freeze("embed.");
  CHECK(embed.w.frozen());
  CHECK(embed.b.frozen());
  CHECK(!head.w.frozen());
  CHECK(!other.w.frozen());  // its name holds "embed." and begins with something else
  {
    Tape tape;
    const Tensor x = Tensor::full({1, 2}, 1);
    const Grads grads = tape.backward(sum(affine(affine(x, embed.w, embed.b), head.w, head.b)));
    CHECK(grads.size() == 2);
    CHECK(!grads.contains(embed.w));
  }
  params.freeze("embed.w", false);
  CHECK(!embed.w.frozen());
  CHECK(embed.b.frozen());
  CHECK_THROWS_WITH_AS(params.freeze("decoder"), "freeze: no parameter's name begins with 'decoder'", UsageError);
}

TEST_CASE("params: the summary") {
  Params params(1);
  const Layer layer(params / "encoder", 30, 4);
  (params / "x")("y", {}, zero);
  layer.b.freeze();
  CHECK(params.summary() ==
        "parameter             shape         count\n"
        "encoder.w           [30, 4]           120\n"
        "encoder.b               [4]             4  frozen\n"
        "x.y                      []             1\n"
        "total                   f32           125\n");
}
