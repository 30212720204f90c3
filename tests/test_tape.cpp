// The tape: what it records, gives back and frees.
#include <doctest/doctest.h>

#include <unroll/core/ops.h>

using namespace unroll;

namespace {

Array numbers(std::initializer_list<double> values) { return Array::of({values.size()}, values.begin()); }

bool same_numbers(const Array& a, const Array& b) {
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  for (Index i = 0; i < a.size(); ++i) {
    if (a.flat(i) != b.flat(i)) return false;
  }
  return true;
}

double largest_difference(const Array& a, const Array& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (Index i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a.flat(i) - b.flat(i)));
  return worst;
}

struct Model {
  Params params{1, f64};
  Param w = Scope(params)("w", {3, 4}, normal(1)), v = Scope(params)("v", {4, 3}, normal(1)),
        b = Scope(params)("b", {3}, normal(1));
};

}  // namespace

TEST_CASE("tape: a million scalar steps, forward, backward and away") {
  // By hand, in release: about 0.3 s. A tape that recursed would overflow the stack here.
  constexpr int steps = 1'000'000;
  Tape tape;
  const Tensor x = tape.watch(Tensor::scalar(0.5, f64)), a = tape.watch(Tensor::scalar(1 - 1e-6, f64));
  Tensor y = x;
  for (int i = 0; i < steps; ++i) y = y * a;
  CHECK(tape.size() == steps + 2);
  const Grads grads = tape.backward(y);
  CHECK(y.item() == doctest::Approx(0.5 * std::pow(1 - 1e-6, steps)).epsilon(1e-9));
  CHECK(grads[x].item() == doctest::Approx(std::pow(1 - 1e-6, steps)).epsilon(1e-9));
  CHECK(grads[a].item() == doctest::Approx(steps * 0.5 * std::pow(1 - 1e-6, steps - 1)).epsilon(1e-9));
}

TEST_CASE("tape: without one nothing is recorded") {
  const Model m;
  CHECK(Tape::current() == nullptr);
  CHECK(!(Tensor(m.w) * 2.0).recorded());
  Tensor inside;
  {
    Tape tape;
    CHECK(Tape::current() == &tape);
    const Tensor constant = Tensor::scalar(1, f64) + Tensor::scalar(2, f64);
    CHECK(!constant.recorded());
    CHECK(tape.size() == 0);
    inside = m.w * constant;
    CHECK(inside.recorded());
    CHECK(tape.size() == 2);
  }
  CHECK(Tape::current() == nullptr);
  CHECK(inside.value().flat(0) == 3 * m.w.value().flat(0));  // still readable
  CHECK(!(inside + 1.0).recorded());                         // and usable where nothing records
  Tape next;
  CHECK_THROWS_AS(inside + 1.0, UsageError);
  CHECK(!(detach(inside) + 1.0).recorded());
}

TEST_CASE("tape: gradients of parameters, leaves and interior tensors equal those by hand") {
  const Model m;
  Tape tape;
  const Tensor x = tape.watch(numbers({0.5, -1, 2}));
  const Tensor h = tape.watch(matmul(x, m.w));
  const Tensor y = matmul(tanh(h), m.v) + m.b;
  const Tensor again = tape.watch(h);
  CHECK(again.node() == h.node());
  CHECK(Tensor(m.w).node() == Tensor(m.w).node());  // one leaf per parameter
  const Array r = numbers({1, 2, -3});
  const Grads grads = tape.backward(y, r);

  // dh = (V r) ∘ (1 − tanh² h),   dW = x dhᵀ,   dx = W dh,   dV = tanh(h) rᵀ,   db = r.
  for (Index j = 0; j < 4; ++j) {
    const double t = std::tanh(h.value().flat(j));
    double dh = 0;
    for (Index k = 0; k < 3; ++k) dh += m.v.value().flat(j * 3 + k) * r.flat(k);
    dh *= 1 - t * t;
    CHECK(grads[h].flat(j) == doctest::Approx(dh).epsilon(1e-13));
    for (Index i = 0; i < 3; ++i)
      CHECK(grads[m.w].flat(i * 4 + j) == doctest::Approx(x.value().flat(i) * dh).epsilon(1e-13));
    for (Index k = 0; k < 3; ++k) CHECK(grads[m.v].flat(j * 3 + k) == doctest::Approx(t * r.flat(k)).epsilon(1e-13));
  }
  for (Index i = 0; i < 3; ++i) {
    double dx = 0;
    for (Index j = 0; j < 4; ++j) dx += m.w.value().flat(i * 4 + j) * grads[h].flat(j);
    CHECK(grads[x].flat(i) == doctest::Approx(dx).epsilon(1e-13));
  }
  CHECK(same_numbers(grads[m.b], r));
  CHECK(same_numbers(grads["v"], grads[m.v]));
}

TEST_CASE("tape: a watched parameter, a watched result, a watched tensor that does not matter") {
  const Model m;
  Tape tape;
  const Tensor b = tape.watch(m.b), idle = tape.watch(numbers({1, 2}));
  const Tensor loss = tape.watch(sum(b * b));
  const Grads grads = tape.backward(loss);
  CHECK(same_numbers(grads[b], grads[m.b]));
  CHECK(grads[b].flat(1) == 2 * m.b.value().flat(1));
  CHECK(grads[loss].item() == 1);
  CHECK(same_numbers(grads[idle], Array::zeros({2}, f64)));
  CHECK(!grads.contains(m.w));
  CHECK_THROWS_AS(grads[m.w], UsageError);
  CHECK(Tape::current()->size() == tape.size());
}

TEST_CASE("tape: a parameter itself as the result; a result used again") {
  const Model m;
  {
    Tape tape;
    const Grads grads = tape.backward(Tensor(m.b), numbers({1, 2, 3}));
    CHECK(same_numbers(grads[m.b], numbers({1, 2, 3})));
  }
  {
    Tape tape;
    const Tensor y = m.b * 2.0;
    const Tensor later = y * 5.0;  // recorded after y, and no part of its gradient
    CHECK(later.recorded());
    CHECK(same_numbers(tape.backward(y, numbers({1, 1, 1}))[m.b], numbers({2, 2, 2})));
  }
  {
    Tape tape;
    const Tensor y = tanh(m.w);
    auto [p, q] = split<2>(y);  // views of the result itself, unused
    CHECK(same_numbers(tape.backward(y, Array::full({3, 4}, f64, 1))[m.w], [&] {
      Tape other;
      return other.backward(tanh(m.w), Array::full({3, 4}, f64, 1))[m.w];
    }()));
  }
}

TEST_CASE("tape: detach and freeze cut") {
  const Model m;
  m.v.freeze();
  Tape tape;
  CHECK(!Tensor(m.v).recorded());
  const Tensor h = matmul(Tensor::full({1, 3}, 1, f64), m.w);
  const Tensor loss = sum(matmul(h * detach(h), m.v) + m.b);
  const Grads grads = tape.backward(loss);
  CHECK(grads.size() == 2);
  CHECK(!grads.contains(m.v));
  // d/dW of Σ (h ∘ const) V: the detached factor counts once, not twice.
  double row_of_v = 0;
  for (Index k = 0; k < 3; ++k) row_of_v += m.v.value().flat(k);
  CHECK(grads[m.w].flat(0) == doctest::Approx(h.value().flat(0) * row_of_v).epsilon(1e-13));

  // A frozen parameter can still be watched.
  Tape inner;
  const Tensor v = inner.watch(m.v);
  CHECK(same_numbers(inner.backward(sum(v))[v], Array::full({4, 3}, f64, 1)));
}

TEST_CASE("tape: nested tapes treat the outer one's tensors as constants") {
  const Model m;
  Tape outer;
  const Tensor x = outer.watch(numbers({1, 2, 3}));
  const Tensor y = x * m.b;
  Array slope;
  {
    Tape inner;
    const Tensor z = inner.watch(y);  // a constant here, made a leaf
    const Grads grads = inner.backward(sum(z * z * m.b));
    slope = grads[z];
    CHECK(grads.contains(m.b));
    CHECK(!(x * 2.0).recorded());
    CHECK(slope.flat(2) == doctest::Approx(2 * y.value().flat(2) * m.b.value().flat(2)));
    CHECK_THROWS_WITH_AS(outer.backward(sum(y)), "backward: another tape is in scope", UsageError);
  }
  CHECK(Tape::current() == &outer);
  const Grads grads = outer.backward(sum(y * Tensor(slope)));
  CHECK(grads[x].flat(0) == doctest::Approx(slope.flat(0) * m.b.value().flat(0)));
  CHECK(grads[m.b].flat(0) == doctest::Approx(slope.flat(0) * 1));
}

TEST_CASE("tape: a weight's products are gathered, whatever stands between") {
  const Model m;
  Random random(4);
  for (const Index rows : {1u, 3u, 1100u}) {  // the last are multiplied one by one
    std::vector<Array> xs;
    for (int t = 0; t < 5; ++t) xs.push_back(normal(1)({rows, 3}, random));
    const auto uses = [&](const Tensor& w, Index t) -> Tensor {
      switch (t) {
        case 0:
          return matmul(xs[0], w);
        case 1:
          return matmul(xs[1], w * 0.5);
        case 2:
          return concat({matmul(xs[2], slice(w, 1, 0, 2)), matmul(xs[2], slice(w, 1, 1, 3))});
        case 3:
          return matmul(matmul(xs[3], w), transpose(w)) * Tensor::full({1, 1}, 1, f64);
        default:
          return matmul(xs[4], w) * sum(w);
      }
    };
    Array together, one_by_one = Array::zeros({3, 4}, f64);
    {
      Tape tape;
      Tensor loss = Tensor::scalar(0, f64);
      const Tensor w = m.w;
      for (Index t = 0; t < 5; ++t) loss = loss + sum(tanh(uses(w, t)));
      together = tape.backward(loss)[m.w];
    }
    for (Index t = 0; t < 5; ++t) {
      Tape tape;
      const Array g = tape.backward(sum(tanh(uses(m.w, t))))[m.w];
      for (Index i = 0; i < g.size(); ++i) one_by_one.set_flat(i, one_by_one.flat(i) + g.flat(i));
    }
    CHECK(largest_difference(together, one_by_one) < 1e-10 * static_cast<double>(rows));
  }
}

TEST_CASE("tape: steps that lie one after the other equal steps that do not") {
  const Model m;
  Random random(4);
  const Array xs = normal(1)({6, 2, 3}, random);
  const auto run = [&](bool views) {
    Tape tape;
    Tensor h = Tensor::zeros({2, 4}, f64);
    const auto z = unstack(xs);
    for (Index t = 0; t < 6; ++t) h = tanh(matmul(views ? z[t] : Tensor(z[t].value().copy()), m.w) + h);
    return tape.backward(sum(h))[m.w];
  };
  CHECK(same_numbers(run(true), run(false)));
}

TEST_CASE("tape: backward runs once") {
  const Model m;
  Tape tape;
  const Tensor loss = sum(m.b * m.b);
  tape.backward(loss);
  CHECK_THROWS_WITH_AS(tape.backward(loss), "backward: it has already run on this tape; record the computation again",
                       UsageError);
}

TEST_CASE("grads: order, sums, scale and norm") {
  Params first(1, f64), second(2, f64);
  const Param a = Scope(first)("a", {2}, constant(1)), b = Scope(first)("b", {1}, constant(2)),
              c = Scope(second)("c", {2}, constant(3)), idle = Scope(second)("idle", {2, 1}, constant(3));
  const auto run = [&](double factor) {
    Tape tape;
    const Tensor from_c = sum(c * c) * factor;  // used in another order than created
    const Tensor from_b = from_c + sum(b * b);
    return tape.backward(from_b + sum(a));
  };
  Grads grads = run(1);
  REQUIRE(grads.size() == 3);
  // By order of creation, not of use; parameters of two models that were created alike keep apart.
  std::vector<std::string> names;
  for (const auto& [param, grad] : grads) names.push_back(param.name());
  CHECK(std::find(names.begin(), names.end(), "a") < std::find(names.begin(), names.end(), "b"));
  CHECK(grads.norm() == doctest::Approx(std::sqrt(1 + 1 + 16 + 36 + 36)));
  const Grads sum = grads + run(2);
  REQUIRE(sum.size() == 3);
  CHECK(same_numbers(sum[a], numbers({2, 2})));
  CHECK(same_numbers(sum[b], numbers({8})));
  CHECK(same_numbers(sum[c], numbers({18, 18})));
  CHECK(same_numbers(grads[c], numbers({6, 6})));
  grads += grads;
  CHECK(same_numbers(grads[c], numbers({12, 12})));
  CHECK(same_numbers((0.5 * grads)[c], numbers({6, 6})));
  CHECK(same_numbers((grads * 2)[b], numbers({16})));
  Grads partial;
  partial.insert(idle, Array::of({2, 3}, std::array{3., 0., 0., 4., 0., 0.}.data()).part(0, 0, {2, 1}));  // with gaps
  CHECK(partial.norm() == 5);
  grads += partial;
  CHECK(grads[idle].flat(1) == 4);
  CHECK(grads.size() == 4);
}
