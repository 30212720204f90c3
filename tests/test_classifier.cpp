// The classifier: what its pools make of sequences of several lengths, gradients, and when it drops.
#include <unroll/core/gradcheck.h>
#include <unroll/layers/classifier.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Pool pools[] = {Pool::last, Pool::mean, Pool::max, Pool::mean_max};
const Ids ids({1, 5, 2, 4, 3, 6, 2, 0, 1, 3, 0, 0, 6, 0, 0}, 5, 3);
const std::vector<Index> lengths{5, 2, 3};

struct Model {
  Params params;
  Gru encoder;
  Classifier classifier;
  explicit Model(Pool pool, const ClassifierOptions& options = {})
      : params(1, f64), encoder(params / "encoder", 3, 8), classifier(params / "classifier", 7, 3, encoder, 2, [&] {
          ClassifierOptions all = options;
          all.pool = pool;
          return all;
        }()) {
    params.fill(uniform(0.8));
  }
};

}  // namespace

TEST_CASE("classifier: each pool sees the steps of a sequence and not its padding") {
  for (const Pool pool : pools) {
    CAPTURE(static_cast<int>(pool));
    const Model model(pool);
    const Tensor ragged = model.classifier(ids, lengths), whole = model.classifier(ids, {});
    for (Index b = 0; b < 3; ++b) {
      for (const bool cut : {true, false}) {
        const Index n = cut ? lengths[b] : 5;
        std::vector<Id> own;
        for (Index t = 0; t < n; ++t) own.push_back(ids(t, b));
        const Tensor hs = scan(model.encoder, model.classifier.embed(Ids(own, n, 1))).outputs;
        const Tensor features = pool == Pool::last   ? at(hs, n - 1)
                                : pool == Pool::mean ? mean(hs, {0})
                                : pool == Pool::max  ? max(hs, {0})
                                                     : concat({mean(hs, {0}), max(hs, {0})});
        CHECK(distance(slice(cut ? ragged : whole, 0, b, b + 1), model.classifier.head()(features)) <= 1e-14);
      }
    }
  }
}

TEST_CASE("classifier: gradients of every parameter, for every pool") {
  for (const Pool pool : pools) {
    Model model(pool);
    const GradcheckReport report = check_model(model.params, [&] {
      return cross_entropy(model.classifier(ids, lengths), std::vector<Id>{0, 1, 1}, Reduce::per_token);
    });
    CHECK(report.rows.size() == model.params.size());
    CAPTURE(report.str());
    CHECK(report.passed());
  }
}

TEST_CASE("classifier: dropout in training only") {
  const Model bare(Pool::mean), model(Pool::mean, {.embedding_dropout = 0.5, .output_dropout = 0.5});
  CHECK(same_bits(model.classifier(ids, lengths), bare.classifier(ids, lengths)));
  Tape tape;
  CHECK_FALSE(same_bits(model.classifier(ids, lengths), bare.classifier(ids, lengths)));
}
