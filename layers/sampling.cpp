#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include <unroll/layers/sampling.h>

namespace unroll {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<double> sampling_distribution(std::span<const double> given, const SamplingOptions& options,
                                          std::span<const Id> written) {
  require<UsageError>(options.temperature >= 0 && options.temperature < infinity,
                      "sampling: a temperature of {}; it must be finite and not negative", options.temperature);
  require<UsageError>(options.top_p > 0 && options.top_p <= 1,
                      "sampling: top_p of {}; it must be above 0 and at most 1", options.top_p);
  require<UsageError>(options.min_p >= 0 && options.min_p <= 1, "sampling: min_p of {}; it must be 0 … 1",
                      options.min_p);
  require<UsageError>(options.repetition_penalty > 0 && options.repetition_penalty < infinity,
                      "sampling: a repetition penalty of {}; it must be finite and above 0",
                      options.repetition_penalty);
  std::vector<double> logits(given.begin(), given.end());
  if (options.repetition_penalty != 1) {
    const Index window = std::min(options.repetition_window, written.size());
    for (const Id id : std::set<Id>(written.end() - static_cast<std::ptrdiff_t>(window), written.end())) {
      if (id < 0 || static_cast<Index>(id) >= logits.size()) continue;
      double& z = logits[static_cast<Index>(id)];
      z = z > 0 ? z / options.repetition_penalty : z * options.repetition_penalty;
    }
  }
  for (Index i = 0; i < logits.size(); ++i) {
    require<UsageError>(logits[i] < infinity, "sampling: the logit of token {} is {}; no distribution has it", i,
                        logits[i]);
  }
  std::vector<char> banned(logits.size(), 0);
  for (const Id id : options.banned) {
    if (id >= 0 && static_cast<Index>(id) < banned.size()) banned[static_cast<Index>(id)] = 1;
  }
  std::vector<Index> order;
  for (Index i = 0; i < logits.size(); ++i) {
    if (banned[i] == 0) order.push_back(i);
  }
  require<UsageError>(!order.empty(), "sampling: every one of {} tokens is banned", logits.size());
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return logits[a] > logits[b]; });
  require<UsageError>(logits[order[0]] > -infinity, "sampling: every token that is not banned has a logit of −∞");
  std::vector<double> p(logits.size(), 0.0);
  if (options.temperature == 0) {
    p[order[0]] = 1;
    return p;
  }
  if (options.top_k > 0 && options.top_k < order.size()) order.resize(options.top_k);
  double total = 0;
  for (const Index i : order) total += p[i] = std::exp((logits[i] - logits[order[0]]) / options.temperature);
  double kept = 0;
  Index n = 0;
  const double least = options.min_p * p[order[0]];
  while (n < order.size() && (n == 0 || (kept < options.top_p * total && p[order[n]] >= least))) kept += p[order[n++]];
  for (Index i = n; i < order.size(); ++i) p[order[i]] = 0;
  for (Index i = 0; i < n; ++i) p[order[i]] /= kept;
  return p;
}

Id sample(std::span<const double> logits, const SamplingOptions& options, Random& random, std::span<const Id> written) {
  const std::vector<double> p = sampling_distribution(logits, options, written);
  double left = random.uniform();
  Index last = 0;
  for (Index i = 0; i < p.size(); ++i) {
    if (p[i] == 0) continue;
    last = i;
    if ((left -= p[i]) < 0) break;
  }
  return static_cast<Id>(last);
}

}  // namespace unroll
