// Hooks: who is called when, with what, and what a returned gradient does.
#include <algorithm>
#include <map>

#include <unroll/core/hooks.h>
#include <unroll/layers/embedding.h>
#include <unroll/layers/stack.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index steps = 5, batch = 3, in = 2, hidden = 4;

using Names = std::vector<std::string>;

struct Model {
  Params params{1, f64};
  Lstm cell{params / "lm" / "cell", in, hidden};
  Tensor xs = random_array({steps, batch, in}, 2);
  Tensor loss() const { return sum(scan(cell, xs).outputs * Tensor(random_array({steps, batch, hidden}, 3))); }
};

}  // namespace

TEST_CASE("hooks: patterns") {
  const auto matching = [](std::string_view pattern) {
    Names names;
    Hooks hooks;
    hooks.on_value(pattern, [&](std::string_view name, const Array&) { names.emplace_back(name); });
    for (const char* name : {"f", "0.f", "1.forward.f", "0.of", "g", ""}) named(name, Tensor::scalar(1));
    return names;
  };
  CHECK(matching("f") == Names{"f"});
  CHECK(matching("*.f") == Names{"0.f", "1.forward.f"});
  CHECK(matching("*f") == Names{"f", "0.f", "1.forward.f", "0.of"});
  CHECK(matching("?.?") == Names{"0.f"});
  CHECK(matching("*.f*.*") == Names{"1.forward.f"});
  CHECK(matching("**") == Names{"f", "0.f", "1.forward.f", "0.of", "g", ""});
  CHECK(matching("") == Names{""});
  CHECK(matching("0.") == Names{});
}

TEST_CASE("hooks: values of a scan, with their time steps") {
  Model m;
  const Stack stack({m.cell, SimpleGru(m.params / "gru", hidden, hidden)});
  std::map<std::string, std::vector<Index>> seen;
  Array last;
  Hooks hooks;
  hooks.on_value("?.[fuhc]", [](std::string_view, const Array&) { FAIL("brackets mean themselves"); });
  hooks.on_value("0.f", [&](std::string_view name, const Array& f, std::optional<Index> t) {
    CHECK(f.shape() == Shape{batch, hidden});
    seen[std::string(name)].push_back(t.value());
  });
  hooks.on_value("*.u", [&](std::string_view name, const Array&, std::optional<Index> t) {
    seen[std::string(name)].push_back(t.value());
  });
  hooks.on_value("1.outputs", [&](std::string_view, const Array& y, std::optional<Index> t) {
    CHECK(!t);
    last = y;
  });
  const auto scanned = scan(stack, m.xs);
  CHECK(seen == std::map<std::string, std::vector<Index>>{{"0.f", {0, 1, 2, 3, 4}}, {"1.u", {0, 1, 2, 3, 4}}});
  CHECK(same_bits(last, scanned.outputs.value()));
  seen.clear();
  scan(stack, m.xs, {.reverse = true});
  CHECK(seen["1.u"] == std::vector<Index>{4, 3, 2, 1, 0});
}

TEST_CASE("hooks: parameters, as values once per tape and as gradients") {
  Model m;
  Names values, gradients;
  Hooks hooks;
  hooks.on_value("lm.cell.w?", [&](std::string_view name, const Array& x) {
    values.emplace_back(name);
    CHECK(same_bits(x, m.params[name].value()));
  });
  std::map<std::string, Array> kept;
  hooks.on_gradient("lm.cell.*", [&](std::string_view name, const Array& g) {
    gradients.emplace_back(name);
    kept[std::string(name)] = g;
  });
  for (int k = 0; k < 2; ++k) {
    Tape tape;
    const Grads grads = tape.backward(m.loss());
    for (const auto& [name, g] : kept) CHECK(same_bits(g, grads[name]));
  }
  CHECK(values == Names{"lm.cell.wx", "lm.cell.wh", "lm.cell.wx", "lm.cell.wh"});
  CHECK(gradients[0] == "lm.cell.wh");  // used first by a step, so after the projection
  std::sort(gradients.begin(), gradients.end());
  CHECK(gradients == Names{"lm.cell.b", "lm.cell.b", "lm.cell.wh", "lm.cell.wh", "lm.cell.wx", "lm.cell.wx"});
}

TEST_CASE("hooks: the gradients of a scan's states are those of watched ones, last step first") {
  Model m;
  std::vector<Index> order;
  std::vector<Array> of_h(steps), of_c(steps);
  {
    Hooks hooks;
    hooks.on_gradient("h", [&](std::string_view, const Array& g, std::optional<Index> t) {
      order.push_back(*t);
      of_h[*t] = g;
    });
    hooks.on_gradient("c", [&](std::string_view, const Array& g, std::optional<Index> t) { of_c[*t] = g; });
    Tape tape;
    tape.backward(m.loss());
  }
  CHECK(order == std::vector<Index>{4, 3, 2, 1, 0});
  Tape tape;
  auto s = m.cell.zero_state(batch);
  std::vector<Tensor> hs, cs;
  for (Index t = 0; t < steps; ++t) {
    s = advance(m.cell, at(m.xs, t), s);
    hs.push_back(s.h = tape.watch(s.h));
    cs.push_back(s.c = tape.watch(s.c));
  }
  const Grads grads = tape.backward(sum(stack(hs) * Tensor(random_array({steps, batch, hidden}, 3))));
  for (Index t = 0; t < steps; ++t) {
    CHECK(distance(of_h[t], grads[hs[t]]) < 1e-13);
    if (t + 1 < steps) CHECK(distance(of_c[t], grads[cs[t]]) < 1e-13);
  }
}

TEST_CASE("hooks: a gradient replaced by zero cuts the sequence as detach does") {
  Model m;
  Grads cut, detached;
  {
    Hooks hooks;
    for (const char* name : {"h", "c"}) {
      hooks.on_gradient(name, [](std::string_view, const Array& g, std::optional<Index> t) {
        return *t == 2 ? Array::zeros(g.shape(), g.dtype()) : g;
      });
    }
    Tape tape;
    cut = tape.backward(sum(scan(m.cell, m.xs).last.h));
  }
  {
    Tape tape;
    const auto first = scan(m.cell, slice(m.xs, 0, 0, 3));
    detached = tape.backward(sum(scan(m.cell, slice(m.xs, 0, 3, steps), detach(first.last)).last.h));
  }
  for (const Param& param : m.params) CHECK(distance(cut[param], detached[param]) < 1e-13);
}

TEST_CASE("hooks: a replaced gradient of a view, and of views that overlap") {
  const auto doubled = [](std::string_view, const Array& g) { return (Tensor(g) * 2.0).value(); };
  const Array numbers = random_array({2, 6}, 1);
  Hooks hooks;
  hooks.on_gradient("part", doubled);
  {
    Tape tape;
    const Tensor x = tape.watch(Tensor(numbers));
    auto [a, b] = split<2>(x * 1.0);
    a = named("part", a);
    const Array dx = tape.backward(sum(a * 3.0 + b * 5.0))[x];
    for (Index i = 0; i < 12; ++i) CHECK(dx.flat(i) == (i % 6 < 3 ? 6 : 5));
  }
  {
    Tape tape;
    const Tensor x = tape.watch(Tensor(numbers));
    const Tensor y = x * 1.0, a = named("part", slice(y, -1, 0, 4)), b = slice(y, -1, 2, 6);
    const Array dx = tape.backward(sum(a * 3.0 + b * 5.0) + sum(y * 7.0))[x];
    for (Index i = 0; i < 12; ++i) CHECK(dx.flat(i) == 7 + (i % 6 < 4 ? 6 : 0) + (i % 6 >= 2 ? 5 : 0));
  }
  {  // one gradient handed to both operands of a sum stays as it was for the other
    Tape tape;
    const Tensor x = tape.watch(Tensor(numbers)), y = tape.watch(Tensor(numbers));
    const Grads grads = tape.backward(sum(named("part", x * 1.0) + y * 1.0));
    CHECK(distance(grads[x], Array::full({2, 6}, f64, 2)) == 0);
    CHECK(distance(grads[y], Array::full({2, 6}, f64, 1)) == 0);
  }
}

TEST_CASE("hooks: parameters' gradients replaced, several hooks in their order") {
  Model m;
  Tape tape;
  const Tensor loss = m.loss();
  Names order;
  Hooks first, second;
  second.on_gradient("*.wx", [&](std::string_view, const Array& g) {
    order.push_back("second");
    return (Tensor(g) * 3.0).value();
  });
  first.on_gradient("lm.*", [&](std::string_view name, const Array& g) {
    if (name == "lm.cell.wx") order.push_back("first");
    return Array::full(g.shape(), g.dtype(), 2);
  });
  const Grads grads = tape.backward(loss);
  CHECK(order == Names{"first", "second"});
  CHECK(distance(grads["lm.cell.wx"], Array::full({in, 4 * hidden}, f64, 6)) == 0);
  CHECK(distance(grads["lm.cell.b"], Array::full({4 * hidden}, f64, 2)) == 0);
}

TEST_CASE("hooks: one tensor") {
  Tape tape;
  const Tensor x = tape.watch(Tensor(random_array({3}, 1))), y = x * 2.0;
  Hooks hooks;
  double seen = 0;
  hooks.on_gradient(y, [&](const Array& g) {
    seen = g.flat(0);
    return (Tensor(g) * 10.0).value();
  });
  CHECK(tape.backward(sum(y * 3.0))[x].flat(0) == 60);
  CHECK(seen == 3);
  const Tensor constant = Tensor::zeros({2, 3});
  CHECK(message_of<UsageError>([&] { hooks.on_gradient(constant, [](const Array&) {}); }) ==
        "Hooks: the tape in scope does not record the tensor of shape [2, 3]; x = tape.watch(x) makes it");
}

TEST_CASE("hooks: the gradient of a table read by rows is whole for whoever asks") {
  Params params(1, f64);
  const Embedding embedding(params / "embedding", 6, 2);
  Array seen;
  const auto gradient = [&] {
    Tape tape;
    return tape.backward(sum(embedding(Ids({1, 4, 4}, 3, 1))));
  };
  {
    Hooks hooks;
    hooks.on_gradient("embedding.*", [&](std::string_view, const Array& g) { seen = g; });
    gradient();
  }
  REQUIRE(seen.defined());
  CHECK(distance(seen, gradient()["embedding.table"]) == 0);
  CHECK(seen.flat(2 * 4) == 2);
}

TEST_CASE("hooks: what they refuse") {
  Model m;
  Tape tape;
  const Tensor loss = m.loss();
  Hooks hooks;
  hooks.on_gradient("*.b", [](std::string_view, const Array&) { return Array::zeros({3}, f32); });
  CHECK(message_of([&] { tape.backward(loss); }) ==
        "Hooks: the gradient of 'lm.cell.b' is f64 [16] and cannot be replaced by f32 [3]");
}

TEST_CASE("hooks: none is left behind, and none changes a number") {
  Model m;
  const auto gradients = [&] {
    Tape tape;
    return tape.backward(m.loss());
  };
  const Grads plain = gradients();
  int calls = 0;
  {
    Hooks hooks;
    hooks.on_value("*", [&](std::string_view, const Array&) { ++calls; });
    hooks.on_gradient("*", [&](std::string_view, const Array&) { ++calls; });
    const Grads hooked = gradients();
    for (const Param& param : m.params) CHECK(distance(plain[param], hooked[param]) < 1e-14);
    CHECK_THROWS_WITH_AS(
        [&] {
          Hooks inner;
          inner.on_value("f", [](std::string_view, const Array&) { throw std::runtime_error("from a hook"); });
          gradients();
        }(),
        "from a hook", std::runtime_error);
  }
  CHECK(calls > 0);
  const int before = calls;
  gradients();
  CHECK(calls == before);
  CHECK(detail::observers == nullptr);
}

TEST_CASE("named: without an observer it is the tensor itself, and records nothing") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::full({2}, 1)), y = named("y", x);
  CHECK(tape.size() == 1);
  CHECK(y.node() == x.node());
  CHECK(y.value().same_place(x.value()));
}
