#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include <unroll/io/atomic_file.h>
#include <unroll/io/safetensors.h>
#include <unroll/io/safetensors_format.h>

namespace unroll {
namespace {

using namespace safetensors_format;
using nlohmann::json;

std::string_view bytes_of(const void* data, Index bytes) { return {static_cast<const char*>(data), bytes}; }

std::string quoted(const std::string& text, std::string_view what) {
  try {
    return json(text).dump();
  } catch (const json::type_error&) { throw UsageError(fmt::format("safetensors: {} is not UTF-8", what)); }
}

/// The file in the making: a header, and the bytes that follow it.
class Writer {
 public:
  void add_metadata(const std::map<std::string, std::string>& metadata) {
    if (metadata.empty()) return;
    std::string texts;
    for (const auto& [key, text] : metadata) {
      texts += fmt::format("{}{}:{}", texts.empty() ? "" : ",", quoted(key, fmt::format("the key '{}'", key)),
                           quoted(text, fmt::format("the text of '{}'", key)));
    }
    header_ += fmt::format("\"{}\":{{{}}}", metadata_key, texts);
  }

  void add_tensor(const std::string& name, const char* dtype, const Shape& shape, std::string_view bytes) {
    require<UsageError>(name != metadata_key, "safetensors: no tensor can be named '{}'", name);
    header_ += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                           header_.size() > 1 ? "," : "", quoted(name, fmt::format("the name '{}'", name)), dtype,
                           fmt::join(shape.begin(), shape.end(), ","), offset_, offset_ + bytes.size());
    offset_ += bytes.size();
    pieces_.push_back(bytes);
  }

  void add_arrays(const std::map<std::string, Array>& arrays, Dtype dtype) {
    for (const auto& [name, array] : arrays) {
      require<UsageError>(array.defined(), "safetensors: array '{}' is empty: it was never given a value", name);
      if (array.dtype() != dtype) continue;
      const Array& dense = dense_.emplace_back(array.contiguous() ? array : array.copy());
      dispatch(dtype, [&]<class T>(T) {
        add_tensor(name, dtype == f32 ? "F32" : "F64", dense.shape(),
                   bytes_of(dense.data<T>(), dense.size() * sizeof(T)));
      });
    }
  }

  void write(const std::filesystem::path& path) {
    header_ += '}';
    const Index begin = (length_bytes + header_.size() + 63) / 64 * 64;
    header_.resize(begin - length_bytes, ' ');
    require<UsageError>(header_.size() <= max_header_bytes,
                        "safetensors: names and texts take {} bytes; a header has room for {}", header_.size(),
                        max_header_bytes);
    const std::uint64_t length = header_.size();
    pieces_.insert(pieces_.begin(), {bytes_of(&length, length_bytes), header_});
    write_atomically(path, pieces_);
  }

 private:
  std::string header_ = "{";
  Index offset_ = 0;
  std::vector<std::string_view> pieces_;
  std::vector<Array> dense_;  // keeps alive what `pieces_` points to
};

}  // namespace

void write_safetensors(const std::filesystem::path& path, const Safetensors& content) {
  Writer writer;
  writer.add_metadata(content.metadata);
  writer.add_arrays(content.arrays, f64);
  for (const auto& [name, integers] : content.integers) {
    require<UsageError>(!content.arrays.contains(name), "safetensors: '{}' names an array and integers", name);
    require<UsageError>(integers.values.size() == integers.shape.size(),
                        "safetensors: the {} integers of '{}' do not fill {}", integers.values.size(), name,
                        integers.shape);
    writer.add_tensor(name, "I64", integers.shape,
                      bytes_of(integers.values.data(), integers.values.size() * sizeof(std::int64_t)));
  }
  writer.add_arrays(content.arrays, f32);
  writer.write(path);
}

}  // namespace unroll
