// What reading and writing ABC share.
#pragma once

#include <string_view>

#include <unroll/data/tune.h>

namespace unroll::detail {

inline constexpr Index longest_note = 9999;  // what to_abc writes of any shorter one has at most four digits

/// How long a bar is; a whole note where the meter does not say.
Index bar_of(std::string_view meter);

}  // namespace unroll::detail
