// Saves one of two checkpoints, for tests/faults/checkpoint_faults.py: save_checkpoint PATH old|new, or checks which of
// them a file is: save_checkpoint --check PATH. Ends with 0 when it is done, with 1 and the reason on stderr when not.
#include <cstring>

#include <unroll/io/checkpoint.h>

using namespace unroll;

namespace {

/// The new one is larger than the old one, and both are larger than a page.
Checkpoint checkpoint(bool is_new) {
  Checkpoint all;
  all.arrays["model.w"] = Array::full({is_new ? Index{400} : Index{300}, 10}, f32, is_new ? 2 : 1);
  all.arrays["model.b"] = Array::full({10}, f64, is_new ? 2 : 1);
  all.arrays["optimizer/model.w/steps"] = Array::full({}, f64, is_new ? 2 : 1);
  all.metadata["which"] = is_new ? "new" : "old";
  all.metadata["text"] = std::string(30'000, 'x');  // so that the header takes several reads
  return all;
}

int check(const char* path) {
  const Checkpoint found = load(path);
  const std::string which = get_text(found, "which");
  const Checkpoint expected = checkpoint(which == "new");
  require<FileError>(found.arrays.size() == expected.arrays.size(), "{}: {} arrays", path, found.arrays.size());
  for (const auto& [name, array] : expected.arrays) {
    const Array& other = found.arrays.at(name);
    bool same = other.shape() == array.shape();
    for (Index i = 0; same && i < array.size(); ++i) same = other.flat(i) == array.flat(i);
    require<FileError>(same, "{}: '{}' is another", path, name);
  }
  fmt::print("{}\n", which);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::strcmp(argv[1], "--check") == 0) return check(argv[2]);
    require<UsageError>(argc == 3, "usage: save_checkpoint PATH old|new, or save_checkpoint --check PATH");
    save(argv[1], checkpoint(std::strcmp(argv[2], "new") == 0));
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
