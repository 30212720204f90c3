// Groups of parameters by name, what they change and what they refuse; freezing by name; sums over parts of a batch.
#include <doctest/doctest.h>

#include <unroll/core/glob.h>
#include <unroll/core/ops.h>
#include <unroll/optim/clip.h>
#include <unroll/optim/schedule.h>
#include <unroll/tests/optim_testing.h>

using namespace unroll;
using namespace unroll::optim_testing;

namespace {

/// Names as a language model has them.
struct Named {
  explicit Named(Dtype dtype = f64) : params(3, dtype) {
    for (const char* name : {"wx", "wh", "b"}) (params / "lm" / "cell")(name, {2, 3}, normal(1));
    (params / "lm" / "embedding")("table", {4, 3}, normal(1));
    (params / "lm" / "head")("b", {3}, normal(1));
  }
  Grads gradients(Index seed) const {
    Grads grads;
    for (const Param& p : params) grads.insert(p, noisy(p.shape(), p.dtype(), seed + p.data().order));
    return grads;
  }
  void train(Optimizer& optimizer, Index count) {
    for (Index k = 0; k < count; ++k) optimizer.step(params, gradients(10 * k));
  }
  Params params;
};

void check_same(const Named& a, const Named& b, const std::string& name) {
  CAPTURE(name);
  CHECK(same_bits(a.params[name].value(), b.params[name].value()));
}

}  // namespace

TEST_CASE("matches_glob") {
  for (const char* pattern : {"*", "lm.cell.wx", "lm.*", "*.wx", "lm.*.wx", "lm.cell.w?", "*cell*", "**", "l*.*.?x",
                              "lm.cell.wx*", "*lm.cell.wx", "?m.cell.wx"}) {
    CAPTURE(pattern);
    CHECK(matches_glob(pattern, "lm.cell.wx"));
  }
  for (const char* pattern : {"", "lm", "lm.cell.w", "lm.cell.wxy", "*.wh", "lm.?.wx", "lm.cell.wx?", "cell*", "*cell",
                              "LM.cell.wx", "l*z*x"}) {
    CAPTURE(pattern);
    CHECK_FALSE(matches_glob(pattern, "lm.cell.wx"));
  }
  CHECK(matches_glob("", ""));
  CHECK(matches_glob("*", ""));
  CHECK_FALSE(matches_glob("?", ""));
  CHECK(matches_glob("*ab*abc", "ababababc"));  // it goes back for the last star only
  CHECK(matches_glob("a*a*a*a*a*a*a*b", std::string(3000, 'a') + "b"));
  CHECK_FALSE(matches_glob("a*a*a*a*a*a*a*b", std::string(3000, 'a')));
}

TEST_CASE("a group fares as with an optimizer of its own, in every optimizer") {
  const Index count = all_optimizers().size();
  for (Index i = 0; i < count; ++i) {
    CAPTURE(i);
    Named grouped, plain, slow;
    const auto a = std::move(all_optimizers()[i]), b = std::move(all_optimizers()[i]),
               c = std::move(all_optimizers()[i]);
    a->group("lm.embedding.*", {.rate_factor = 0.25, .weight_decay = 0.5});
    c->group("*", {.weight_decay = 0.5});
    for (Index k = 0; k < 4; ++k) {
      const double rate = 0.1 / static_cast<double>(k + 1);  // a schedule's
      a->step(grouped.params, grouped.gradients(10 * k), rate);
      b->step(plain.params, plain.gradients(10 * k), rate);
      c->step(slow.params, slow.gradients(10 * k), 0.25 * rate);
    }
    for (const char* name : {"lm.cell.wx", "lm.cell.wh", "lm.cell.b", "lm.head.b"}) check_same(grouped, plain, name);
    check_same(grouped, slow, "lm.embedding.table");
  }
}

TEST_CASE("groups: the last one that gives an option decides it") {
  Named grouped, wanted;
  Sgd sgd({.rate = 1, .weight_decay = 0.25});
  sgd.group("lm.cell.*", {.rate_factor = 0.5}).group("*.b", {.weight_decay = 0}).group("lm.cell.b", {.rate_factor = 0});
  grouped.train(sgd, 1);
  const Grads g = wanted.gradients(0);
  const auto want = [&](const std::string& name, double rate, double decay) {
    const Array before = wanted.params[name].value(), after = grouped.params[name].value();
    for (Index i = 0; i < before.size(); ++i) {
      CHECK(after.flat(i) ==
            doctest::Approx(before.flat(i) - rate * (g[name].flat(i) + decay * before.flat(i))).epsilon(1e-14));
    }
  };
  want("lm.cell.wx", 0.5, 0.25);
  want("lm.cell.b", 0, 0);
  want("lm.head.b", 1, 0);
  want("lm.embedding.table", 1, 0.25);
}

TEST_CASE("groups: decay_matrices_only goes on sparing; later groups and later parameters count") {
  Named model;
  const Array bias = model.params["lm.head.b"].value().copy();
  Sgd sgd({.rate = 1, .decay_matrices_only = true});
  sgd.group("*", {.weight_decay = 0.5});
  Grads zeros;
  for (const Param& p : model.params) zeros.insert(p, Array::zeros(p.shape(), f64));
  const Array wx = model.params["lm.cell.wx"].value().copy();
  sgd.step(model.params, zeros);
  CHECK(same_bits(model.params["lm.head.b"].value(), bias));
  CHECK(model.params["lm.cell.wx"].value().flat(1) == 0.5 * wx.flat(1));

  sgd.group("lm.cell.wx", {.weight_decay = 0});
  sgd.step(model.params, zeros);
  CHECK(model.params["lm.cell.wx"].value().flat(1) == 0.5 * wx.flat(1));

  const Param late = (model.params / "late")("w", {1, 1}, constant(2));
  sgd.step(model.params, only(late, Array::zeros({1, 1}, f64)));
  CHECK(late.value().item() == 1);

  // Options are no part of the state, and stay what they are when one is restored.
  const OptimizerState state = sgd.state(model.params);
  sgd.restore(model.params, state);
  sgd.step(model.params, only(late, Array::zeros({1, 1}, f64)));
  CHECK(late.value().item() == 0.5);
}

TEST_CASE("groups: wrong calls") {
  Named model;
  Adam adam;
  const Array before = model.params["lm.cell.wx"].value();
  adam.group("lm.cel.*", {.rate_factor = 0});
  CHECK_THROWS_WITH_AS(model.train(adam, 1),
                       "Adam: no parameter's name matches the group 'lm.cel.*'; there are: lm.cell.wx, lm.cell.wh, "
                       "lm.cell.b, lm.embedding.table, lm.head.b",
                       UsageError);
  CHECK(same_bits(model.params["lm.cell.wx"].value(), before));
  CHECK_THROWS_WITH_AS(adam.group("*", {.rate_factor = -1}),
                       "Adam: rate_factor is -1; it must be at least 0 and below inf", UsageError);
  CHECK_THROWS_WITH_AS(adam.group("*", {.weight_decay = -1}),
                       "Adam: weight_decay is -1; it must be at least 0 and below inf", UsageError);
}

TEST_CASE("parameters are frozen and freed by a glob") {
  for (const auto& optimizer : all_optimizers()) {
    Named model, start;
    model.params.freeze("*.b");
    model.params.freeze("lm.embedding");
    model.train(*optimizer, 2);
    for (const char* name : {"lm.cell.b", "lm.head.b", "lm.embedding.table"}) check_same(model, start, name);
    CHECK_FALSE(same_bits(model.params["lm.cell.wx"].value(), start.params["lm.cell.wx"].value()));
    model.params.freeze("lm.head.?", false);
    model.train(*optimizer, 1);
    check_same(model, start, "lm.cell.b");
    CHECK_FALSE(same_bits(model.params["lm.head.b"].value(), start.params["lm.head.b"].value()));
  }
  Named model;
  CHECK_THROWS_WITH_AS(model.params.freeze("*.c"), "freeze: no parameter's name matches '*.c'", UsageError);
}

TEST_CASE("the gradients of a batch's parts add up to the batch's") {
  Params params(1, f64);
  const Param table = (params / "embedding")("table", {9, 3}, normal(1)), w = (params / "head")("w", {3, 4}, normal(1)),
              b = (params / "head")("b", {4}, normal(1));
  std::vector<Id> ids, targets;
  for (Id i = 0; i < 16; ++i) {
    ids.push_back(5 * i % 8);
    targets.push_back(3 * i % 4);
  }
  const auto loss = [&](Index first, Index count) {
    const auto part = [&](const std::vector<Id>& all) {
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(first);
      return Ids(std::vector<Id>(from, from + static_cast<std::ptrdiff_t>(count)));
    };
    return cross_entropy(affine(tanh(rows(table, part(ids))), w, b), part(targets), Reduce::per_token);
  };
  const auto whole = [&] {
    Tape tape;
    return tape.backward(loss(0, 16));
  }();
  Grads total;
  for (Index part = 0; part < 4; ++part) {
    Tape tape;
    total += tape.backward(loss(4 * part, 4) / 4);
  }
  CHECK(total.norm() == doctest::Approx(whole.norm()).epsilon(1e-14));
  for (const Param& p : params) {
    for (Index i = 0; i < p.value().size(); ++i) {
      CHECK(total[p].flat(i) == doctest::Approx(whole[p].flat(i)).epsilon(1e-13));
    }
  }
}
