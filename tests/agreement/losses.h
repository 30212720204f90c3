// The losses of classes with what other frameworks offer as options, in a few lines of our ops.
#pragma once

#include <optional>

#include "case.h"

namespace unroll::agreement {

struct ClassLoss {
  std::string reduction = "mean";
  std::optional<int> ignored = {};  // a target that counts nothing
  double smoothing = 0;
  std::vector<double> weight = {};  // of each class; none: all 1
};

/// A tensor [N, C, …] as rows of classes [N · …, C], and back under the shape of the targets.
Tensor class_rows(const Tensor& x);

/// The negative log likelihood of targets [N, …] under log probabilities [N, C, …]. With label smoothing s, 1 − s of
/// the target's and s of the mean over the classes, all weighted. The mean divides by the targets' weights.
Tensor negative_log_likelihood(const Tensor& log_probabilities, const std::vector<int>& targets, const Shape& shape,
                               const ClassLoss& options);

/// Of logits. Where no option asks for more, by unroll's own loss.
Tensor class_cross_entropy(const Tensor& logits, const std::vector<int>& targets, const Shape& shape,
                           const ClassLoss& options);

/// "mean", "sum" or "none".
Tensor reduced(const Tensor& losses, const std::string& reduction);

}  // namespace unroll::agreement
