// Learning rates over 60 steps, from the base rate 0.1.
#include <unroll/optim/schedule.h>

#include "case.h"

namespace unroll::agreement {
namespace {

constexpr double base = 0.1, base_momentum = 0.9;

void add(Tasks& tasks, const std::string& op, const std::function<Schedule(const json&)>& make) {
  tasks["torch/sched/" + op] = [make](Check& check) {
    const Schedule rate = make(check.c.attrs);
    Array rates = Array::zeros(check.c.shape("output/lr"), f64);
    for (Index k = 0; k < rates.size(); ++k) rates.set_flat(k, rate(k));
    check.compare("output/lr", rates);
    check.compare("output/momentum", Array::full(rates.shape(), f64, base_momentum));  // which no schedule touches
  };
}

}  // namespace

void add_torch_schedules(Tasks& tasks) {
  add(tasks, "StepLR", [](const json& a) { return StepRate{base, a["step_size"], a["gamma"]}; });
  add(tasks, "ExponentialLR", [](const json& a) { return StepRate{base, 1, a["gamma"]}; });
  add(tasks, "ConstantLR", [](const json& a) {
    const double factor = a["factor"];
    return [factor, until = a["total_iters"].get<Index>()](Index k) { return k < until ? factor * base : base; };
  });
  add(tasks, "LinearLR", [](const json& a) {
    return LinearRate{base * a["start_factor"].get<double>(), base * a["end_factor"].get<double>(), a["total_iters"]};
  });
  add(tasks, "CosineAnnealingLR", [](const json& a) { return CosineRate{base, a["eta_min"], a["T_max"]}; });
  add(tasks, "CosineAnnealingWarmRestarts", [](const json& a) {
    require(a["T_mult"] == 1, "restarts of another length");
    const Index period = a["T_0"];
    return [rate = CosineRate{base, a["eta_min"], period}, period](Index k) { return rate(k % period); };
  });
  add(tasks, "SequentialLR", [](const json& a) {
    const Index first = a["milestone"];
    return [first, up = LinearRate{0.1 * base, base, first}, down = CosineRate{base, 0, 50}](Index k) {
      return k < first ? up(k) : down(k - first);
    };
  });
}

}  // namespace unroll::agreement
