#pragma once

#include <limits>
#include <span>
#include <vector>

#include <unroll/core/random.h>

namespace unroll {

struct SamplingOptions {
  double temperature = 1;       ///< 0 takes the most probable token
  Index top_k = 0;              ///< only the k most probable tokens; 0: all
  double top_p = 1;             ///< only the most probable tokens that together reach this (Holtzman et al. 2020)
  std::vector<Id> banned = {};  ///< never drawn (UNK, say)
};

/// The distribution a token is drawn from: softmax(logits / temperature) cut by top_k and top_p, and normalised again.
/// Errors: options out of range; every token banned.
std::vector<double> sampling_distribution(std::span<const double> logits, const SamplingOptions& options);

/// Draws from it. The same draws for a seed on every machine, as far as the logits agree.
Id sample(std::span<const double> logits, const SamplingOptions& options, Random& random);

}  // namespace unroll
