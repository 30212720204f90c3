// ONNX's nodes that are one step of an optimizer.
#include "optimizers.h"

namespace unroll::agreement {
namespace {

struct Node {
  std::unique_ptr<Optimizer> optimizer;
  std::vector<std::string> moments;  // in the node's order
  double steps;                      // that the state has made, for the node's count
};

using Make = std::function<Node(double rate, double count, const json& attributes)>;

/// The inputs are the rate and the count of updates before this one, and then for all parameters x, g, and each moment;
/// the outputs are x and each moment.
void run_step(Check& check, const Make& make) {
  const Case& c = check.c;
  const json& node = c.attrs["nodes"][0];
  const auto input = [&](Index i) { return c.array("input/" + node[1][i].get<std::string>()); };
  const auto output = [&](Index i) { return "output/" + node[2][i].get<std::string>(); };
  const auto [optimizer, moments, steps] = make(input(0).item(), input(1).item(), node[3]);
  const Index n = (node[1].size() - 2) / (2 + moments.size());
  Params params(0, f64);
  Grads grads;
  OptimizerState state;
  for (Index i = 0; i < n; ++i) {
    const Array x = input(2 + i);
    const Param p = Scope(params)("p" + std::to_string(i), x.shape(), zero);
    p.set(x);
    grads.insert(p, input(2 + n + i));
    state[p.name() + "/steps"] = Array::full({}, f64, steps);
    for (Index m = 0; m < moments.size(); ++m) state[p.name() + "/" + moments[m]] = input(2 + (2 + m) * n + i);
  }
  optimizer->restore(params, state);
  optimizer->step(params, grads);
  state = optimizer->state(params);
  for (Index i = 0; i < n; ++i) {
    const Param& p = params["p" + std::to_string(i)];
    check.compare(output(i), p.value());
    for (Index m = 0; m < moments.size(); ++m) {
      check.compare(output((1 + m) * n + i), state.at(p.name() + "/" + moments[m]));
    }
  }
}

/// The node corrects nothing in the update after 0: a state that has made very many does the same.
Node adam(double rate, double count, const json& a) {
  require<UsageError>(count == 0, "Adam: an update after the first");
  return {std::make_unique<Adam>(AdamOptions{.rate = rate,
                                             .beta1 = a["alpha"],
                                             .beta2 = a["beta"],
                                             .epsilon = a["epsilon"],
                                             .weight_decay = a["norm_coefficient"]}),
          {"first_moment", "second_moment"},
          1e6};
}

/// Before update 0 the rate has not decayed yet. An accumulator that is given belongs to a state that has made a step.
Node adagrad(double rate, double count, const json& a) {
  require<UsageError>(count == 0, "Adagrad: an update after the first");
  return {std::make_unique<Adagrad>(
              AdagradOptions{.rate = rate, .epsilon = a["epsilon"], .weight_decay = a["norm_coefficient"]}),
          {"sum_of_squares"},
          1};
}

Node momentum(double rate, double, const json& a) {
  require<UsageError>(a["beta"] == 1, "Momentum: dampening");
  return {std::make_unique<Sgd>(SgdOptions{.rate = rate,
                                           .momentum = a["alpha"],
                                           .nesterov = a["mode"] == "nesterov",
                                           .weight_decay = a["norm_coefficient"]}),
          {"momentum"},
          1};
}

}  // namespace

void add_onnx_optimizers(Tasks& tasks) {
  const std::map<std::string, Make> all{{"Adam", adam}, {"Adagrad", adagrad}, {"Momentum", momentum}};
  for (const auto& [op, make] : all) {
    tasks["onnx/optim/" + op] = [make = make](Check& check) { run_step(check, make); };
  }
}

}  // namespace unroll::agreement
