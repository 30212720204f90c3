// Runs a harness over the files of a folder, in any build and without libFuzzer: replay FOLDER…
#include <algorithm>
#include <vector>

#include "fuzzing.h"

int main(int count, char** arguments) {
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < count; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(arguments[i])) paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  for (const auto& path : paths) {
    std::printf("%s\n", path.filename().c_str());  // the last one printed is the one that failed
    std::fflush(stdout);
    const std::string bytes = bytes_in(path);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  std::printf("%zu inputs\n", paths.size());
  return paths.empty() ? 1 : 0;
}
