#include <cmath>

#include <unroll/optim/state.h>

namespace unroll::detail {

Array take(OptimizerState& state, const std::string& owner, const std::string& name, const Shape& shape) {
  const auto entry = state.extract(name);
  require<UsageError>(!entry.empty(), "{}: '{}' is missing in the saved state", owner, name);
  const Array& array = entry.mapped();
  require(array.shape() == shape, "{}: '{}' in the saved state is {}, expected {}", owner, name, array.shape(), shape);
  return array;
}

Index take_count(OptimizerState& state, const std::string& owner, const std::string& name) {
  const double count = take(state, owner, name, {}).item();
  require<UsageError>(count >= 0 && count < 0x1p53 && count == std::floor(count),
                      "{}: '{}' in the saved state is {}, expected a number of steps", owner, name, count);
  return static_cast<Index>(count);
}

}  // namespace unroll::detail
