// What reading and writing .safetensors files share.
#pragma once

#include <bit>

#include <unroll/core/ids.h>

namespace unroll::safetensors_format {

static_assert(std::endian::native == std::endian::little, "elements are copied between file and memory as they are");

inline constexpr Index length_bytes = 8;
inline constexpr Index max_header_bytes = 100'000'000;  // no reader of the format takes a longer one
inline constexpr const char* metadata_key = "__metadata__";

}  // namespace unroll::safetensors_format
