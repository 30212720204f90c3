// Every fast path against the plain one: values and gradients of all layers, dense and ragged, in f64 and f32.
#include <unroll/core/fast_paths.h>
#include <unroll/layers/language_model.h>

#include "ragged_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

struct Plainly {
  Plainly() { set_fast_paths(false); }
  ~Plainly() { set_fast_paths(true); }
};

/// As a user writes it: plain ops, a projection, a sum that takes over the projection's gradient.
struct Composed {
  struct State {
    Tensor h, c;
  };
  Param wx, wh, b, p;
  Composed(const Scope& s, Index in, Index hidden)
      : wx(s("wx", {in, 4 * hidden}, glorot)),
        wh(s("wh", {hidden, 4 * hidden}, orthogonal)),
        b(s("b", {4 * hidden}, uniform(0.5))),
        p(s("p", {hidden}, uniform(0.5))) {}
  Index size() const { return wh.dim(0); }
  State zero_state(Index batch) const { return {wh.zeros(batch, size()), wh.zeros(batch, size())}; }
  Tensor project(const Tensor& xs) const { return affine(xs, wx, b); }
  State step(const Tensor& z, const State& s) const {
    auto [i, f, g, o] = split<4>(z + matmul(s.h, wh));
    const Tensor c = sigmoid(f + p * s.c) * s.c + sigmoid(i) * tanh(g);
    return {sigmoid(o) * tanh(c), c};
  }
};

void check_close(const std::vector<Array>& fast, const std::vector<Array>& plain, double tolerance) {
  REQUIRE(fast.size() == plain.size());
  for (Index k = 0; k < fast.size(); ++k) {
    CAPTURE(k);
    REQUIRE(fast[k].shape() == plain[k].shape());
    double worst = 0, largest = 1e-3;
    for (Index i = 0; i < fast[k].size(); ++i) {
      worst = std::max(worst, std::abs(fast[k].flat(i) - plain[k].flat(i)));
      largest = std::max(largest, std::abs(plain[k].flat(i)));
    }
    CHECK(worst <= tolerance * largest);
  }
}

constexpr Index in = 5, hidden = 7, steps = 6, batch = 4;

template <class Make>
void compare(const std::string& name, Make make) {
  for (const Dtype dtype : {f64, f32}) {
    for (const bool ragged : {false, true}) {
      for (const bool reverse : {false, true}) {
        CAPTURE(name);
        CAPTURE(ragged);
        CAPTURE(reverse);
        const std::vector<Index> lengths = ragged ? std::vector<Index>{2, 6, 1, 4} : std::vector<Index>{};
        const ScanOptions options{.lengths = lengths, .reverse = reverse};
        Params params(1, dtype);
        const auto layer = make(params);
        params.fill(uniform(0.8));
        const Array xs = random_array({steps, batch, in}, 5).to(dtype);
        const auto start = random_state(layer.zero_state(batch), 6);
        const auto run = [&] { return forward_and_backward(layer, params, xs, start, options); };
        const Pass fast = run();
        const Plainly plainly;
        const Pass plain = run();
        check_close(fast.values, plain.values, dtype == f64 ? 1e-13 : 2e-6);
        check_close(fast.gradients, plain.gradients, dtype == f64 ? 1e-12 : 2e-5);
      }
    }
  }
}

}  // namespace

TEST_CASE("fast and plain paths agree: every kind of layer") {
  compare("Rnn", [](const Scope& p) { return Rnn(p, in, hidden); });
  compare("Rnn relu", [](const Scope& p) { return Rnn(p, in, hidden, Activation::relu); });
  compare("SimpleGru", [](const Scope& p) { return SimpleGru(p, in, hidden); });
  compare("Gru before", [](const Scope& p) { return Gru(p, in, hidden, Reset::before); });
  compare("Gru after", [](const Scope& p) { return Gru(p, in, hidden, Reset::after); });
  compare("Lstm", [](const Scope& p) { return Lstm(p, in, hidden); });
  compare("PeepholeLstm", [](const Scope& p) { return PeepholeLstm(p, in, hidden); });
  compare("Composed", [](const Scope& p) { return Composed(p, in, hidden); });
  compare("Bidirectional", [](const Scope& p) { return Bidirectional<Lstm>(p, in, hidden); });
  compare("Stack", [](const Scope& p) {
    return Stack({Lstm(p / "a", in, 4), Bidirectional<Gru>(p / "b", 4, 3), Composed(p / "c", 6, 2)});
  });
}

TEST_CASE("fast and plain paths agree: a language model, its tied table and its loss") {
  for (const bool tied : {false, true}) {
    CAPTURE(tied);
    Params params(1, f64);
    const LanguageModel<Lstm> model(params, 11, {.embed = 6, .hidden = 6, .tied = tied});
    Ids ids = Ids::filled(5, 3, 0), targets = ids;
    for (Index i = 0; i < ids.size(); ++i) {
      ids[i] = static_cast<Id>(i * 5 % 9);  // some rows of the table are never read
      targets[i] = static_cast<Id>(i * 7 % 11);
    }
    const auto run = [&] {
      Tape tape;
      const auto [logits, last] = model(ids, model.zero_state(3));
      const Tensor loss = cross_entropy(logits, targets, Reduce::per_token) + 0.1 * mean(last.c * last.c);
      Pass pass{{loss.value()}, {}};
      append_gradients(pass.gradients, params, tape.backward(loss));
      return pass;
    };
    const Pass fast = run();
    const Plainly plainly;
    const Pass plain = run();
    check_close(fast.values, plain.values, 1e-14);
    check_close(fast.gradients, plain.gradients, 1e-12);
  }
}
