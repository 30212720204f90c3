#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include <unroll/core/tape.h>
#include <unroll/io/safetensors.h>
#include <unroll/tests/temporary_folder.h>

using namespace unroll;
using namespace std::string_literals;

namespace {

/// A file by the format's text: the header's length in 8 bytes, the header, the data.
std::string file_of(std::string_view header, std::string_view data = "") {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(std::uint64_t{header.size()} >> shift & 0xff);
  return bytes.append(header).append(data);
}

Safetensors read(std::string_view bytes) {
  const TemporaryFolder folder;
  write_bytes(folder / "a", bytes);
  return read_safetensors(folder / "a");
}

std::string complaint(std::string_view bytes) {
  const TemporaryFolder folder;
  write_bytes(folder / "a", bytes);
  return message_of<FileError>([&] { read_safetensors(folder / "a"); }, folder / "a");
}

std::string usage_complaint(const Safetensors& content) {
  const TemporaryFolder folder;
  const std::string message = message_of<UsageError>([&] { write_safetensors(folder / "a", content); });
  CHECK(folder.names().empty());
  return message;
}

Safetensors written_and_read(const Safetensors& content) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", content);
  return read_safetensors(folder / "a");
}

bool same_bits(const Array& a, const Array& b) {
  const auto equal = [&]<class T>(T) { return std::memcmp(a.data<T>(), b.data<T>(), a.size() * sizeof(T)) == 0; };
  return a.dtype() == b.dtype() && a.shape() == b.shape() && dispatch(a.dtype(), equal);
}

template <class Float, class Word>
Array unusual_numbers() {
  using Limits = std::numeric_limits<Float>;
  const Float values[] = {0,
                          -Float{0},
                          Float{1} / 3,
                          Limits::denorm_min(),
                          Limits::max(),
                          -Limits::infinity(),
                          std::bit_cast<Float>(std::bit_cast<Word>(Limits::quiet_NaN()) | Word{0x1234}),
                          -1};
  return Array::of(Shape{2, 4}, values);
}

const std::string one_float = "\x00\x00\x80\x3f"s;  // 1
const std::string four_floats(16, '\0');

}  // namespace

TEST_CASE("safetensors: what is written is read, bit for bit") {
  Safetensors content;
  content.arrays["f32"] = unusual_numbers<float, std::uint32_t>();
  content.arrays["f64"] = unusual_numbers<double, std::uint64_t>();
  content.arrays["scalar"] = Array::full({}, f64, 0.1);
  content.arrays["empty"] = Array::zeros({3, 0, 2}, f32);
  content.arrays["six axes"] = Array::full({1, 2, 1, 2, 1, 2}, f32, 7);
  content.arrays[""] = Array::full({1}, f32, 1);
  content.integers["ids"] = {Shape{3}, {std::numeric_limits<std::int64_t>::min(), -1, (std::int64_t{1} << 53) + 1}};
  content.integers["one"] = {Shape{}, {5}};
  content.integers["none"] = {Shape{0}, {}};
  content.metadata = {{"", ""}, {"a \"name\"\n", "wörld 😀 \\ \x01 \u2028 \0 end"s}, {"__metadata__", "x"}};

  const Safetensors again = written_and_read(content);
  CHECK(again.metadata == content.metadata);
  CHECK(again.integers == content.integers);
  REQUIRE(again.arrays.size() == content.arrays.size());
  for (const auto& [name, array] : content.arrays) {
    CAPTURE(name);
    CHECK(same_bits(again.arrays.at(name), array));
  }
  CHECK(written_and_read({}).metadata.empty());
}

TEST_CASE("safetensors: a view is written as the elements it shows") {
  const float values[] = {0, 1, 2, 3, 4, 5};
  const float shown[] = {1, 2, 4, 5};
  const Array view = Array::of(Shape{2, 3}, values).part(0, 1, {2, 2});
  REQUIRE_FALSE(view.contiguous());
  CHECK(same_bits(written_and_read({.arrays = {{"v", view}}, .integers = {}, .metadata = {}}).arrays.at("v"),
                  Array::of(Shape{2, 2}, shown)));
}

// The bytes follow from the format's text and from the order and alignment that write_safetensors states. Python's
// package (safetensors 0.8) reads them to the same content.
TEST_CASE("safetensors: the bytes of a file") {
  Safetensors content;
  content.arrays["b"] = Array::full({1}, f32, 1);
  content.arrays["a"] = Array::full({}, f32, 1);
  content.arrays["z"] = Array::full({1, 1}, f64, 1);
  content.integers["c"] = {Shape{1}, {258}};
  content.metadata["k"] = "v\n";
  const TemporaryFolder folder;
  write_safetensors(folder / "a", content);
  std::string header = R"({"__metadata__":{"k":"v\n"},)"
                       R"("z":{"dtype":"F64","shape":[1,1],"data_offsets":[0,8]},)"
                       R"("c":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},)"
                       R"("a":{"dtype":"F32","shape":[],"data_offsets":[16,20]},)"
                       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[20,24]}})";
  header.resize(248, ' ');
  const std::string data = "\0\0\0\0\0\0\xf0\x3f"s + "\x02\x01\0\0\0\0\0\0"s + one_float + one_float;
  CHECK(bytes_in(folder / "a") == file_of(header, data));

  for (std::size_t length = 0; length < 70; ++length) {
    content.metadata["k"] = std::string(length, 'x');
    write_safetensors(folder / "a", content);
    REQUIRE((bytes_in(folder / "a").size() - data.size()) % 64 == 0);
  }
}

TEST_CASE("safetensors: files of other writers") {
  // White space, escapes, metadata at the end, entries in another order than their data, an empty tensor between.
  const Safetensors content = read(
      file_of("{ \"b\\u0041\\ud83d\\ude00\" :\r\n\t{\"shape\":[1] , \"data_offsets\":[4,8], \"dtype\":\"F32\"},"
              "\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]},"
              "\"e\":{\"dtype\":\"F64\",\"shape\":[2,0],\"data_offsets\":[4,4]},\"__metadata__\":{\"k\":\"v\"}}   ",
              "\0\0\0\x40"s + one_float));
  CHECK(content.arrays.size() == 3);
  CHECK(content.arrays.at("a").item() == 2);
  CHECK(content.arrays.at("bA😀").item() == 1);
  CHECK(content.arrays.at("e").shape() == Shape{2, 0});
  CHECK(content.metadata.at("k") == "v");

  struct {
    const char* dtype;
    std::string bytes;
    std::vector<std::int64_t> expected;
  } const narrower[] = {{"U64", "\x02\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f"s, {2, INT64_MAX}},
                        {"I32", "\xfe\xff\xff\xff\0\0\0\x80"s, {-2, -2147483648}},
                        {"U32", "\xfe\xff\xff\xff\0\0\0\x80"s, {4294967294, 2147483648}},
                        {"I16", "\xfe\xff\x01\x02"s, {-2, 513}},
                        {"U16", "\xfe\xff\x01\x02"s, {65534, 513}},
                        {"I8", "\xfe\x01"s, {-2, 1}},
                        {"U8", "\xfe\x01"s, {254, 1}},
                        {"BOOL", "\x07\0"s, {1, 0}}};
  for (const auto& [dtype, bytes, expected] : narrower) {
    CAPTURE(dtype);
    const std::string header =
        fmt::format(R"({{"n":{{"dtype":"{}","shape":[2],"data_offsets":[0,{}]}}}})", dtype, bytes.size());
    CHECK(read(file_of(header, bytes)).integers.at("n") == Integers{Shape{2}, expected});
  }
  CHECK(complaint(file_of(R"({"n":{"dtype":"U64","shape":[1],"data_offsets":[0,8]}})", "\0\0\0\0\0\0\0\x80"s)) ==
        "FILE: tensor 'n': 9223372036854775808 is beyond the integers of I64");
}

TEST_CASE("safetensors: halves become F32, exactly") {
  struct {
    const char* dtype;
    std::string bytes;
    std::vector<float> expected;
  } const halves[] = {{"F16", "\x00\x3c\x00\xc0\xff\x7b\x55\x35"s, {1, -2, 65504, 0.333251953125f}},
                      {"F16", "\x00\x04\xff\x03\x01\x80\x00\x80"s, {0x1p-14f, 1023 * 0x1p-24f, -0x1p-24f, -0.0f}},
                      {"F16", "\x00\x7c\x00\xfc\x00\x00\xff\x83"s, {INFINITY, -INFINITY, 0, -1023 * 0x1p-24f}},
                      {"BF16", "\x80\x3f\x49\x40\x7f\x7f\x01\x00"s, {1, 3.140625f, 255 * 0x1p120f, 0x1p-133f}},
                      {"BF16", "\x00\x80\x80\x7f\x80\xff\x00\xc0"s, {-0.0f, INFINITY, -INFINITY, -2}}};
  for (const auto& [dtype, bytes, expected] : halves) {
    CAPTURE(dtype);
    const std::string header = fmt::format(R"({{"h":{{"dtype":"{}","shape":[4],"data_offsets":[0,8]}}}})", dtype);
    const Array as_wanted = Array::of(Shape{4}, expected.data());
    CHECK(same_bits(read(file_of(header, bytes)).arrays.at("h"), as_wanted));
    const Tape tape;  // while it lives, denormal floats are 0
    CHECK(same_bits(read(file_of(header, bytes)).arrays.at("h"), as_wanted));
  }
  for (const char* dtype : {"F16", "BF16"}) {
    const std::string header = fmt::format(R"({{"h":{{"dtype":"{}","shape":[2],"data_offsets":[0,4]}}}})", dtype);
    const Array read_back = read(file_of(header, "\xc1\x7f\x01\xfe"s)).arrays.at("h");
    CHECK(std::isnan(read_back.flat(0)));
    CHECK(std::isnan(read_back.flat(1)) == (std::string_view(dtype) == "F16"));
  }
}

TEST_CASE("safetensors: a header that cannot be read") {
  const std::string deep = "{\"a\":" + std::string(100'000, '[');
  struct {
    std::string bytes;
    std::string expected;
  } const cases[] = {
      {"", "FILE: 0 bytes are too few for a safetensors file"},
      {"\x10\0\0\0\0\0\0"s, "FILE: 7 bytes are too few for a safetensors file"},
      {file_of(""), "FILE: byte 8: the header does not begin with '{'"},
      {"\x10\0\0\0\0\0\0\0"s, "FILE: byte 0: a header of 16 bytes is announced, and 0 bytes follow"},
      {"\xff\xff\xff\xff\xff\xff\xff\xff{}"s,
       "FILE: byte 0: a header of 18446744073709551615 bytes is announced, and 2 bytes follow"},
      {"\xf8\xff\xff\xff\xff\xff\xff\xff{}"s,
       "FILE: byte 0: a header of 18446744073709551608 bytes is announced, and 2 bytes follow"},
      {file_of("[]"), "FILE: byte 8: the header does not begin with '{'"},
      {file_of(" {}"), "FILE: byte 8: the header does not begin with '{'"},
      {file_of("\xef\xbb\xbf{}"), "FILE: byte 8: the header does not begin with '{'"},
      {file_of("{}\0"s), "FILE: byte 10: a NUL in the header"},
      {file_of("{},"), "FILE: byte 10: the header is not JSON"},
      {file_of("{\"a\":1,}"), "FILE: byte 15: the header is not JSON"},
      {file_of("{/**/}"), "FILE: byte 9: the header is not JSON"},
      {file_of("{\"a\":"), "FILE: byte 13: the header is not JSON"},
      {file_of("{\"\xc0\xaf\":1}"), "FILE: byte 10: the header is not JSON"},
      {file_of("{\"\xed\xa0\x80\":1}"), "FILE: byte 11: the header is not JSON"},
      {file_of("{\"\\ud800\":1}"), "FILE: byte 16: the header is not JSON"},
      {file_of("{\"a\":1e999}"), "FILE: the header holds a number that is out of range"},
      {file_of(deep), "FILE: the header is nested more than 3 deep"},
      {file_of("{\"a\":{\"x\":{\"y\":{}}}}"), "FILE: the header is nested more than 3 deep"},
      {file_of("{\"__metadata__\":[]}"), "FILE: __metadata__ is not an object"},
      {file_of("{\"__metadata__\":{\"k\":1}}"), "FILE: __metadata__: 'k' is not a string"},
      {file_of("{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}"), "FILE: the header has 'k' twice"},
      {file_of("{\"__metadata__\":{},\"__metadata__\":{}}"), "FILE: the header has '__metadata__' twice"},
  };
  for (const auto& [bytes, expected] : cases) {
    CAPTURE(bytes.substr(0, 40));
    CHECK(complaint(bytes) == expected);
  }
}

TEST_CASE("safetensors: a header that is not a list of tensors") {
  const auto with = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return file_of(fmt::format(R"({{"a":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", dtype, shape, offsets),
                   four_floats);
  };
  const auto f32_with = [&](std::string_view shape, std::string_view offsets) {
    return with("\"F32\"", shape, offsets);
  };
  const char* const bad_shape = "FILE: tensor 'a': 'shape' must be a list of whole numbers from 0 to 2⁶⁴-1";
  const char* const bad_offsets = "FILE: tensor 'a': 'data_offsets' must be a list of whole numbers from 0 to 2⁶⁴-1";
  REQUIRE(read(f32_with("[2,2]", "[0,16]")).arrays.size() == 1);
  struct {
    std::string bytes;
    std::string expected;
  } const cases[] = {
      {file_of("{\"a\":\"F32\"}"), "FILE: tensor 'a': its entry is not an object"},
      {file_of("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}"), bad_shape},
      {file_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[0]}}"), bad_offsets},
      {file_of("{\"a\":{\"shape\":[0],\"data_offsets\":[0,0]}}"), "FILE: tensor 'a': 'dtype' must be a string"},
      {file_of("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"shape\":[0],\"data_offsets\":[0,0]}}"),
       "FILE: the header has 'shape' twice"},
      {with("32", "[2,2]", "[0,16]"), "FILE: tensor 'a': 'dtype' must be a string"},
      {with("\"F8_E4M3\"", "[16]", "[0,16]"),
       "FILE: tensor 'a': dtype 'F8_E4M3' is not supported; F64, F32, F16, BF16, BOOL and integers are"},
      {with("\"字字字字字字字\"", "[8]", "[0,16]"),  // 21 bytes
       "FILE: tensor 'a': dtype '字字字字字字字' is not supported; F64, F32, F16, BF16, BOOL and integers are"},
      {f32_with("4", "[0,16]"), bad_shape},
      {f32_with("[-4]", "[0,16]"), bad_shape},
      {f32_with("[-0]", "[0,0]"), bad_shape},
      {f32_with("[4.0]", "[0,16]"), bad_shape},
      {f32_with("[\"4\"]", "[0,16]"), bad_shape},
      {f32_with("[04]", "[0,16]"), "FILE: byte 38: the header is not JSON"},
      {f32_with("[1,1,1,1,1,1,4]", "[0,16]"), "FILE: tensor 'a': 7 axes; an array has at most 6"},
      {f32_with("[4611686018427387908]", "[0,16]"),
       "FILE: tensor 'a': the size of shape [4611686018427387908] overflows"},
      {f32_with("[4294967295,4294967295,4]", "[0,16]"),
       "FILE: tensor 'a': the size of shape [4294967295, 4294967295, 4] overflows"},
      {f32_with("[0,4294967296]", "[0,0]"), "FILE: tensor 'a': an axis of 4294967296 elements is too long"},
      {f32_with("[5]", "[0,16]"), "FILE: tensor 'a': F32 [5] takes 20 bytes, and its offsets 0 to 16 hold 16"},
      {f32_with("[0]", "[0,16]"), "FILE: tensor 'a': F32 [0] takes 0 bytes, and its offsets 0 to 16 hold 16"},
      {f32_with("[4]", "[0]"), "FILE: tensor 'a': 1 offsets instead of 2"},
      {f32_with("[4]", "[0,8,16]"), "FILE: tensor 'a': 3 offsets instead of 2"},
      {f32_with("[4]", "[0,18446744073709551616]"), bad_offsets},
      {f32_with("[4]", "[16,0]"), "FILE: tensor 'a': its bytes 16 to 0 are not within the 16 bytes of data"},
      {f32_with("[4]", "[8,24]"), "FILE: tensor 'a': its bytes 8 to 24 are not within the 16 bytes of data"},
      {f32_with("[4]", "[18446744073709551608,8]"),
       "FILE: tensor 'a': its bytes 18446744073709551608 to 8 are not within the 16 bytes of data"},
      {f32_with("[0]", "[17,17]"), "FILE: tensor 'a': its bytes 17 to 17 are not within the 16 bytes of data"},
      {f32_with("[3]", "[4,16]"), "FILE: the bytes 0 to 4 of the data belong to no tensor"},
      {f32_with("[3]", "[0,12]"), "FILE: 4 bytes after the last tensor"},
      {file_of("{}", "x"), "FILE: 1 bytes after the last tensor"},
  };
  for (const auto& [bytes, expected] : cases) {
    CAPTURE(bytes.substr(8));
    CHECK(complaint(bytes) == expected);
  }
}

TEST_CASE("safetensors: two tensors that do not share the data") {
  const auto two = [](const char* shape, const char* offsets) {
    return file_of(fmt::format(R"({{"a":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}},)"
                               R"("b":{{"dtype":"F32","shape":{},"data_offsets":{}}}}})",
                               shape, offsets),
                   four_floats);
  };
  CHECK(read(two("[2]", "[8,16]")).arrays.size() == 2);
  CHECK(complaint(two("[2]", "[0,8]")) == "FILE: tensor 'b': its bytes 0 to 8 overlap another tensor, which ends at 8");
  CHECK(complaint(two("[3]", "[4,16]")) ==
        "FILE: tensor 'b': its bytes 4 to 16 overlap another tensor, which ends at 8");
  CHECK(complaint(two("[1]", "[4,8]")) == "FILE: tensor 'b': its bytes 4 to 8 overlap another tensor, which ends at 8");
  CHECK(complaint(two("[0]", "[4,4]")) == "FILE: tensor 'b': its bytes 4 to 4 overlap another tensor, which ends at 8");
  CHECK(complaint(two("[1]", "[12,16]")) == "FILE: the bytes 8 to 12 of the data belong to no tensor");
  CHECK(complaint(two("[1]", "[8,12]")) == "FILE: 4 bytes after the last tensor");
}

TEST_CASE("safetensors: a file cut anywhere is refused") {
  const TemporaryFolder folder;
  Safetensors content;
  content.arrays["a"] = Array::full({3}, f64, 1);
  content.metadata["k"] = "v";
  write_safetensors(folder / "a", content);
  const std::string bytes = bytes_in(folder / "a");
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    write_bytes(folder / "b", bytes.substr(0, length));
    REQUIRE_THROWS_AS(read_safetensors(folder / "b"), FileError);
  }
}

TEST_CASE("safetensors: no memory is asked for what is not in the file") {
  const std::string file =
      file_of(R"({"a":{"dtype":"F64","shape":[4294967295,32],"data_offsets":[0,1099511627520]}})", four_floats);
  const Index before = pool_stats().bytes;
  CHECK(complaint(file) == "FILE: tensor 'a': its bytes 0 to 1099511627520 are not within the 16 bytes of data");
  CHECK(pool_stats().bytes == before);
}

TEST_CASE("safetensors: no file to read") {
  const TemporaryFolder folder;
  CHECK(message_of<FileError>([&] { read_safetensors(folder / "a"); }, folder / "a") ==
        "FILE: cannot be opened: No such file or directory");
  CHECK(message_of<FileError>([&] { read_safetensors(folder.path()); }, folder.path()) ==
        "FILE: cannot be read: not a regular file");
}

TEST_CASE("safetensors: what cannot be written") {
  const Array one = Array::full({1}, f32, 1);
  const auto with_array = [](const std::string& name, const Array& array) {
    Safetensors content;
    content.arrays[name] = array;
    return content;
  };
  const auto with_text = [](const std::string& key, const std::string& text) {
    Safetensors content;
    content.metadata[key] = text;
    return content;
  };
  CHECK(usage_complaint(with_array("__metadata__", one)) == "safetensors: no tensor can be named '__metadata__'");
  CHECK(usage_complaint(with_array("a", Array())) == "safetensors: array 'a' is empty: it was never given a value");
  CHECK(usage_complaint(with_array("\xff", one)) == "safetensors: the name '\xff' is not UTF-8");
  CHECK(usage_complaint(with_text("\xff", "")) == "safetensors: the key '\xff' is not UTF-8");
  CHECK(usage_complaint(with_text("k", "\xed\xa0\x80")) == "safetensors: the text of 'k' is not UTF-8");
  Safetensors content = with_array("a", one);
  content.integers["a"] = {Shape{1}, {1}};
  CHECK(usage_complaint(content) == "safetensors: 'a' names an array and integers");
  content.integers = {{"b", {Shape{2}, {1}}}};
  CHECK(usage_complaint(content) == "safetensors: the 1 integers of 'b' do not fill [2]");
}
