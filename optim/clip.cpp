#include <algorithm>

#include <unroll/optim/clip.h>

namespace unroll {

Grads clip(Grads grads, double max_norm) {
  require<UsageError>(max_norm >= 0, "clip: max_norm is {}; it must be at least 0", max_norm);
  const double factor = max_norm / (grads.norm() + 1e-6);
  if (!(factor >= 1)) grads *= factor;  // a NaN too
  return grads;
}

Grads clip_value(Grads grads, double limit) {
  require<UsageError>(limit >= 0, "clip_value: limit is {}; it must be at least 0", limit);
  grads.transform([&](Array& grad) {
    dispatch(grad.dtype(), [&]<class T>(T) {
      const T high = static_cast<T>(limit);
      T* g = grad.writable<T>();
      for (Index i = 0, n = grad.size(); i < n; ++i) g[i] = std::clamp(g[i], -high, high);
    });
  });
  return grads;
}

}  // namespace unroll
