#pragma once

#include <limits>
#include <span>
#include <vector>

#include <unroll/core/random.h>

namespace unroll {

struct SamplingOptions {
  double temperature = 1;         ///< 0 takes the most probable token
  Index top_k = 0;                ///< only the k most probable tokens; 0: all
  double top_p = 1;               ///< only the most probable tokens that together reach this (Holtzman et al. 2020)
  double min_p = 0;               ///< only tokens at least so probable as this share of the most probable one's
                                  ///< probability (Nguyen et al. 2024)
  std::vector<Id> banned = {};    ///< never drawn (UNK, say)
  double repetition_penalty = 1;  ///< above 1 tokens that were written lately are less probable: their logits are
                                  ///< divided by it where positive, else multiplied (Keskar et al. 2019)
  Index repetition_window = 64;   ///< how many tokens back that looks
};

/// The distribution a token is drawn from: softmax(logits / temperature) cut by top_k, top_p and min_p, and normalised
/// again. `written` are the tokens so far, for the repetition penalty. Errors: options out of range; every token
/// banned.
std::vector<double> sampling_distribution(std::span<const double> logits, const SamplingOptions& options,
                                          std::span<const Id> written = {});

/// Draws from it. The same draws for a seed on every machine, as far as the logits agree.
Id sample(std::span<const double> logits, const SamplingOptions& options, Random& random,
          std::span<const Id> written = {});

}  // namespace unroll
