// A file that is read can be written, and what was written reads the same and is written the same.
#include "safetensors_input.h"

using namespace unroll;
using namespace unroll::fuzzing;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes = safetensors_file(view(data, size));
  const auto path = file("in.safetensors", bytes);
  const auto content = unless_refused<FileError>([&] { return read_safetensors(path); });
  if (!content) return 0;

  Index elements = 0;
  for (const auto& [name, array] : content->arrays) {
    promise(valid_utf8(name), "names are UTF-8");
    promise(array.defined() && array.contiguous(), "arrays are whole");
    elements += array.size();
  }
  for (const auto& [name, integers] : content->integers) {
    promise(valid_utf8(name), "names are UTF-8");
    promise(integers.values.size() == integers.shape.size(), "integers fill their shape");
    promise(!content->arrays.contains(name), "a name stands for one tensor");
    elements += integers.values.size();
  }
  for (const auto& [key, text] : content->metadata) promise(valid_utf8(key) && valid_utf8(text), "texts are UTF-8");
  promise(elements <= bytes.size(), "no element comes from outside of the file");

  const auto out = path.parent_path() / "out.safetensors";
  write_safetensors(out, *content);
  const std::string written = bytes_in(out);
  const Safetensors again = read_safetensors(out);
  promise(same_bits(*content, again), "what was written is read again");
  write_safetensors(out, again);
  promise(bytes_in(out) == written, "the same content gives the same bytes");
  return 0;
}
