// The element types of a .safetensors file, and how the elements of each are read.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/io/safetensors.h>

namespace unroll::safetensors_format {

/// A name as errors show it: a long one by its first bytes.
inline std::string excerpt(const std::string& name) {
  constexpr Index longest = 200;
  Index end = std::min(name.size(), longest);
  while (end < name.size() && (static_cast<unsigned char>(name[end]) & 0xc0u) == 0x80u) --end;
  return name.substr(0, end) + (end < name.size() ? "…" : "");
}

using Read = void (*)(std::istream&, const std::string& path, const std::string& name, const Shape&, Safetensors&);

template <class T>
void read_array(std::istream& in, const std::string&, const std::string& name, const Shape& shape,
                Safetensors& content) {
  Array array = Array::uninitialised(shape, dtype_of<T>);
  in.read(reinterpret_cast<char*>(array.raw<T>()), static_cast<std::streamsize>(shape.size() * sizeof(T)));
  content.arrays.emplace(name, std::move(array));
}

inline float of_bf16(std::uint16_t half) { return std::bit_cast<float>(std::uint32_t{half} << 16); }

/// IEEE 754's binary16: a wider exponent is 2¹¹² too small, which a product mends. A denormal half would pass through a
/// denormal float, which is 0 while a Tape lives.
inline float of_f16(std::uint16_t half) {
  const std::uint32_t sign = half & 0x8000u, magnitude = half & 0x7FFFu;
  const float wide =
      magnitude < 0x400u ? static_cast<float>(magnitude) * 0x1p-24f : std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  const std::uint32_t no_number = magnitude >= 0x7C00u ? 0x7F800000u : 0;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(wide) | no_number | sign << 16);
}

template <float (*widen)(std::uint16_t)>
void read_halves(std::istream& in, const std::string&, const std::string& name, const Shape& shape,
                 Safetensors& content) {
  std::vector<std::uint16_t> stored(shape.size());
  in.read(reinterpret_cast<char*>(stored.data()), static_cast<std::streamsize>(stored.size() * sizeof(stored[0])));
  Array array = Array::uninitialised(shape, f32);
  std::ranges::transform(stored, array.raw<float>(), widen);
  content.arrays.emplace(name, std::move(array));
}

template <class T>
void read_integers(std::istream& in, const std::string& path, const std::string& name, const Shape& shape,
                   Safetensors& content) {
  std::vector<T> stored(shape.size());
  in.read(reinterpret_cast<char*>(stored.data()), static_cast<std::streamsize>(stored.size() * sizeof(T)));
  if constexpr (std::is_same_v<T, std::uint64_t>) {
    const auto beyond = std::ranges::find_if(stored, [](T value) { return value > INT64_MAX; });
    require<FileError>(beyond == stored.end(), "{}: tensor '{}': {} is beyond the integers of I64", path, excerpt(name),
                       beyond == stored.end() ? 0 : *beyond);
  }
  Integers& integers = content.integers[name];
  integers.shape = shape;
  if constexpr (std::is_same_v<T, std::int64_t>) {
    integers.values = std::move(stored);
  } else {
    integers.values.assign(stored.begin(), stored.end());
  }
}

inline void read_booleans(std::istream& in, const std::string& path, const std::string& name, const Shape& shape,
                          Safetensors& content) {
  read_integers<std::uint8_t>(in, path, name, shape, content);
  for (auto& value : content.integers.at(name).values) value = value != 0;
}

struct ElementType {
  std::string_view name;
  Index bytes;
  Read read;
};

inline constexpr ElementType element_types[] = {
    {"F32", 4, read_array<float>},
    {"F64", 8, read_array<double>},
    {"F16", 2, read_halves<of_f16>},
    {"BF16", 2, read_halves<of_bf16>},
    {"I64", 8, read_integers<std::int64_t>},
    {"I32", 4, read_integers<std::int32_t>},
    {"I16", 2, read_integers<std::int16_t>},
    {"I8", 1, read_integers<std::int8_t>},
    {"U64", 8, read_integers<std::uint64_t>},
    {"U32", 4, read_integers<std::uint32_t>},
    {"U16", 2, read_integers<std::uint16_t>},
    {"U8", 1, read_integers<std::uint8_t>},
    {"BOOL", 1, read_booleans},
};

}  // namespace unroll::safetensors_format
