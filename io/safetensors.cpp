#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <system_error>
#include <tuple>

#include <unroll/io/atomic_file.h>
#include <unroll/io/safetensors.h>

namespace unroll {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "elements are copied between file and memory as they are");

constexpr Index length_bytes = 8;
constexpr Index max_header_bytes = 100'000'000;  // no reader of the format takes a longer one
constexpr const char* metadata_key = "__metadata__";

// ---- reading ----

using Read = void (*)(std::istream&, const std::string& name, const Shape&, Safetensors&);

template <class T>
void read_array(std::istream& in, const std::string& name, const Shape& shape, Safetensors& content) {
  Array array = Array::uninitialised(shape, dtype_of<T>);
  in.read(reinterpret_cast<char*>(array.raw<T>()), static_cast<std::streamsize>(shape.size() * sizeof(T)));
  content.arrays.emplace(name, std::move(array));
}

template <class T>
void read_integers(std::istream& in, const std::string& name, const Shape& shape, Safetensors& content) {
  std::vector<T> stored(shape.size());
  in.read(reinterpret_cast<char*>(stored.data()), static_cast<std::streamsize>(stored.size() * sizeof(T)));
  content.integers.emplace(name, Integers{shape, {stored.begin(), stored.end()}});
}

void read_booleans(std::istream& in, const std::string& name, const Shape& shape, Safetensors& content) {
  read_integers<std::uint8_t>(in, name, shape, content);
  for (auto& value : content.integers.at(name).values) value = value != 0;
}

struct ElementType {
  std::string_view name;
  Index bytes;
  Read read;
};

constexpr ElementType element_types[] = {
    {"F32", 4, read_array<float>},
    {"F64", 8, read_array<double>},
    {"I64", 8, read_integers<std::int64_t>},
    {"I32", 4, read_integers<std::int32_t>},
    {"I16", 2, read_integers<std::int16_t>},
    {"I8", 1, read_integers<std::int8_t>},
    {"U32", 4, read_integers<std::uint32_t>},
    {"U16", 2, read_integers<std::uint16_t>},
    {"U8", 1, read_integers<std::uint8_t>},
    {"BOOL", 1, read_booleans},
};

/// One entry of the header; its elements are the bytes begin … end-1 after the header.
struct Entry {
  std::string name;
  Shape shape;
  const ElementType* type;
  Index begin, end;
};

json parse_header(const std::string& path, const std::string& header) {
  require<FileError>(header.starts_with('{'), "{}: byte {}: the header does not begin with '{{'", path, length_bytes);
  // The parser would take a NUL for the end of the text.
  const Index nul = header.find('\0');
  require<FileError>(nul == header.npos, "{}: byte {}: a NUL in the header", path, length_bytes + nul);

  constexpr int max_depth = 3;  // the header, a tensor, its shape
  std::vector<std::set<std::string>> keys(max_depth);
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    using enum json::parse_event_t;
    if (event == object_start || event == array_start) {
      require<FileError>(depth < max_depth, "{}: the header is nested more than {} deep", path, max_depth);
      keys[static_cast<Index>(depth)].clear();
    } else if (event == key) {
      const auto& name = parsed.get_ref<const std::string&>();
      require<FileError>(keys[static_cast<Index>(depth - 1)].insert(name).second, "{}: the header has '{}' twice", path,
                         name);
    }
    return true;
  };
  try {
    return json::parse(header, check);
  } catch (const json::parse_error& error) {
    throw FileError(fmt::format("{}: byte {}: the header is not JSON", path, length_bytes + error.byte - 1));
  } catch (const json::out_of_range&) {
    throw FileError(fmt::format("{}: the header holds a number that is out of range", path));
  }
}

std::map<std::string, std::string> parse_metadata(const std::string& path, const json& object) {
  require<FileError>(object.is_object(), "{}: {} is not an object", path, metadata_key);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : object.items()) {
    require<FileError>(text.is_string(), "{}: {}: '{}' is not a string", path, metadata_key, key);
    metadata.emplace(key, text.get_ref<const std::string&>());
  }
  return metadata;
}

Entry parse_entry(const std::string& path, const std::string& name, const json& object, Index data_bytes) {
  const std::string where = fmt::format("{}: tensor '{}'", path, name);
  require<FileError>(object.is_object(), "{}: its entry is not an object", where);
  const auto numbers = [&](const char* key) {
    const auto found = object.find(key);
    const auto is_natural = [](const json& number) { return number.is_number_unsigned(); };
    require<FileError>(found != object.end() && found->is_array() && std::ranges::all_of(*found, is_natural),
                       "{}: '{}' must be a list of whole numbers from 0 to 2⁶⁴-1", where, key);
    return found->get<std::vector<std::uint64_t>>();
  };

  const auto dtype = object.find("dtype");
  require<FileError>(dtype != object.end() && dtype->is_string(), "{}: 'dtype' must be a string", where);
  const std::string& type_name = dtype->get_ref<const std::string&>();
  const auto* type = std::ranges::find(element_types, type_name, &ElementType::name);
  require<FileError>(type != std::end(element_types),
                     "{}: dtype '{}' is not supported; F32, F64 and I64 are, and narrower integers", where,
                     type_name.size() <= 20 ? type_name : "…");

  const auto axes = numbers("shape");
  require<FileError>(axes.size() <= Shape::max_axes, "{}: {} axes; an array has at most {}", where, axes.size(),
                     Index{Shape::max_axes});
  Index bytes = type->bytes;
  for (const auto extent : axes) {
    require<FileError>(!__builtin_mul_overflow(bytes, extent, &bytes), "{}: the size of shape [{}] overflows", where,
                       fmt::join(axes, ", "));
    require<FileError>(extent <= 0xffffffffu, "{}: an axis of {} elements is too long", where, extent);
  }

  const auto offsets = numbers("data_offsets");
  require<FileError>(offsets.size() == 2, "{}: {} offsets instead of 2", where, offsets.size());
  const Index begin = offsets[0], end = offsets[1];
  require<FileError>(begin <= end && end <= data_bytes, "{}: its bytes {} to {} are not within the {} bytes of data",
                     where, begin, end, data_bytes);
  const Entry entry{name, Shape(axes.begin(), axes.end()), type, begin, end};
  require<FileError>(end - begin == bytes, "{}: {} {} takes {} bytes, and its offsets {} to {} hold {}", where,
                     type->name, entry.shape, bytes, begin, end, end - begin);
  return entry;
}

/// Sorts the entries by their place. Errors: they do not fill the data, each byte once.
void check_places(const std::string& path, std::vector<Entry>& entries, Index data_bytes) {
  std::ranges::sort(entries, {}, [](const Entry& entry) { return std::tie(entry.begin, entry.end, entry.name); });
  Index filled = 0;
  for (const Entry& entry : entries) {
    require<FileError>(entry.begin >= filled,
                       "{}: tensor '{}': its bytes {} to {} overlap another tensor, which ends at {}", path, entry.name,
                       entry.begin, entry.end, filled);
    require<FileError>(entry.begin == filled, "{}: the bytes {} to {} of the data belong to no tensor", path, filled,
                       entry.begin);
    filled = entry.end;
  }
  require<FileError>(filled == data_bytes, "{}: {} bytes after the last tensor", path, data_bytes - filled);
}

// ---- writing ----

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

Safetensors read_safetensors(const std::filesystem::path& file) {
  const std::string path = file.string();
  const auto reason = [] { return std::generic_category().message(errno); };
  std::error_code error;
  require<FileError>(!std::filesystem::exists(file, error) || std::filesystem::is_regular_file(file, error),
                     "{}: cannot be read: not a regular file", path);
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  require<FileError>(in.is_open(), "{}: cannot be opened: {}", path, reason());
  const Index file_bytes = std::filesystem::file_size(file, error);
  const auto check_read = [&] { require<FileError>(in.good(), "{}: cannot be read to its end: {}", path, reason()); };

  require<FileError>(file_bytes >= length_bytes, "{}: {} bytes are too few for a safetensors file", path, file_bytes);
  std::uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), length_bytes);
  check_read();
  const Index rest = file_bytes - length_bytes;
  require<FileError>(length <= rest, "{}: byte 0: a header of {} bytes is announced, and {} bytes follow", path, length,
                     rest);
  require<FileError>(length <= max_header_bytes, "{}: byte 0: a header of {} bytes; the format allows {}", path, length,
                     max_header_bytes);
  std::string text(length, '\0');
  in.read(text.data(), static_cast<std::streamsize>(length));
  check_read();

  Safetensors content;
  std::vector<Entry> entries;
  const json header = parse_header(path, text);
  for (const auto& [name, value] : header.items()) {
    if (name == metadata_key) {
      content.metadata = parse_metadata(path, value);
    } else {
      entries.push_back(parse_entry(path, name, value, rest - length));
    }
  }
  check_places(path, entries, rest - length);
  for (const Entry& entry : entries) {
    entry.type->read(in, entry.name, entry.shape, content);
    check_read();
  }
  return content;
}

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
