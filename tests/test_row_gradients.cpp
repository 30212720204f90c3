// The gradient of a table kept by rows: the same numbers as the whole one, in every use, sum and step.
#include <doctest/doctest.h>

#include <unroll/core/ops.h>
#include <unroll/optim/clip.h>

#include "optim_testing.h"

using namespace unroll;
using namespace unroll::optim_testing;

namespace {

constexpr Index words = 9, width = 3;

struct Table {
  Params params{1, f64};
  Param table = (params / "embedding")("table", {words, width}, normal(1));

  /// The gradient of Σ c ∘ rows(table, ids) with c from `seed`.
  Grads gradient(const Ids& ids, Index seed) const {
    Tape tape;
    const Tensor y = rows(table, ids);
    return tape.backward(sum(y * Tensor(noisy(y.shape(), f64, seed))));
  }
  /// The same by a loop over the ids.
  Array by_hand(const Ids& ids, Index seed) const {
    const Array c = noisy({ids.size(), width}, f64, seed);
    Array grad = Array::zeros({words, width}, f64);
    for (Index i = 0; i < ids.size(); ++i) {
      for (Index j = 0; j < width; ++j) {
        const Index at = static_cast<Index>(ids[i]) * width + j;
        grad.set_flat(at, grad.flat(at) + c.flat(i * width + j));
      }
    }
    return grad;
  }
};

/// The rows that a gradient is kept by; empty when it is a whole one.
std::vector<Id> kept_rows(const Grads& grads) {
  std::vector<Id> all;
  grads.each([&](const Param&, const Array&, const PooledList<Id>* rows) {
    if (rows != nullptr) all.assign(rows->begin(), rows->end());
  });
  return all;
}

/// The same gradient as a whole one.
Grads whole(const Grads& grads) {
  Grads copy;
  for (const auto& [param, grad] : grads) copy.insert(param, grad);
  return copy;
}

const Ids some{7, 2, 7, 0}, others{2, 8}, many{0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 1};

}  // namespace

TEST_CASE("a table's gradient is kept by the rows that were used, and is whole when looked at") {
  const Table t;
  for (const Ids& ids : {some, others, many, Ids{4}}) {
    const Grads grads = t.gradient(ids, 1);
    std::vector<Id> expected(ids.begin(), ids.end());
    std::sort(expected.begin(), expected.end());
    expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
    CHECK(kept_rows(grads) == expected);
    CHECK(grads.norm() == doctest::Approx(whole(grads).norm()).epsilon(1e-15));
    CHECK(same_bits(grads[t.table], t.by_hand(ids, 1)));
    CHECK(kept_rows(grads).empty());
  }
}

TEST_CASE("a table that is used in another way too, watched or computed, has a whole gradient") {
  const Table t;
  const Array hand = t.by_hand(some, 1);
  const Array c = noisy({some.size(), width}, f64, 1);
  const auto check = [&](const Grads& grads, const Array& grad, double more) {
    CHECK(kept_rows(grads).empty());
    for (Index i = 0; i < hand.size(); ++i) CHECK(grad.flat(i) == doctest::Approx(hand.flat(i) + more));
  };
  {
    Tape tape;
    const Grads grads = tape.backward(sum(rows(t.table, some) * Tensor(c)) + sum(t.table * 2.0));
    check(grads, grads[t.table], 2);
  }
  {
    Tape tape;
    const Tensor ones = Tensor::full({1, words}, 1, f64);
    const Grads grads = tape.backward(sum(rows(t.table, some) * Tensor(c)) + sum(matmul(ones, t.table)));
    check(grads, grads[t.table], 1);
  }
  {
    Tape tape;
    const Tensor watched = tape.watch(t.table);
    const Grads grads = tape.backward(sum(rows(watched, some) * Tensor(c)));
    check(grads, grads[watched], 0);
    check(grads, grads[t.table], 0);
  }
  {
    Tape tape;
    const Grads grads = tape.backward(sum(rows(t.table * 1.0, some) * Tensor(c)));
    check(grads, grads[t.table], 0);
  }
}

TEST_CASE("sums, factors and limits of gradients kept by rows") {
  const Table t;
  const auto check = [&](const Grads& by_rows, const Grads& by_all) {
    CHECK(!kept_rows(by_rows).empty());
    for (Index i = 0; i < words * width; ++i) {
      CHECK(by_rows[t.table].flat(i) == doctest::Approx(by_all[t.table].flat(i)).epsilon(1e-15));
    }
  };
  const auto a = [&] { return t.gradient(some, 1); };
  const auto b = [&] { return t.gradient(others, 2); };
  check(a() + b(), whole(a()) + whole(b()));
  check(b() + a(), whole(b()) + whole(a()));
  check(a() * 0.25, whole(a()) * 0.25);
  check(clip(a(), 0.5), clip(whole(a()), 0.5));
  check(clip_value(a(), 0.3), clip_value(whole(a()), 0.3));
  const Grads mixed = whole(a()) + b(), other_way = a() + whole(b()), both = whole(a()) + whole(b());
  for (Index i = 0; i < words * width; ++i) {
    CHECK(mixed[t.table].flat(i) == doctest::Approx(both[t.table].flat(i)).epsilon(1e-15));
    CHECK(other_way[t.table].flat(i) == doctest::Approx(both[t.table].flat(i)).epsilon(1e-15));
  }
}

TEST_CASE("gradients kept by rows that do not fit their table") {
  Params params(1);
  const Param table = Scope(params)("table", {5, 3}, zero), bias = Scope(params)("bias", {3}, zero);
  const auto message = [](const Param& param, const std::vector<Id>& ids, const Shape& shape) {
    Grads grads;
    try {
      grads.insert(param, RowGrad{PooledList<Id>::of(ids), Array::zeros(shape, f32)});
    } catch (const ShapeError& error) {
      CHECK_FALSE(grads.contains(param));
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  CHECK(message(table, {0, 4}, {2, 3}) == "nothing was thrown");
  CHECK(message(table, {0, 4}, {1, 3}) ==
        "a gradient of 2 rows of 'table', which is [5, 3], has the shape [1, 3]; it must be [2, 3]");
  CHECK(message(table, {0}, {1, 2}) ==
        "a gradient of 1 rows of 'table', which is [5, 3], has the shape [1, 2]; it must be [1, 3]");
  CHECK(message(bias, {0}, {1, 3}) == "a gradient of rows of 'bias', which is [3]: only a matrix has rows");
  const std::string order = " of 'table' must ascend from 0 to 4 at most";
  CHECK(message(table, {9}, {1, 3}) == "row 9 at place 0 of a gradient: the rows" + order);
  CHECK(message(table, {-1}, {1, 3}) == "row -1 at place 0 of a gradient: the rows" + order);
  CHECK(message(table, {2, 1}, {2, 3}) == "row 1 at place 1 of a gradient: the rows" + order);
  CHECK(message(table, {2, 2}, {2, 3}) == "row 2 at place 1 of a gradient: the rows" + order);
}

TEST_CASE("a step by rows equals the step of the whole gradient, bit for bit, in every optimizer") {
  for (Index number = 0; number < all_optimizers().size(); ++number) {
    CAPTURE(number);
    Table by_rows, by_all;
    const auto first = std::move(all_optimizers()[number]), second = std::move(all_optimizers()[number]);
    for (Index k = 0; k < 4; ++k) {
      const Ids& ids = k % 2 == 0 ? some : others;
      first->step(by_rows.params, by_rows.gradient(ids, k));
      second->step(by_all.params, whole(by_all.gradient(ids, k)));
    }
    CHECK(same_bits(by_rows.table.value(), by_all.table.value()));
  }
  Table by_rows, by_all;  // plain gradient descent writes the used rows alone: the same again
  Sgd({.rate = 0.1}).step(by_rows.params, by_rows.gradient(some, 1));
  Sgd({.rate = 0.1}).step(by_all.params, whole(by_all.gradient(some, 1)));
  CHECK(same_bits(by_rows.table.value(), by_all.table.value()));
}

TEST_CASE("lazy_rows: a used row fares as in a table of its own, an unused one keeps value and moments") {
  const auto run = [](Optimizer& optimizer, Table& t) {
    for (Index k = 0; k < 5; ++k) optimizer.step(t.params, t.gradient(k % 2 == 0 ? some : others, k));
  };
  // Row 7 is used in steps 0, 2 and 4, at update numbers 1, 3 and 5 of the table.
  const auto adam_by_hand = [](const Table& start, Index column, double decay) {
    double w = start.table.value().flat(7 * width + column), m = 0, v = 0;
    for (Index k = 0; k < 5; k += 2) {
      const double g = start.by_hand(some, k).flat(7 * width + column) + decay * w;
      const double n = static_cast<double>(k + 1);
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      w -= 0.1 * (m / (1 - std::pow(0.9, n))) / (std::sqrt(v / (1 - std::pow(0.999, n))) + 1e-8);
    }
    return w;
  };
  for (const double decay : {0.0, 0.01}) {
    Table t;
    const Table start;
    Adam adam({.rate = 0.1, .weight_decay = decay, .lazy_rows = true});
    run(adam, t);
    for (Index j = 0; j < width; ++j) {
      CHECK(t.table.value().flat(7 * width + j) == doctest::Approx(adam_by_hand(start, j, decay)).epsilon(1e-12));
      CHECK(t.table.value().flat(5 * width + j) == start.table.value().flat(5 * width + j));  // never used
    }
    Table once;  // row 8 was used in steps 1 and 3 and not in step 4
    Adam until({.rate = 0.1, .weight_decay = decay, .lazy_rows = true});
    for (Index k = 0; k < 4; ++k) until.step(once.params, once.gradient(k % 2 == 0 ? some : others, k));
    for (Index j = 0; j < width; ++j) {
      CHECK(once.table.value().flat(8 * width + j) == t.table.value().flat(8 * width + j));
    }
  }
  // In every optimizer that has lazy rows: row 5 is never used, and row 2 in every step, as it would be without row 5.
  for (const auto& optimizer : all_optimizers(/*lazy=*/true)) {
    Table t;
    const Table start;
    run(*optimizer, t);
    for (Index j = 0; j < width; ++j) {
      CHECK(t.table.value().flat(5 * width + j) == start.table.value().flat(5 * width + j));
      CHECK(t.table.value().flat(2 * width + j) != start.table.value().flat(2 * width + j));
    }
  }
  auto eager = all_optimizers(), lazy = all_optimizers(/*lazy=*/true);
  for (Index i = 0; i < lazy.size(); ++i) {
    CAPTURE(i);
    Table one, other;
    run(*eager[i], one);
    run(*lazy[i], other);
    for (Index j = 0; j < width; ++j) {
      CHECK(other.table.value().flat(2 * width + j) ==
            doctest::Approx(one.table.value().flat(2 * width + j)).epsilon(1e-14));
    }
  }
}
