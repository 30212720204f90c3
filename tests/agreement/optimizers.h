// What the cases about optimizers share.
#pragma once

#include <unroll/optim/adadelta.h>
#include <unroll/optim/adagrad.h>
#include <unroll/optim/adam.h>
#include <unroll/optim/adamax.h>
#include <unroll/optim/nadam.h>
#include <unroll/optim/radam.h>
#include <unroll/optim/rmsprop.h>
#include <unroll/optim/sgd.h>

#include "case.h"

namespace unroll::agreement {

/// Parameters that start as <role>/<prefix>0, <role>/<prefix>1, …
std::vector<Param> declare(const Case& c, Params& params, const std::string& role, const std::string& prefix);

/// Hands step the gradients input/g<i>[k] for k = 0, 1, … and compares every parameter after every step.
void run_trajectory(Check& check, const std::function<void(Params&, Grads)>& step);

/// PyTorch's optimizer `name` with its settings. Errors: we have none like it.
std::unique_ptr<Optimizer> torch_optimizer(const std::string& name, const json& settings);

}  // namespace unroll::agreement
