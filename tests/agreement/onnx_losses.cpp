// ONNX's losses of classes [N, C, …].
#include "losses.h"
#include "onnx_nodes.h"

namespace unroll::agreement {
namespace {

ClassLoss options_of(const NodeRun& run) {
  ClassLoss options{.reduction = run.attributes.value("reduction", "mean")};
  if (run.attributes.contains("ignore_index")) options.ignored = run.integer("ignore_index", 0);
  if (run.has(2)) options.weight = run.c.values("input/" + run.inputs[2]);
  return options;
}

}  // namespace

void add_onnx_losses(Nodes& nodes) {
  nodes["NegativeLogLikelihoodLoss"] = [](const NodeRun& run) {
    return std::vector{negative_log_likelihood(run.in(0), run.integers(1), run.in(1).shape(), options_of(run))};
  };
  nodes["SoftmaxCrossEntropyLoss"] = [](const NodeRun& run) {
    const Tensor& x = run.in(0);
    std::vector<Tensor> results{class_cross_entropy(x, run.integers(1), run.in(1).shape(), options_of(run))};
    if (run.outputs.size() == 2) {  // the log probabilities, in the layout of x
      const Tensor p = log_softmax(class_rows(x));
      const Index n = x.dim(0), classes = x.dim(1);
      results.push_back(reshape(transpose(reshape(p, {n, p.dim(0) / n, classes}), {0, 2, 1}), x.shape()));
    }
    return results;
  };
}

}  // namespace unroll::agreement
