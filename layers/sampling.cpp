#include <algorithm>
#include <cmath>
#include <numeric>

#include <unroll/layers/sampling.h>

namespace unroll {

std::vector<double> sampling_distribution(std::span<const double> logits, const SamplingOptions& options) {
  require<UsageError>(options.temperature >= 0, "sampling: a temperature of {}; it must not be negative",
                      options.temperature);
  require<UsageError>(options.top_p > 0 && options.top_p <= 1,
                      "sampling: top_p of {}; it must be above 0 and at most 1", options.top_p);
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
  while (n < order.size() && (n == 0 || kept < options.top_p * total)) kept += p[order[n++]];
  for (Index i = n; i < order.size(); ++i) p[order[i]] = 0;
  for (Index i = 0; i < n; ++i) p[order[i]] /= kept;
  return p;
}

Id sample(std::span<const double> logits, const SamplingOptions& options, Random& random) {
  const std::vector<double> p = sampling_distribution(logits, options);
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
