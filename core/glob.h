// Choosing parameters by the look of their names.
#pragma once

#include <string_view>

namespace unroll {

/// Whether `pattern` describes the whole of `name`: `*` stands for any characters, dots too, and for none; `?` for one.
/// "*.b" describes "lm.cell.b" and "head.b", "lm.cell.w?" describes "lm.cell.wx" and not "lm.cell.w".
bool matches_glob(std::string_view pattern, std::string_view name);

}  // namespace unroll
