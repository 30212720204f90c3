// What is remembered between steps, as named arrays, which a checkpoint holds as they are.
#pragma once

#include <map>
#include <string>

#include <unroll/core/array.h>

namespace unroll {

using OptimizerState = std::map<std::string, Array>;

namespace detail {

/// Takes the array called `name` out of a saved state. Errors, which `owner` begins: it is missing or of another shape.
Array take(OptimizerState& state, const std::string& owner, const std::string& name, const Shape& shape);
/// The same for a number that counts something.
Index take_count(OptimizerState& state, const std::string& owner, const std::string& name);

}  // namespace detail
}  // namespace unroll
