// .safetensors files: named arrays and a map of texts in one file, which Python's `safetensors` reads and writes as
// well.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <unroll/core/array.h>

namespace unroll {

/// Integers under a shape, row-major.
struct Integers {
  Shape shape;
  std::vector<std::int64_t> values;

  bool operator==(const Integers&) const = default;
};

/// What is in a .safetensors file.
///
/// The file (format of Hugging Face's safetensors) is an 8-byte little-endian length, a JSON header of that length,
/// and the elements of all tensors, row-major and little-endian. The header gives each tensor's dtype, shape and place.
struct Safetensors {
  std::map<std::string, Array> arrays = {};          ///< F32 and F64
  std::map<std::string, Integers> integers = {};     ///< I64
  std::map<std::string, std::string> metadata = {};  ///< `__metadata__`: any UTF-8 texts under any names
};

/// Reads a file whole. F16 and BF16 become F32, exactly; the other integers (I32, I16, I8, U64, U32, U16, U8) and BOOL
/// (as 0 and 1) become I64.
///
/// Errors: FileError with the path and the byte or tensor where the file is not as the format has it: a header that is
/// cut, too long, not JSON or names something twice; a tensor without dtype, shape or offsets, whose shape and offsets
/// disagree, or which lies outside the file; tensors that overlap or leave bytes to none; a file cut short or too long.
/// Also for what the format allows and an Array cannot hold: other dtypes, a number of 2⁶³ or more, more than 6
/// axes, an axis of 2³² or more.
/// Memory for elements is asked for only when the header has been checked against the size of the file. All of it
/// together is at most three times the file and twice its longest text, a kilobyte for each tensor, 130 bytes for each
/// text, and what narrower integers become.
Safetensors read_safetensors(const std::filesystem::path& path);

/// Replaces the file at `path` as a whole or not at all (see write_atomically). The same content gives the same bytes:
/// tensors stand in the order F64, I64, F32 and by name within a dtype, so that each is aligned to its elements;
/// the header is filled with blanks until the elements begin at a multiple of 64 bytes.
///
/// Errors: FileError as write_atomically. UsageError for names or texts that are not UTF-8 or together too long
/// for a header (100 MB), a name in both `arrays` and `integers`, a tensor named `__metadata__`, an empty Array, and
/// Integers that do not fill their shape.
void write_safetensors(const std::filesystem::path& path, const Safetensors& content);

}  // namespace unroll
