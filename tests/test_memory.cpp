// Memory: values stay what they were when recorded, nothing grows, and the second step asks the system for nothing.
#include <doctest/doctest.h>

#include <cstdlib>

#include <unroll/core/ops.h>
#include <unroll/tests/allocations.h>

using namespace unroll;
using unroll::testing::heap_calls;

namespace {

/// w ← w − rate g, as an optimizer writes.
void descend(const Grads& grads, float rate) {
  for (const auto& [param, grad] : grads) {
    float* w = param.data().value.writable<float>();
    const float* g = grad.data<float>();
    for (Index i = 0; i < grad.size(); ++i) w[i] -= rate * g[i];
  }
}

/// A recurrent classifier of tokens, from ops.
struct Model {
  Params params{1};
  Index hidden = 24, batch = 5, steps = 7, vocabulary = 30;
  Param table = Scope(params)("table", {vocabulary, hidden}, uniform(0.1)),
        wx = Scope(params)("wx", {hidden, 4 * hidden}, glorot),
        wh = Scope(params)("wh", {hidden, 4 * hidden}, orthogonal), b = Scope(params)("b", {4 * hidden}, zero),
        out = Scope(params)("out", {hidden, vocabulary}, glorot);
  Ids ids = Ids::filled(steps, batch, 0);
  Model() {
    for (Index i = 0; i < ids.size(); ++i) ids[i] = static_cast<Id>(i * 7 % vocabulary);
  }

  double step() {
    Tape tape;
    Tensor h = Tensor::zeros({batch, hidden}), c = h;
    const Tensor zs = affine(rows(table, ids), wx, b);
    for (Index t = 0; t < steps; ++t) {
      auto [i, f, g, o] = split<4>(at(zs, t) + matmul(h, wh));
      c = sigmoid(f) * c + sigmoid(i) * tanh(g);
      h = sigmoid(o) * tanh(c);
    }
    const Tensor logits = matmul(concat({h, h * 0.5}, 0), out);
    const Tensor loss = cross_entropy(logits, targets, Reduce::per_sequence) + mean(relu(h)) + 0.01 * max(abs(h));
    const double value = loss.item();
    descend(tape.backward(loss), 0.1f);
    return value;
  }
  Ids targets = Ids(std::vector<Id>(2 * batch, 3));
};

}  // namespace

TEST_CASE("memory: no op allocates in the second step of a shape") {
  const auto count = [](auto op) {
    Params params(1);
    const Param w = Scope(params)("w", {8, 8}, glorot);
    Random random(1);
    const Tensor x = normal(1)({3, 4, 8}, random).to(f32);
    long forward = 0, backward = 0;
    Index pooled = 0;
    for (int step = 0; step < 3; ++step) {
      const Index pool_before = pool_stats().system_calls;
      Tape tape;
      const Tensor y = matmul(x, w);
      const long before = heap_calls();
      Tensor z = op(y, Tensor(w));
      forward = heap_calls() - before;
      z = sum(z);
      const long start = heap_calls();
      const Grads grads = tape.backward(z);
      backward = heap_calls() - start;
      pooled = pool_stats().system_calls - pool_before;
    }
    CHECK(pooled == 0);
    CHECK(backward == 1);  // the list of the Grads value, which outlives the tape
    return forward;
  };
  const Ids ids = Ids::filled(3, 4, 2);
  const Ids eight({0, 1, 2, 3, 0, 1, 2, 3});
  const Array targets = Array::full({3, 4, 8}, f32, 0.5);
  Random random(2);
  CHECK(count([](auto y, auto w) { return y + sum(w) * 2.0 - y / 3.0 + at(w, 0); }) == 0);
  CHECK(count([](auto y, auto w) { return matmul(y, w) * affine(y, w, at(w, 1)); }) == 0);
  CHECK(count([](auto y, auto) { return exp(tanh(sigmoid(relu(softsign(abs(-y)))))); }) == 0);
  CHECK(count([](auto y, auto) { return log(sqrt(y * y + 1.0)); }) == 0);
  CHECK(count([](auto y, auto w) { return max(y, min(sum(w), at(w, 0))); }) == 0);
  CHECK(count([](auto y, auto) { return sum(y, {0}) + mean(y, {0}) + logsumexp(y, {0}) + max(y, {0, 1}, true); }) == 0);
  CHECK(count([](auto y, auto) { return softmax(y) + log_softmax(y); }) == 0);
  CHECK(count([](auto y, auto) { return reshape(y, {12, 8}) + reshape(flip(y, 0), {12, 8}); }) == 0);
  CHECK(count([](auto y, auto) { return transpose(y, {1, 0, 2}) + transpose(slice(y, 0, 1, 2), {1, 0, 2}); }) == 0);
  CHECK(count([](auto y, auto) {
          auto [a, b] = split<2>(y);
          return a * b + slice(y, 2, 0, 4) + slice(a, 1, 1, 2);
        }) == 0);
  CHECK(count([](auto y, auto) {
          auto [a, b] = pointwise([](auto u, auto v) { return std::tuple{u * v, tanh(u)}; }, y, at(y, 0));
          return a + b;
        }) == 0);
  CHECK(count([](auto y, auto) { return concat({y, y}) + concat({y, y}, 2) + sum(concat({y, y}, 1)); }) == 0);
  CHECK(count([&](auto, auto w) { return rows(w, ids); }) == 0);
  CHECK(count([&](auto y, auto w) { return pick(y, ids) + sum(pick(w, eight)); }) == 0);
  CHECK(count([&](auto y, auto) { return cross_entropy(y, ids, Reduce::sum); }) == 0);
  CHECK(count([&](auto y, auto) { return bce_with_logits(y, targets, Reduce::sum); }) == 0);
  CHECK(count([&](auto y, auto) { return dropout(y, 0.5, random); }) == 0);
  // What an op returns as a std::vector, or is handed as one, is on the heap.
  CHECK(count([](auto y, auto) { return unstack(y)[1]; }) == 1);
}

TEST_CASE("memory: a training step allocates its Grads and nothing else") {
  Model model;
  model.step();
  const double early = model.step();
  const PoolStats pool = pool_stats();
  const long before = heap_calls();
  const double late = model.step();
  CHECK(late < early);
  CHECK(pool_stats().system_calls == pool.system_calls);
  CHECK(heap_calls() - before <= 4);  // five gradients, in a std::vector that doubles
}

TEST_CASE("memory: flat over 10,000 steps") {
  Model model;
  model.hidden = 24;
  for (int i = 0; i < 3; ++i) model.step();
  const PoolStats before = pool_stats();
  double loss = 0;
  for (int i = 0; i < 10'000; ++i) loss = model.step();
  CHECK(loss < 0.1);
  CHECK(pool_stats().system_calls == before.system_calls);
  CHECK(pool_stats().bytes == before.bytes);
}

TEST_CASE("memory: what was recorded stays when an optimizer writes") {
  Params params(1, f64);
  const Param w = Scope(params)("w", {3, 3}, normal(1));
  const Array x = Array::full({4, 3}, f64, 0.5);
  const auto gradient = [&](bool write) {
    Tape tape;
    const Tensor h = matmul(tanh(matmul(x, w)), w) * at(w, 0);
    const Tensor loss = sum(h * h);
    const Array before = w.value().copy();
    if (write) {  // under a live tape, in place
      double* v = w.data().value.writable<double>();
      for (Index i = 0; i < 9; ++i) v[i] = 1000;
    }
    const Grads grads = tape.backward(loss);
    w.set(before);
    return grads[w];
  };
  const Array undisturbed = gradient(false), disturbed = gradient(true);
  for (Index i = 0; i < 9; ++i) CHECK(disturbed.flat(i) == undisturbed.flat(i));
}

TEST_CASE("memory: temporaries are reused, what somebody holds is not") {
  const Array a = Array::full({100}, f64, 1);
  Tensor sum = Tensor(a) * 2.0;
  const double* place = sum.value().data<double>();
  sum = std::move(sum) + Tensor(a);
  CHECK(sum.value().data<double>() == place);
  const Tensor held = sum;
  const Tensor next = held + 1.0, after = next + held;
  CHECK(held.value().flat(0) == 3);
  CHECK(next.value().flat(0) == 4);
  CHECK(after.value().flat(0) == 7);
  CHECK(a.flat(0) == 1);
  // A temporary that a rule keeps: tanh needs its result in backward.
  Tape tape;
  const Tensor x = tape.watch(a);
  const Tensor y = tanh(x) + 5.0;
  CHECK(tape.backward(y, a)[x].flat(0) == doctest::Approx(1 - std::tanh(1) * std::tanh(1)).epsilon(1e-14));
}

TEST_CASE("memory: an ended tape keeps nothing alive") {
  Params params(1);
  const Param w = Scope(params)("w", {300, 300}, zero);
  {
    Tape tape;
    const Tensor y = matmul(Tensor(w), w);
  }
  const float* place = w.value().data<float>();
  w.data().value.writable<float>()[0] = 1;
  CHECK(w.value().data<float>() == place);  // written in place: nobody else holds it
  {
    Tape tape;
    const Grads grads = tape.backward(sum(w * 2.0));
    w.data().value.writable<float>()[0] = 2;
    CHECK(grads.size() == 1);
  }
  CHECK(w.value().flat(0) == 2);
}
