// Learning rates over 60 steps, from the base rate 0.1.
#include <unroll/optim/plateau.h>
#include <unroll/optim/schedule.h>

#include "case.h"

namespace unroll::agreement {
namespace {

constexpr double base = 0.1, base_momentum = 0.9;

using Curve = Schedule;  // of the rate, or of the momentum

/// The rate of every step, and the momentum where a schedule moves that too.
void add_both(Tasks& tasks, const std::string& op, const std::function<std::pair<Curve, Curve>(const json&)>& make) {
  tasks["torch/sched/" + op] = [make](Check& check) {
    const auto [rate, momentum] = make(check.c.attrs);
    Array rates = Array::zeros(check.c.shape("output/lr"), f64), momenta = rates.copy();
    for (Index k = 0; k < rates.size(); ++k) {
      rates.set_flat(k, rate(k));
      momenta.set_flat(k, momentum(k));
    }
    check.compare("output/lr", rates);
    check.compare("output/momentum", momenta);
  };
}

void add(Tasks& tasks, const std::string& op, const std::function<Schedule(const json&)>& make) {
  add_both(tasks, op, [make](const json& a) { return std::pair<Curve, Curve>(make(a), ConstantRate{base_momentum}); });
}

/// A schedule with a momentum of its own, which some cases leave alone.
template <class Rate>
std::pair<Curve, Curve> with_momentum(const json& a, const Rate& rate) {
  if (!a["cycle_momentum"]) return {rate, ConstantRate{base_momentum}};
  return {rate, [rate](Index k) { return rate.momentum(k); }};
}

std::pair<Curve, Curve> one_cycle(const json& a) {
  OneCycleRate rate{.peak = a["max_lr"],
                    .rise = a["pct_start"],
                    .anneal = a["anneal_strategy"] == "cos" ? Anneal::cosine : Anneal::linear,
                    .three_phases = a["three_phase"],
                    .start_divisor = a["div_factor"],
                    .end_divisor = a["final_div_factor"],
                    .low_momentum = a["base_momentum"],
                    .high_momentum = a["max_momentum"]};
  const auto steps = [&](const char* attr) { return a[attr].get<Index>(); };
  rate.steps = a.contains("total_steps") ? steps("total_steps") : steps("epochs") * steps("steps_per_epoch");
  return with_momentum(a, rate);
}

std::pair<Curve, Curve> cyclic(const json& a) {
  CyclicRate rate{.low = a["base_lr"],
                  .high = a["max_lr"],
                  .up = a["step_size_up"],
                  .down = a.value("step_size_down", Index{0}),
                  .low_momentum = a["base_momentum"],
                  .high_momentum = a["max_momentum"]};
  if (a["mode"] == "triangular2") rate.cycle_factor = 0.5;
  if (a["mode"] == "exp_range") rate.step_factor = a["gamma"];
  return with_momentum(a, rate);
}

/// Rate k is that before metric k is known.
void run_plateau(Check& check) {
  const json& a = check.c.attrs;
  Plateau plateau({.rate = base,
                   .factor = a["factor"],
                   .patience = a["patience"],
                   .better = a["mode"] == "min" ? PlateauOptions::Better::smaller : PlateauOptions::Better::larger,
                   .threshold = a["threshold"],
                   .threshold_kind = a["threshold_mode"] == "rel" ? PlateauOptions::Threshold::relative
                                                                  : PlateauOptions::Threshold::absolute,
                   .cooldown = a["cooldown"],
                   .floor = a["min_lr"],
                   .least_change = a["eps"]});
  Array rates = Array::zeros(check.c.shape("output/lr"), f64);
  const std::vector<double> metrics = check.c.values("input/metric");
  for (Index k = 0; k < rates.size(); ++k) {
    rates.set_flat(k, plateau.rate());
    plateau.observe(metrics[k]);
  }
  check.compare("output/lr", rates);
  check.compare("output/momentum", Array::full(rates.shape(), f64, base_momentum));
}

}  // namespace

void add_torch_schedules(Tasks& tasks) {
  add(tasks, "StepLR", [](const json& a) { return StepRate{base, a["step_size"], a["gamma"]}; });
  add(tasks, "ExponentialLR", [](const json& a) { return ExponentialRate{base, a["gamma"]}; });
  add(tasks, "MultiStepLR", [](const json& a) { return MilestoneRate{base, a["milestones"], a["gamma"]}; });
  add(tasks, "ConstantLR", [](const json& a) {
    const double factor = a["factor"];
    return [factor, until = a["total_iters"].get<Index>()](Index k) { return k < until ? factor * base : base; };
  });
  add(tasks, "LinearLR", [](const json& a) {
    return LinearRate{base * a["start_factor"].get<double>(), base * a["end_factor"].get<double>(), a["total_iters"]};
  });
  add(tasks, "CosineAnnealingLR", [](const json& a) { return CosineRate{base, a["eta_min"], a["T_max"]}; });
  add(tasks, "CosineAnnealingWarmRestarts", [](const json& a) {
    return RestartingCosineRate{base, a["eta_min"], a["T_0"], a["T_mult"]};
  });
  add(tasks, "SequentialLR", [](const json& a) {
    const Index first = a["milestone"];
    return InTurn{{LinearRate{0.1 * base, base, first}, CosineRate{base, 0, 50}}, {first}};
  });
  add_both(tasks, "OneCycleLR", one_cycle);
  add_both(tasks, "CyclicLR", cyclic);
  tasks["torch/sched/ReduceLROnPlateau"] = run_plateau;
}

}  // namespace unroll::agreement
