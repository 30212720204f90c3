// The cases that are not run, and why.
#pragma once

#include <string>
#include <vector>

namespace unroll::agreement {

struct LeftOut {
  std::string reason;
  std::vector<std::string> cases;  // paths; a * at the end stands for any rest
};

const std::vector<LeftOut>& left_out();

/// Whether `path` is what the pattern says.
bool matches(const std::string& pattern, const std::string& path);

}  // namespace unroll::agreement
