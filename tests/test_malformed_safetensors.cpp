// Files that no reader should fall over, each loaded into a live model.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <thread>

#include <unroll/io/checkpoint.h>
#include <unroll/optim/adam.h>

#include <unroll/tests/allocations.h>
#include <unroll/tests/malformed_files.h>
#include <unroll/tests/temporary_folder.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

std::string bits_of(const Array& array) {
  return dispatch(array.dtype(), [&]<class T>(T) {
    return std::string(reinterpret_cast<const char*>(array.data<T>()), array.size() * sizeof(T));
  });
}

/// Legal files that are refused because an Array cannot hold what is in them: how the error says so.
const std::map<std::string, std::string> what_no_array_holds{
    {"ok_zero_times_huge.safetensors", "an axis of 1099511627776 elements is too long"}};

/// A model in the middle of its training.
struct Live {
  Params params{7};
  Param w = Scope(params)("w", {3, 4}, normal(1)), b = Scope(params)("b", {4}, normal(1));
  Adam adam;
  Random random{9};

  Live() {
    Grads grads;
    grads.insert(w, Array::full({3, 4}, f32, 0.5));
    grads.insert(b, Array::full({4}, f32, -2));
    for (int i = 0; i < 3; ++i) adam.step(params, grads);
  }

  /// What a program does to go on with a training: copies first, the parameters last, as checkpoint.h says.
  void load_from(const std::filesystem::path& path) {
    const Checkpoint checkpoint = load(path);
    const NamedArrays arrays = get_arrays(checkpoint, "adam");
    Adam next_adam = adam;
    next_adam.restore(params, {arrays.begin(), arrays.end()});
    Random next_random = random;
    restore_random(checkpoint, "random", next_random);
    restore_params(checkpoint, params);
    adam = std::move(next_adam);
    random = next_random;
  }
  /// All of it, as a file.
  Checkpoint content() const {
    Checkpoint checkpoint;
    put_params(checkpoint, params);
    const OptimizerState state = adam.state(params);
    put_arrays(checkpoint, "adam", {state.begin(), state.end()});
    put_random(checkpoint, "random", random);
    return checkpoint;
  }

  std::string bits() const {
    std::string all;
    for (const Param& param : params) all += bits_of(param.value());
    for (const auto& [name, array] : adam.state(params)) all += name + bits_of(array);
    for (const std::uint64_t word : random.state()) all += std::to_string(word);
    return all;
  }
};

Index longest_string(const std::string& header) {
  Index longest = 0, begin = 0;
  for (Index end; (end = header.find('"', begin)) != header.npos; begin = end + 1)
    longest = std::max(longest, end - begin);
  return longest;
}

/// The most memory, in bytes, that the heap and the pools took while `f` ran on a thread with an empty pool.
template <class F>
Index memory_taken(F f) {
  const Index pool = pool_stats().bytes, heap = heap_bytes();
  reset_heap_peak();
  std::thread(f).join();
  return heap_peak() - heap + pool_stats().bytes - pool;
}

}  // namespace

TEST_CASE("malformed safetensors: every verdict, and a model that stays what it was") {
  const TemporaryFolder folder;
  const std::vector<FileCase> cases = file_cases("safetensors");
  REQUIRE(cases.size() == 95);
  Live model;
  const std::string before = model.bits();
  int accepted = 0, refused = 0;
  for (const FileCase& c : cases) {
    CAPTURE(c.file);
    CAPTURE(c.why);
    const auto path = folder / c.file;
    write_bytes(path, c.bytes());
    const std::string message = message_of<FileError>([&] { read_safetensors(path); }, path);
    const bool accepts = message == "nothing was thrown";
    ++(accepts ? accepted : refused);
    if (const auto beyond = what_no_array_holds.find(c.file); beyond != what_no_array_holds.end()) {
      CHECK(message.find(beyond->second) != message.npos);
    } else if (c.wanted != "accept-or-clean-error") {
      CHECK(accepts == (c.wanted == "accept"));
    }
    if (c.wanted == "unsupported") CHECK(message.find("is not supported") != message.npos);
    // Also a file that is read well is none of this model's: it has no moments of its optimizer.
    const std::string told = message_of<Error>([&] { model.load_from(path); }, path);
    CAPTURE(told);
    CHECK((accepts ? told == "Adam: 'w/steps' is missing in the saved state" : told == message));
    CHECK((accepts || message.starts_with("FILE")));
    CHECK(message.size() > std::string_view("FILE: x").size());
    CHECK(message.size() < 1000);
    CHECK(model.bits() == before);
  }
  CHECK(accepted + refused == 95);
  CHECK(accepted >= 13);
}

TEST_CASE("malformed safetensors: a file that fits up to its last part") {
  const TemporaryFolder folder;
  Live model, other;
  Grads grads;
  grads.insert(other.w, Array::full({3, 4}, f32, 1));
  other.adam.step(other.params, grads);
  other.random.uniform();
  const std::string before = model.bits();
  const auto refuses = [&](const std::string& name, auto spoil) {
    CAPTURE(name);
    Checkpoint checkpoint = other.content();
    spoil(checkpoint);
    save(folder / name, checkpoint);
    CHECK_THROWS_AS(model.load_from(folder / name), Error);
    CHECK(model.bits() == before);
  };
  refuses("no b", [](Checkpoint& c) { c.arrays.erase("b"); });
  refuses("w of another shape", [](Checkpoint& c) { c.arrays["w"] = Array::zeros({4, 3}, f32); });
  refuses("a parameter too many", [](Checkpoint& c) { c.arrays["z"] = Array::zeros({1}, f32); });
  refuses("no moment", [](Checkpoint& c) { c.arrays.erase("adam/b/second_moment"); });
  refuses("a moment of another shape",
          [](Checkpoint& c) { c.arrays["adam/b/second_moment"] = Array::zeros({3}, f32); });
  refuses("a moment too many", [](Checkpoint& c) { c.arrays["adam/z/steps"] = Array::zeros({}, f64); });
  refuses("half a step", [](Checkpoint& c) { c.arrays["adam/b/steps"] = Array::full({}, f64, 2.5); });
  refuses("no random state", [](Checkpoint& c) { c.metadata.erase("random"); });
  refuses("a random state of three words", [](Checkpoint& c) {
    std::string& words = c.metadata.at("random");
    words.resize(words.rfind(' '));
  });
  save(folder / "good", other.content());
  model.load_from(folder / "good");
  CHECK(model.bits() == other.bits());
}

// The parser keeps the string it reads twice, in memory that grows by doubling: that is the longest string's part.
TEST_CASE("malformed safetensors: memory is at most three times the file, besides what each tensor takes") {
  const TemporaryFolder folder;
  for (const FileCase& c : file_cases("safetensors")) {
    CAPTURE(c.file);
    const auto path = folder / c.file;
    const std::string bytes = c.bytes();
    write_bytes(path, bytes);
    Index tensors = 0;
    for (auto at = bytes.find("\"dtype\""); at != bytes.npos; at = bytes.find("\"dtype\"", at + 1)) ++tensors;
    const Index taken = memory_taken([&] {
      try {
        read_safetensors(path);
      } catch (const FileError&) {}
    });
    CAPTURE(bytes.size());
    CHECK(taken <= 3 * bytes.size() + 2 * longest_string(bytes) + 1024 * tensors + 32'768);
  }
}

TEST_CASE("malformed safetensors: memory of large files") {
  const TemporaryFolder folder;
  const auto check = [&](const std::string& what, const std::string& header, std::size_t data, Index more = 0) {
    CAPTURE(what);
    std::string bytes(8, '\0');
    const std::uint64_t length = header.size();
    std::memcpy(bytes.data(), &length, 8);
    bytes += header;
    bytes.resize(bytes.size() + data);
    write_bytes(folder / "large", bytes);
    const Index taken = memory_taken([&] {
      try {
        read_safetensors(folder / "large");
      } catch (const FileError&) {}
    });
    CHECK(taken <= 3 * bytes.size() + 2 * longest_string(header) + more);
  };
  const std::size_t large = 8'000'000;
  const auto repeated = [](const std::string& piece, std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) all += piece;
    return all;
  };
  check("floats", R"({"a":{"dtype":"F32","shape":[2000000],"data_offsets":[0,8000000]}})", large);
  check("integers", R"({"a":{"dtype":"I64","shape":[1000000],"data_offsets":[0,8000000]}})", large);
  check("a shape of many axes", R"({"a":{"dtype":"F32","shape":[)" + repeated("1,", large / 2) + "1]}}", 0);
  check("a list nobody asks for", R"({"a":{"other":[)" + repeated("1,", large / 2) + "1]}}", 0);
  const auto numbered = [](const char* form, Index count) {
    std::string all;
    for (Index i = 0; i < count; ++i) all += fmt::format(fmt::runtime(form), fmt::format("{:06}", i), 4 * i, 4 * i + 4);
    return all;
  };
  check("empty objects", "{" + numbered(R"("{}":{{}},)", large / 12) + R"("a":{}})", 0);
  const Index many = 200'000;
  check("short texts", R"({"__metadata__":{)" + numbered(R"("{}":"",)", many) + R"("a":""}})", 0, 130 * many);
  std::string small = numbered(R"("{}":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}},)", many);
  small.back() = '}';
  check("small tensors", "{" + small, 4 * many, 1024 * many);
  check("a long name", "{\"" + std::string(large, 'n') + "\":{}}", 0);
  check("a long dtype", R"({"a":{"dtype":")" + std::string(large, 'n') + "\"}}", 0);
  check("a long text", R"({"__metadata__":{"a":")" + std::string(large, 'n') + "\"}}", 0);
}

TEST_CASE("malformed safetensors: a file that may not be read") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {});
  std::filesystem::permissions(folder / "a", std::filesystem::perms(0200));
  const Unprivileged somebody;
  CHECK(message_of<FileError>([&] { read_safetensors(folder / "a"); }, folder / "a") ==
        "FILE: cannot be opened: Permission denied");
}
