// Checkpoints: one .safetensors file with everything a run needs to go on, or a model to be used.
#pragma once

#include <charconv>
#include <concepts>
#include <string_view>
#include <utility>

#include <unroll/core/params.h>
#include <unroll/io/safetensors.h>

namespace unroll {

/// Parameters are arrays under their own names (`lm.cell.wx`). All other arrays belong to groups, with the group and a
/// '/' before the name (`optimizer/lm.cell.wx/steps`). Texts are entries of the metadata; numbers, lists of strings and
/// random states are kept as such texts.
///
///     Checkpoint checkpoint;
///     put_params(checkpoint, params);
///     put_arrays(checkpoint, "optimizer", adam.state(params));
///     put_strings(checkpoint, "vocab", tokens);
///     put_number(checkpoint, "step", step);
///     put_random(checkpoint, "random", random);
///     checkpoint.metadata["cell"] = "lstm";
///     save("lm.safetensors", checkpoint);
///
/// Each call that restores something changes nothing if it fails. So that all of them together do: restore copies of the
/// optimizer and of the random numbers, then the parameters, and then put the copies in their place.
struct Checkpoint : Safetensors {
  std::string source = "checkpoint";  ///< what errors call it: the path it was loaded from
};

/// Errors: as write_safetensors; an existing file stays whole until the new one is.
void save(const std::filesystem::path& path, const Checkpoint& checkpoint);
/// Errors: as read_safetensors.
Checkpoint load(const std::filesystem::path& path);

/// Takes the values as they are now.
void put_params(Checkpoint& checkpoint, const Params& params);
/// Sets every parameter to the value saved under its name. f32 becomes f64 exactly, f64 becomes the nearest f32.
/// Errors: FileError that lists each parameter without an array, each array without a '/' in its name that no parameter
/// has, and each pair of different shapes; then no parameter was changed.
void restore_params(const Checkpoint& checkpoint, Params& params);

using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// Named arrays, such as an optimizer's state, under `group`.
void put_arrays(Checkpoint& checkpoint, std::string_view group, const NamedArrays& arrays);
/// The arrays of a group under their own names, sorted by them; none if there is no such group.
NamedArrays get_arrays(const Checkpoint& checkpoint, std::string_view group);

/// Errors: FileError if there is no text of that name; it lists those that there are.
const std::string& get_text(const Checkpoint& checkpoint, const std::string& name);

/// Strings of any UTF-8, also with line ends, NULs and quotes. Errors: UsageError for one that is not UTF-8.
void put_strings(Checkpoint& checkpoint, const std::string& name, const std::vector<std::string>& strings);
/// Errors: FileError if there is no such text or it is not a list of strings.
std::vector<std::string> get_strings(const Checkpoint& checkpoint, const std::string& name);

/// All four words of the state, in hexadecimal.
void put_random(Checkpoint& checkpoint, const std::string& name, const Random& random);
/// Errors: FileError if there is no such text or it is not four words; then `random` was not changed.
void restore_random(const Checkpoint& checkpoint, const std::string& name, Random& random);

template <class T>
concept Number = (std::integral<T> || std::floating_point<T>)&&!std::same_as<T, bool> && !std::same_as<T, char>;

/// A number, kept exactly.
template <Number T>
void put_number(Checkpoint& checkpoint, const std::string& name, T value) {
  checkpoint.metadata[name] = fmt::format("{}", value);
}
/// Errors: FileError if there is no such text or a `T` cannot hold it.
template <Number T>
T get_number(const Checkpoint& checkpoint, const std::string& name) {
  const std::string& text = get_text(checkpoint, name);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require<FileError>(error == std::errc() && end == text.data() + text.size(),
                     "{}: '{}' is \"{}\", which is no number of the expected kind", checkpoint.source, name, text);
  return value;
}

}  // namespace unroll
