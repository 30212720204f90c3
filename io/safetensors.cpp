#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <system_error>
#include <tuple>

#include <unroll/io/safetensors.h>
#include <unroll/io/safetensors_elements.h>
#include <unroll/io/safetensors_format.h>

namespace unroll {
namespace {

using nlohmann::json;

using namespace safetensors_format;

/// One entry of the header; its elements are the bytes begin … end-1 after the header.
struct Entry {
  std::string name;
  Shape shape;
  const ElementType* type;
  Index begin, end;
};

/// A list of whole numbers in the header: how many there are, and the first of them.
struct Numbers {
  bool good = false;  // it is a list, and of nothing else
  Index count = 0;
  std::array<std::uint64_t, Shape::max_axes> first{};

  void add(std::uint64_t number) {
    if (count < first.size()) first[count] = number;
    ++count;
  }
};

/// A tensor as the header has it.
struct Description {
  std::optional<std::string> dtype;
  Numbers shape, offsets;
};

Entry checked_entry(const std::string& path, const std::string& name, const Description& found, Index data_bytes) {
  const std::string where = fmt::format("{}: tensor '{}'", path, excerpt(name));
  const auto check_list = [&](const char* key, const Numbers& numbers) {
    require<FileError>(numbers.good, "{}: '{}' must be a list of whole numbers from 0 to 2⁶⁴-1", where, key);
  };
  require<FileError>(found.dtype.has_value(), "{}: 'dtype' must be a string", where);
  const auto* type = std::ranges::find(element_types, std::string_view(*found.dtype), &ElementType::name);
  require<FileError>(type != std::end(element_types),
                     "{}: dtype '{}' is not supported; F64, F32, F16, BF16, BOOL and integers are", where,
                     excerpt(*found.dtype));

  check_list("shape", found.shape);
  require<FileError>(found.shape.count <= Shape::max_axes, "{}: {} axes; an array has at most {}", where,
                     found.shape.count, Index{Shape::max_axes});
  const std::span axes(found.shape.first.data(), found.shape.count);
  Index bytes = type->bytes;
  for (const auto extent : axes) {
    require<FileError>(!__builtin_mul_overflow(bytes, extent, &bytes), "{}: the size of shape [{}] overflows", where,
                       fmt::join(axes, ", "));
    require<FileError>(extent <= 0xffffffffu, "{}: an axis of {} elements is too long", where, extent);
  }

  check_list("data_offsets", found.offsets);
  require<FileError>(found.offsets.count == 2, "{}: {} offsets instead of 2", where, found.offsets.count);
  const Index begin = found.offsets.first[0], end = found.offsets.first[1];
  require<FileError>(begin <= end && end <= data_bytes, "{}: its bytes {} to {} are not within the {} bytes of data",
                     where, begin, end, data_bytes);
  const Entry entry{name, Shape(axes.begin(), axes.end()), type, begin, end};
  require<FileError>(end - begin == bytes, "{}: {} {} takes {} bytes, and its offsets {} to {} hold {}", where,
                     type->name, entry.shape, bytes, begin, end, end - begin);
  return entry;
}

/// Takes the tensors and the metadata from the events of the header. What nobody asks for passes unbuilt, so that no
/// header makes more of itself in memory than it holds. That a header is JSON is said before what it lacks.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  HeaderReader(const std::string& path, Index data_bytes, Safetensors& content)
      : path_(path), data_bytes_(data_bytes), content_(content) {}

  std::vector<Entry> take() {
    if (!complaint_.empty()) throw FileError(complaint_);
    return std::move(entries_);
  }

  bool null() override { return other(); }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t) override { return other(); }  // below 0, or -0
  bool number_unsigned(number_unsigned_t number) override {
    if (list_ == nullptr) return other();
    list_->add(number);
    return true;
  }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool binary(binary_t&) override { return true; }  // not in JSON: GCOVR_EXCL_LINE
  bool string(string_t& value) override {
    if (depth_ == 2 && in_ == In::metadata) {
      if (complaint_.empty()) content_.metadata.emplace(std::move(key_), std::move(value));
    } else if (depth_ == 2 && in_ == In::tensor && key_ == "dtype") {
      tensor_.dtype = excerpt(value);
    } else {
      other();
    }
    return true;
  }

  bool start_object(std::size_t) override {
    check_depth();
    if (depth_ == 1) {
      in_ = name_ == metadata_key ? In::metadata : In::tensor;
      tensor_ = {};
      keys_.clear();
    } else if (depth_ > 1) {
      other();
    }
    ++depth_;
    return true;
  }
  bool end_object() override {
    if (--depth_ != 1) return true;
    if (in_ == In::tensor && complaint_.empty()) {
      try {
        entries_.push_back(checked_entry(path_, name_, tensor_, data_bytes_));
      } catch (const FileError& error) { complaint_ = error.what(); }
    }
    in_ = In::nothing;
    return true;
  }
  bool start_array(std::size_t) override {
    check_depth();
    Numbers* list = depth_ != 2 || in_ != In::tensor ? nullptr
                    : key_ == "shape"                ? &tensor_.shape
                    : key_ == "data_offsets"         ? &tensor_.offsets
                                                     : nullptr;
    if (list == nullptr) {
      other();
    } else {
      *list = {.good = true};
      list_ = list;
    }
    ++depth_;
    return true;
  }
  bool end_array() override {
    --depth_;
    list_ = nullptr;
    return true;
  }

  bool key(string_t& key) override {
    if (depth_ == 1) {
      check_new(!complaint_.empty() || names_.insert(key).second, key);  // with a complaint they are of no use
      name_ = std::move(key);
    } else if (depth_ == 2) {
      if (in_ == In::metadata) check_new(!content_.metadata.contains(key), key);
      if (in_ == In::tensor) {
        check_new(keys_.insert(key).second, key);
        require<FileError>(keys_.size() <= max_keys, "{}: tensor '{}': more than {} keys", path_, excerpt(name_),
                           max_keys);
      }
      key_ = std::move(key);
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const json::exception& error) override {
    constexpr int out_of_range = 406;
    require<FileError>(error.id != out_of_range, "{}: the header holds a number that is out of range", path_);
    throw FileError(fmt::format("{}: byte {}: the header is not JSON", path_, length_bytes + position - 1));
  }

 private:
  enum class In { nothing, tensor, metadata };
  static constexpr Index max_keys = 100;  // of a tensor; three have a meaning

  /// A value that is not what belongs in its place.
  bool other() {
    if (list_ != nullptr) {
      list_->good = false;
    } else if (complaint_.empty() && depth_ == 1) {
      complaint_ = name_ == metadata_key
                       ? fmt::format("{}: {} is not an object", path_, metadata_key)
                       : fmt::format("{}: tensor '{}': its entry is not an object", path_, excerpt(name_));
    } else if (complaint_.empty() && depth_ == 2 && in_ == In::metadata) {
      complaint_ = fmt::format("{}: {}: '{}' is not a string", path_, metadata_key, excerpt(key_));
    }
    return true;
  }
  void check_depth() const {
    constexpr int max_depth = 3;  // the header, a tensor, its shape
    require<FileError>(depth_ < max_depth, "{}: the header is nested more than {} deep", path_, max_depth);
  }
  void check_new(bool is_new, const std::string& key) const {
    require<FileError>(is_new, "{}: the header has '{}' twice", path_, excerpt(key));
  }

  const std::string& path_;
  Index data_bytes_;
  Safetensors& content_;
  std::vector<Entry> entries_;
  std::set<std::string> names_, keys_;  // of the header, of the tensor that is read
  std::string complaint_;               // about the first tensor or text that is none
  std::string name_, key_;
  In in_ = In::nothing;
  Description tensor_;
  Numbers* list_ = nullptr;  // that is being read
  int depth_ = 0;
};

/// The bytes of the header, read where they lie: as a whole they would be once more in memory.
class HeaderBytes {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  HeaderBytes(std::istream& in, const std::string& path, Index at) : in_(in.rdbuf()), path_(&path), at_(at) {}
  char operator*() const {
    const auto byte = in_->sgetc();
    require<FileError>(byte != std::streambuf::traits_type::eof(), "{}: ends inside of the header", *path_);
    // The parser would take a NUL for the end of the text.
    require<FileError>(byte != 0, "{}: byte {}: a NUL in the header", *path_, length_bytes + at_);
    return std::streambuf::traits_type::to_char_type(byte);
  }
  HeaderBytes& operator++() {
    in_->sbumpc();
    ++at_;
    return *this;
  }
  HeaderBytes operator++(int) {
    const HeaderBytes before = *this;
    ++*this;
    return before;
  }
  bool operator==(const HeaderBytes& other) const { return at_ == other.at_; }

 private:
  std::streambuf* in_;
  const std::string* path_;
  Index at_;
};

/// The tensors of a header of `length` bytes, which is what comes next, and into `content` its texts.
std::vector<Entry> read_header(std::istream& in, const std::string& path, Index length, Index data_bytes,
                               Safetensors& content) {
  const HeaderBytes begin(in, path, 0), end(in, path, length);
  HeaderReader reader(path, data_bytes, content);
  try {
    require<FileError>(length > 0 && *begin == '{', "{}: byte {}: the header does not begin with '{{'", path,
                       length_bytes);
    json::sax_parse(begin, end, &reader);
  } catch (const std::ios_base::failure& error) {
    throw FileError(fmt::format("{}: cannot be read to its end: {}", path, error.code().message()));
  }
  return reader.take();
}

/// Sorts the entries by their place. Errors: they do not fill the data, each byte once.
void check_places(const std::string& path, std::vector<Entry>& entries, Index data_bytes) {
  std::ranges::sort(entries, {}, [](const Entry& entry) { return std::tie(entry.begin, entry.end, entry.name); });
  Index filled = 0;
  for (const Entry& entry : entries) {
    require<FileError>(entry.begin >= filled,
                       "{}: tensor '{}': its bytes {} to {} overlap another tensor, which ends at {}", path,
                       excerpt(entry.name), entry.begin, entry.end, filled);
    require<FileError>(entry.begin == filled, "{}: the bytes {} to {} of the data belong to no tensor", path, filled,
                       entry.begin);
    filled = entry.end;
  }
  require<FileError>(filled == data_bytes, "{}: {} bytes after the last tensor", path, data_bytes - filled);
}

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
  const auto check_read = [&] { require<FileError>(in.good(), "{}: cannot be read to its end: {}", path, reason()); };
  in.seekg(0, std::ios::end);  // the size of what is open, whatever has replaced it under its name meanwhile
  const auto file_bytes = static_cast<Index>(in.tellg());
  in.seekg(0);
  check_read();

  require<FileError>(file_bytes >= length_bytes, "{}: {} bytes are too few for a safetensors file", path, file_bytes);
  std::uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), length_bytes);
  check_read();
  const Index rest = file_bytes - length_bytes;
  require<FileError>(length <= rest, "{}: byte 0: a header of {} bytes is announced, and {} bytes follow", path, length,
                     rest);
  require<FileError>(length <= max_header_bytes, "{}: byte 0: a header of {} bytes; the format allows {}", path, length,
                     max_header_bytes);

  Safetensors content;
  std::vector<Entry> entries = read_header(in, path, length, rest - length, content);
  check_places(path, entries, rest - length);
  for (const Entry& entry : entries) {
    entry.type->read(in, path, entry.name, entry.shape, content);
    check_read();
  }
  return content;
}

}  // namespace unroll
