// Laws of gradients: of the losses of random layers.
#include <unroll/layers/linear.h>

#include "laws.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index classes = 4;

/// A layer with a head, and targets for its outputs.
struct Model {
  Model(const Drawn& drawn, Dtype dtype)
      : d(drawn), params(d.seed, dtype), layer(d.layer(params)), head(params / "head", layer.size(), classes) {
    fill(params);
    for (Index i = 0; i < targets.size(); ++i) targets[i] = static_cast<Id>((i * 7 + d.seed) % classes);
    xs = d.xs().to(dtype);
  }

  const Drawn& d;
  Params params;
  AnyLayer layer;
  Linear head;
  Ids targets = Ids::filled(d.steps, d.batch, 0);
  Array xs;

  /// Summed over the tokens of sequences [from, to).
  Tensor loss(const Tensor& x, Index from, Index to) const {
    ScanOptions options = d.options();
    Ids wanted = Ids::filled(d.steps, to - from, 0);
    for (Index t = 0; t < d.steps; ++t) {
      for (Index b = from; b < to; ++b) wanted(t, b - from) = targets(t, b);
    }
    if (d.ragged)
      options.lengths = {d.lengths.begin() + static_cast<std::ptrdiff_t>(from),
                         d.lengths.begin() + static_cast<std::ptrdiff_t>(to)};
    const auto scanned = scan(layer, slice(x, 1, from, to), options);
    return cross_entropy(head(scanned.outputs), wanted, Reduce::sum, options.lengths);
  }

  template <class F>
  std::vector<Array> gradients(F of) const {
    Tape tape;
    const Tensor x = tape.watch(Tensor(xs));
    const Grads grads = tape.backward(of(x));
    std::vector<Array> all{grads[x]};
    append_gradients(all, params, grads);
    return all;
  }
};

std::vector<Array> added(const std::vector<Array>& a, const std::vector<Array>& b, double factor = 1) {
  std::vector<Array> sum;
  for (Index k = 0; k < a.size(); ++k) sum.push_back((Tensor(a[k]) + factor * Tensor(b[k])).value());
  return sum;
}

}  // namespace

TEST_CASE("law: a batch's gradient is the sum of its examples'") {
  CHECK(rc::check([] {
    const Drawn d;
    const Model model(d, f64);
    const auto whole = model.gradients([&](const Tensor& x) { return model.loss(x, 0, d.batch); });
    auto total = model.gradients([&](const Tensor& x) { return model.loss(x, 0, 1); });
    for (Index b = 1; b < d.batch; ++b) {
      total = added(total, model.gradients([&](const Tensor& x) { return model.loss(x, b, b + 1); }));
    }
    RC_ASSERT(close(total, whole));
  }));
}

TEST_CASE("law: twice the loss has twice the gradient, to the bit, in f64 and f32") {
  CHECK(rc::check([] {
    const Drawn d;
    for (const Dtype dtype : {f64, f32}) {
      const Model model(d, dtype);
      const auto once = model.gradients([&](const Tensor& x) { return model.loss(x, 0, d.batch); });
      for (const double factor : {2.0, 0.25}) {  // a negative one would turn the signs of zeros
        const auto scaled = model.gradients([&](const Tensor& x) { return factor * model.loss(x, 0, d.batch); });
        for (Index k = 0; k < once.size(); ++k) { RC_ASSERT(same_bits(scaled[k], (factor * Tensor(once[k])).value())); }
      }
    }
  }));
}

TEST_CASE("law: the gradient of a weighted sum of losses is the weighted sum of their gradients") {
  CHECK(rc::check([] {
    const Drawn d;
    const Model model(d, f64);
    const double weight = *rc::gen::inRange(-5, 6) * 0.3;
    const auto one = [&](const Tensor& x) { return model.loss(x, 0, d.batch); };
    const auto two = [&](const Tensor& x) { return mean(square(scan(model.layer, x, d.options()).outputs)); };
    const auto sum = model.gradients([&](const Tensor& x) { return one(x) + weight * two(x); });
    RC_ASSERT(close(added(model.gradients(one), model.gradients(two), weight), sum));
  }));
}
