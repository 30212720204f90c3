// What the harnesses of safetensors files share.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>

#include <unroll/io/safetensors.h>

#include "fuzzing.h"

namespace unroll::fuzzing {

/// The file that an input stands for. One that begins with '{' is a header up to the first NUL, then the elements: the
/// length in front is made for it, so that a change of the header is not lost on a length that no longer fits.
inline std::string safetensors_file(std::string_view input) {
  if (!input.starts_with('{')) return std::string(input);
  const std::size_t length = std::min(input.find('\0'), input.size());
  std::string bytes(8, '\0');
  for (std::size_t k = 0; k < 8; ++k) bytes[k] = static_cast<char>(length >> 8 * k & 0xFF);
  bytes += input.substr(0, length);
  return bytes += input.substr(std::min(length + 1, input.size()));
}

inline bool same_bits(const Array& a, const Array& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype() || !a.contiguous() || !b.contiguous()) return false;
  return dispatch(a.dtype(), [&]<class T>(T) {
    return a.size() == 0 || std::memcmp(a.data<T>(), b.data<T>(), a.size() * sizeof(T)) == 0;
  });
}

inline bool same_bits(const std::map<std::string, Array>& a, const std::map<std::string, Array>& b) {
  return std::ranges::equal(
      a, b, [](const auto& x, const auto& y) { return x.first == y.first && same_bits(x.second, y.second); });
}

inline bool same_bits(const Safetensors& a, const Safetensors& b) {
  return same_bits(a.arrays, b.arrays) && a.integers == b.integers && a.metadata == b.metadata;
}

}  // namespace unroll::fuzzing
