// The losses of classes in the layout and with the reductions of other frameworks.
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

/// f(i) for i = 0 … n − 1, single numbers, under a shape: PyTorch's reduction "none".
template <class F>
Tensor each(Index n, const Shape& shape, F f) {
  std::vector<Tensor> all;
  for (Index i = 0; i < n; ++i) all.push_back(f(i));
  return reshape(stack(all), shape);
}

/// Of log probabilities [N, C, …] and targets [N, …].
Tensor negative_log_likelihood(const Tensor& log_probabilities, const std::vector<int>& targets, const Shape& shape,
                               const ClassLoss& options);

/// Of logits.
Tensor class_cross_entropy(const Tensor& logits, const std::vector<int>& targets, const Shape& shape,
                           const ClassLoss& options);

}  // namespace unroll::agreement
