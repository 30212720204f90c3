// Substitute: tensors in the place of parameters.
#include <unroll/core/gradcheck.h>
#include <unroll/core/substitute.h>

#include <optional>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index in = 2, hidden = 3;

/// Every column of a weight with length g.   w g / ‖w‖   (Salimans and Kingma 2016)
Tensor normalised(const Param& w, const Param& g) { return w * g / sqrt(sum(w * w, {0}, true)); }

}  // namespace

TEST_CASE("a substitute is used in the place of its parameter while it lives, and of no other") {
  Params params(1, f64);
  const Param a = Scope(params)("a", {2, 3}, glorot), b = Scope(params)("b", {2, 3}, glorot);
  const Tensor other = random_array({2, 3}, 2), another = random_array({2, 3}, 3);
  {
    const Substitute outer(a, other);
    CHECK(same_bits(Tensor(a), other));
    CHECK(same_bits(Tensor(b).value(), b.value()));
    {
      const Substitute inner(a, another);
      CHECK(same_bits(Tensor(a), another));
    }
    CHECK(same_bits(Tensor(a), other));
  }
  CHECK(same_bits(Tensor(a).value(), a.value()));
}

TEST_CASE("substitutes may end in any order, and move") {
  Params params(1, f64);
  const Param a = Scope(params)("a", {1}, zero);
  const auto number = [&] { return Tensor(a).item(); };
  int first = 0, second = 0;
  std::vector<Substitute> all;
  for (int k = 1; k <= 4; ++k) all.emplace_back(a, Tensor::full({1}, k, f64), k < 3 ? &first : &second);
  CHECK(number() == 4);
  all.erase(all.begin() + 1);
  CHECK(number() == 4);
  all.pop_back();
  CHECK(number() == 3);
  CHECK((Substitute::active(&first) && Substitute::active(&second)));
  all.erase(all.begin());
  CHECK_FALSE(Substitute::active(&first));
  CHECK(number() == 3);
  std::optional<Substitute> moved = std::move(all[0]);
  all.clear();
  CHECK(number() == 3);
  moved.reset();
  CHECK(number() == 0);
  CHECK_FALSE(Substitute::active(&second));
}

TEST_CASE("weight normalisation of a cell's recurrent weight: gradients of the weight and the lengths") {
  Params params(1, f64);
  const Lstm cell(params / "cell", in, hidden);
  const Param lengths = Scope(params)("g", {4 * hidden}, constant(1));
  params.fill(uniform(0.3, 1));
  const Tensor xs = random_array({4, 2, in}, 2);
  const auto run = [&] {
    const Substitute weight(cell.wh, normalised(cell.wh, lengths));
    return in_a_row(scan(cell, xs));
  };
  const auto report = check_model(params, run);
  CHECK_MESSAGE(report.passed(), report.str());
  {
    Tape tape;
    CHECK(tape.backward(sum(run())).contains(cell.wh));  // through the substitute, which has ended
  }

  // A substitute made while another one lives is made of what that one gives.
  const Substitute outer(cell.wh, Tensor::full({hidden, 4 * hidden}, 2, f64));
  const Substitute inner(cell.wh, 3 * Tensor(cell.wh));
  CHECK(Tensor(cell.wh).value().flat(0) == 6);
}

TEST_CASE("a substitute's products over all steps are gathered at one tensor, and its parameter stays one leaf") {
  Params params(1, f64);
  const Rnn cell(params / "cell", in, hidden);
  const Tensor xs = random_array({6, 2, in}, 2);
  const auto nodes = [&](bool doubled) {
    Tape tape;
    std::optional<Substitute> weight;
    if (doubled) weight.emplace(cell.wh, 2 * Tensor(cell.wh));
    const auto scanned = scan(cell, xs);
    const Tensor substitute = cell.wh;
    const Tensor loss = random_sum(scanned, 3);
    const Index size = tape.size();
    const Tensor watched = tape.watch(substitute);
    const Grads grads = tape.backward(loss);
    // ∂L/∂w = 2 ∂L/∂(2w)
    CHECK(same_bits(grads[cell.wh], doubled ? (2 * Tensor(grads[watched])).value() : grads[watched]));
    return size;
  };
  CHECK(nodes(true) == nodes(false) + 1);
}

TEST_CASE("what Substitute refuses") {
  Params params(1, f64);
  const Param a = Scope(params)("a", {2, 3}, zero);
  CHECK(message_of([&] {
          Substitute(a, Tensor::zeros({3, 2}, f64));
        }) == "Substitute: parameter 'a' is f64 [2, 3] and cannot be replaced by f64 [3, 2]");
  CHECK(message_of([&] {
          Substitute(a, Tensor::zeros({2, 3}, f32));
        }) == "Substitute: parameter 'a' is f64 [2, 3] and cannot be replaced by f32 [2, 3]");
  CHECK(message_of<UsageError>([&] { Substitute(a, Tensor()); }) == "Substitute: an input has no value");
}
