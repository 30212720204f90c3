#include <unroll/core/ops.h>

namespace unroll {

Tensor dropout(const Tensor& x, double rate, Random& random) {
  require<UsageError>(rate >= 0 && rate < 1, "dropout: a rate of {}; it must be at least 0 and below 1", rate);
  if (rate == 0) return x;
  return x * Tensor(random.mask(x.shape(), x.dtype(), 1 - rate));
}

}  // namespace unroll
