// Runs every reference case of PyTorch, Keras and ONNX that unroll has the means for, and counts them.
//
//     unroll_agreement [PART]     only the cases whose path holds PART, and what happens to those that are left out
//
// It fails when a case neither agrees nor is left out, when one that is left out agrees, and when what is left out does
// not exist.
#include <cstdio>

#include "case.h"
#include "left_out.h"

using namespace unroll;
using namespace unroll::agreement;

namespace {

Tasks all_tasks() {
  Tasks tasks;
  for (const auto add :
       {add_torch_recurrent, add_torch_elementwise, add_torch_reductions, add_torch_shape, add_torch_losses,
        add_torch_optimizers, add_torch_schedules, add_torch_trainings, add_keras_recurrent, add_keras_training,
        add_onnx_nodes, add_onnx_optimizers, add_onnx_recurrent}) {
    add(tasks);
  }
  return tasks;
}

/// What disagreed; empty when nothing did.
std::vector<std::string> problems_of(const Case& c, const Tasks& tasks) {
  const auto task = tasks.find(c.task());
  if (task == tasks.end()) return {"nothing runs " + c.task()};
  Check check{c};
  try {
    task->second(check);
    check.require_all_compared();
  } catch (const std::exception& error) { check.problems.push_back(error.what()); }
  return check.problems;
}

struct Count {
  Index passed = 0, left_out = 0, failed = 0;
};

int run(const std::string& part) {
  const Tasks tasks = all_tasks();
  std::map<std::string, Count> counts;
  std::map<std::string, std::vector<std::string>> by_reason;
  std::set<std::string> used;  // of the patterns
  Count total;
  for (const char* origin : {"torch", "keras", "onnx"}) {
    for (const Case& c : read_cases(origin)) {
      if (c.path().find(part) == std::string::npos) continue;
      const LeftOut* reason = nullptr;
      for (const LeftOut& entry : left_out()) {
        for (const std::string& pattern : entry.cases) {
          if (!matches(pattern, c.path())) continue;
          reason = &entry;
          used.insert(pattern);
        }
      }
      Count& count = counts[c.origin + "/" + c.group];
      auto problems = problems_of(c, tasks);
      if (reason != nullptr) {
        by_reason[reason->reason].push_back(c.path());
        if (problems.empty()) {
          problems = {"it is left out, but agrees"};
        } else {
          ++count.left_out, ++total.left_out;
          if (!part.empty()) std::printf("left out %s: %s\n", c.path().c_str(), problems[0].c_str());
          continue;
        }
      }
      ++(problems.empty() ? count.passed : count.failed);
      ++(problems.empty() ? total.passed : total.failed);
      for (const std::string& problem : problems) std::printf("FAILED %s: %s\n", c.path().c_str(), problem.c_str());
    }
  }
  for (const LeftOut& entry : left_out()) {
    for (const std::string& pattern : entry.cases) {
      if (part.empty() && !used.contains(pattern)) {
        std::printf("FAILED %s: it is left out, but there is no such case\n", pattern.c_str());
        ++total.failed;
      }
    }
  }
  for (const auto& [reason, paths] : by_reason) {
    std::printf("left out, %zu: %s\n", paths.size(), reason.c_str());
    for (const std::string& path : paths) std::printf("    %s\n", path.c_str());
  }
  for (const auto& [group, count] : counts) {
    std::printf("%-20s %4zu passed %4zu left out %4zu failed\n", group.c_str(), count.passed, count.left_out,
                count.failed);
  }
  std::printf("%-20s %4zu passed %4zu left out %4zu failed\n", "all", total.passed, total.left_out, total.failed);
  return total.failed == 0 && total.passed > 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(count > 1 ? arguments[1] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "unroll_agreement: %s\n", error.what());
    return 1;
  }
}
