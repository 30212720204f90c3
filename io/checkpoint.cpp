#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <ranges>

#include <unroll/io/checkpoint.h>

namespace unroll {
namespace {

using nlohmann::json;

bool names_parameter(const std::string& name) { return name.find('/') == name.npos; }

std::string hexadecimal(const Random::State& state) { return fmt::format("{:016x}", fmt::join(state, " ")); }

/// Takes a list of strings from the parser's events. A list that the parser built would ask for memory when it ends,
/// and where there is none end the program.
class StringList : public nlohmann::json_sax<json> {
 public:
  std::vector<std::string> strings;

  bool null() override { return false; }
  bool boolean(bool) override { return false; }
  bool number_integer(number_integer_t) override { return false; }
  bool number_unsigned(number_unsigned_t) override { return false; }
  bool number_float(number_float_t, const string_t&) override { return false; }
  bool binary(binary_t&) override { return false; }
  bool string(string_t& value) override {
    strings.push_back(std::move(value));
    return in_list_;
  }
  bool start_object(std::size_t) override { return false; }
  bool key(string_t&) override { return false; }
  bool end_object() override { return false; }
  bool start_array(std::size_t) override { return !std::exchange(in_list_, true); }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override { return false; }

 private:
  bool in_list_ = false;
};

}  // namespace

void save(const std::filesystem::path& path, const Checkpoint& checkpoint) { write_safetensors(path, checkpoint); }

Checkpoint load(const std::filesystem::path& path) { return {read_safetensors(path), path.string()}; }

void put_params(Checkpoint& checkpoint, const Params& params) {
  for (const Param& param : params) checkpoint.arrays[param.name()] = param.value();
}

void restore_params(const Checkpoint& checkpoint, Params& params) {
  std::vector<Array> values;
  std::string misfits;
  for (const Param& param : params) {
    const auto found = checkpoint.arrays.find(param.name());
    if (found == checkpoint.arrays.end()) {
      misfits += fmt::format("\n  '{}' {} is missing", param.name(), param.shape());
    } else if (found->second.shape() != param.shape()) {
      misfits += fmt::format("\n  '{}' is {} and should be {}", param.name(), found->second.shape(), param.shape());
    } else {
      values.push_back(found->second.to(param.dtype()));
    }
  }
  const auto report_unused = [&](const std::string& name, const Shape& shape, const char* kind) {
    misfits += fmt::format("\n  '{}' {}{} is unused", name, shape, kind);
  };
  for (const auto& [name, array] : checkpoint.arrays) {
    if (names_parameter(name) && !params.contains(name)) report_unused(name, array.shape(), "");
  }
  for (const auto& [name, integers] : checkpoint.integers) {
    if (names_parameter(name)) report_unused(name, integers.shape, " of integers");
  }
  require<FileError>(misfits.empty(), "{} does not fit the model:{}", checkpoint.source, misfits);
  for (auto value = values.begin(); const Param& param : params) param.set(std::move(*value++));
}

void put_arrays(Checkpoint& checkpoint, std::string_view group, const NamedArrays& arrays) {
  for (const auto& [name, array] : arrays) checkpoint.arrays[fmt::format("{}/{}", group, name)] = array;
}

NamedArrays get_arrays(const Checkpoint& checkpoint, std::string_view group) {
  const std::string prefix = fmt::format("{}/", group);
  NamedArrays arrays;
  for (auto at = checkpoint.arrays.lower_bound(prefix); at != checkpoint.arrays.end() && at->first.starts_with(prefix);
       ++at) {
    arrays.emplace_back(at->first.substr(prefix.size()), at->second);
  }
  return arrays;
}

const std::string& get_text(const Checkpoint& checkpoint, const std::string& name) {
  const auto found = checkpoint.metadata.find(name);
  require<FileError>(found != checkpoint.metadata.end(), "{}: there is no text '{}'; there are: {}", checkpoint.source,
                     name, fmt::join(std::views::keys(checkpoint.metadata), ", "));
  return found->second;
}

void put_strings(Checkpoint& checkpoint, const std::string& name, const std::vector<std::string>& strings) {
  try {
    std::string list = "[";
    for (const std::string& string : strings) {
      if (list.size() > 1) list += ',';
      list += json(string).dump();
    }
    checkpoint.metadata[name] = list + ']';
  } catch (const json::type_error&) {
    throw UsageError(fmt::format("put_strings: '{}' holds a string that is not UTF-8", name));
  }
}

std::vector<std::string> get_strings(const Checkpoint& checkpoint, const std::string& name) {
  StringList list;
  require<FileError>(json::sax_parse(get_text(checkpoint, name), &list), "{}: '{}' is not a list of strings",
                     checkpoint.source, name);
  return std::move(list.strings);
}

void put_random(Checkpoint& checkpoint, const std::string& name, const Random& random) {
  checkpoint.metadata[name] = hexadecimal(random.state());
}

void restore_random(const Checkpoint& checkpoint, const std::string& name, Random& random) {
  const std::string& text = get_text(checkpoint, name);
  Random::State state{};
  if (text.size() == hexadecimal(state).size()) {
    const char* word = text.data();
    for (Index i = 0; i < state.size(); ++i, word += 17) std::from_chars(word, word + 16, state[i], 16);
  }
  require<FileError>(text == hexadecimal(state) && state != Random::State{},
                     "{}: '{}' is not a random state of four hexadecimal words, one at least above 0",
                     checkpoint.source, name);
  random.restore(state);
}

}  // namespace unroll
