#include <unroll/layers/dropout.h>

namespace unroll {

Dropout::Dropout(const Scope& p, double rate) : rate_(rate), random_(&p.random()) {
  require<UsageError>(rate >= 0 && rate < 1, "Dropout: a rate of {}; it must be at least 0 and below 1", rate);
}

Tensor Dropout::operator()(const Tensor& x) const { return idle() ? x : dropout(x, rate_, *random_); }

Tensor Dropout::same_for_all_steps(const Tensor& x) const {
  if (idle()) return x;
  require(x.ndim() == 3, "Dropout: the input is {}; one mask for all steps needs [T, B, F]", x.shape());
  return x * Tensor(random_->mask({1, x.dim(1), x.dim(2)}, x.dtype(), 1 - rate_));
}

}  // namespace unroll
