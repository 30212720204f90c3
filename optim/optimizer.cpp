#include <cmath>

#include <unroll/optim/optimizer.h>

namespace unroll {
namespace {

bool same(const Param& a, const Param& b) { return &a.data() == &b.data(); }

}  // namespace

Optimizer::Optimizer(std::string name, std::vector<std::string> moments, const Common& options)
    : name_(std::move(name)), moments_(std::move(moments)), common_(options) {
  require_option("rate", options.rate);
  require_option("weight_decay", options.weight_decay);
}

void Optimizer::require_option(const char* option, double value, double limit) const {
  require<UsageError>(value >= 0 && value < limit, "{}: {} is {}; it must be at least 0 and below {}", name_, option,
                      value, limit);
}

void Optimizer::require_same(const Params& params) const {
  auto param = params.begin();
  for (const Slot& slot : slots_) {
    require<UsageError>(
        param != params.end() && same(*param, slot.param),
        "{}: '{}' of an earlier step is not among these parameters; each set needs an optimizer of its own", name_,
        slot.param.name());
    ++param;
  }
}

void Optimizer::step(Params& params, const Grads& grads, double rate) {
  require_option("rate", rate);
  require_same(params);
  for (auto param = params.begin() + static_cast<std::ptrdiff_t>(slots_.size()); param != params.end(); ++param) {
    slots_.push_back({*param, 0, {}});
  }
  const FlushDenormals flush;  // the moments of a parameter that is no longer used fade into denormals
  grads.each([&](const Param& param, const Array& grad, const PooledList<Id>* rows) {
    const Index order = param.data().order;
    if (param.frozen() || order >= slots_.size() || !same(param, slots_[order].param)) return;
    Array& value = param.data().value;
    const bool fits = rows == nullptr ? grad.shape() == value.shape() : grad.cols() == value.cols();
    require(fits && grad.dtype() == value.dtype(), "{}: the gradient of '{}' is {} {} and the parameter {} {}", name_,
            param.name(), unroll::name(grad.dtype()), grad.shape(), unroll::name(value.dtype()), value.shape());
    Slot& slot = slots_[order];
    if (slot.steps == 0) slot.moments.assign(moments_.size(), Array::zeros(value.shape(), value.dtype()));
    for (Array& moment : slot.moments) moment = moment.to(value.dtype());
    const double decay = common_.decay_matrices_only && value.ndim() < 2 ? 0 : common_.weight_decay;
    const bool rows_only = rows != nullptr && (common_.lazy_rows || (moments_.empty() && decay == 0));
    update(
        {value, rows_only ? grad : grads[param], slot.moments, ++slot.steps, rate, decay, rows_only ? rows : nullptr});
  });
}

OptimizerState Optimizer::state(const Params& params) const {
  require_same(params);
  OptimizerState state;
  for (const Param& param : params) {
    const Index order = param.data().order;
    const Index steps = order < slots_.size() ? slots_[order].steps : 0;
    state[param.name() + "/steps"] = Array::full({}, f64, static_cast<double>(steps));
    if (steps == 0) continue;
    for (Index i = 0; i < moments_.size(); ++i) state[param.name() + "/" + moments_[i]] = slots_[order].moments[i];
  }
  return state;
}

void Optimizer::restore(const Params& params, OptimizerState state) {
  const auto take = [&](const std::string& name, const Shape& shape) {
    const auto entry = state.extract(name);
    require<UsageError>(!entry.empty(), "{}: '{}' is missing in the saved state", name_, name);
    const Array& array = entry.mapped();
    require(array.shape() == shape, "{}: '{}' in the saved state is {}, expected {}", name_, name, array.shape(),
            shape);
    return array;
  };
  std::vector<Slot> slots;
  for (const Param& param : params) {
    const double steps = take(param.name() + "/steps", {}).item();
    require<UsageError>(steps >= 0 && steps < 0x1p53 && steps == std::floor(steps),
                        "{}: '{}/steps' in the saved state is {}, expected a number of steps", name_, param.name(),
                        steps);
    Slot& slot = slots.emplace_back(Slot{param, static_cast<Index>(steps), {}});
    if (slot.steps == 0) continue;
    for (const auto& moment : moments_) slot.moments.push_back(take(param.name() + "/" + moment, param.shape()));
  }
  require<UsageError>(state.empty(),
                      "{}: the saved state holds '{}', which is not a moment of {} for any of the parameters", name_,
                      state.empty() ? "" : state.begin()->first, name_);
  slots_ = std::move(slots);
}

}  // namespace unroll
