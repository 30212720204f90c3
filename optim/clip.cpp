#include <unroll/optim/clip.h>

namespace unroll {

Grads clip(Grads grads, double max_norm, double p) {
  require<UsageError>(max_norm >= 0, "clip: max_norm is {}; it must be at least 0", max_norm);
  require<UsageError>(p >= 1, "clip: p is {}; it must be at least 1", p);
  const double factor = max_norm / (grads.norm(p) + 1e-6);
  if (!(factor >= 1)) grads *= factor;  // a NaN too
  return grads;
}

Grads clip_value(Grads grads, double limit) {
  require<UsageError>(limit >= 0, "clip_value: limit is {}; it must be at least 0", limit);
  return std::move(grads.clamp(limit));
}

}  // namespace unroll
