#include <unroll/core/glob.h>
#include <unroll/optim/optimizer.h>

namespace unroll {
namespace {

bool same(const Param& a, const Param& b) { return &a.data() == &b.data(); }

/// So that to write to it takes no memory any more.
void make_writable(Array& array) {
  dispatch(array.dtype(), [&]<class T>(T) { array.writable<T>(); });
}

}  // namespace

Optimizer::Optimizer(std::string name, std::vector<Moment> moments, const Common& options)
    : name_(std::move(name)), moments_(std::move(moments)), common_(options) {
  require_option("rate", options.rate);
  require_option("weight_decay", options.weight_decay);
}

void Optimizer::require_option(const char* option, double value, double limit) const {
  require<UsageError>(value >= 0 && value < limit, "{}: {} is {}; it must be at least 0 and below {}", name_, option,
                      value, limit);
}

Optimizer& Optimizer::group(std::string glob, const GroupOptions& options) {
  require_option("rate_factor", options.rate_factor.value_or(1));
  require_option("weight_decay", options.weight_decay.value_or(0));
  groups_.push_back({std::move(glob), options});
  groups_applied_ = false;
  return *this;
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

/// Makes a slot for each parameter that is new, and gives all of them the options of their groups.
void Optimizer::take_in(const Params& params) {
  require_same(params);
  if (groups_applied_ && slots_.size() == params.size()) return;
  for (const Group& group : groups_) {
    std::string names;
    bool any = false;
    for (const Param& param : params) {
      any = any || matches_glob(group.glob, param.name());
      names += (names.empty() ? "" : ", ") + param.name();
    }
    require<UsageError>(any, "{}: no parameter's name matches the group '{}'; there are: {}", name_, group.glob, names);
  }
  for (auto param = params.begin() + static_cast<std::ptrdiff_t>(slots_.size()); param != params.end(); ++param) {
    slots_.push_back({*param, 0, {}});
  }
  for (Slot& slot : slots_) {
    for (const auto& [glob, options] : groups_) {
      if (!matches_glob(glob, slot.param.name())) continue;
      if (options.rate_factor) slot.own.rate_factor = options.rate_factor;
      if (options.weight_decay) slot.own.weight_decay = options.weight_decay;
    }
  }
  groups_applied_ = true;
}

Array Optimizer::start(const Moment& moment, const Array& value) const {
  return moment.number ? Array::full({}, f64, moment.start) : Array::full(value.shape(), value.dtype(), moment.start);
}

void Optimizer::step(Params& params, const Grads& grads, double rate) {
  require_option("rate", rate);
  take_in(params);
  const FlushDenormals flush;  // the moments of a parameter that is no longer used fade into denormals
  // First all that may fail, for every parameter, and only then the updates: a step is made whole or not at all.
  struct Ready {
    Slot& slot;
    std::vector<Array> moments;  // if they are other ones than the slot's
    Update update;
  };
  std::vector<Ready> all;
  all.reserve(grads.size());
  grads.each([&](const Param& param, const Array& grad, const PooledList<Id>* rows) {
    const Index order = param.data().order;
    if (param.frozen() || order >= slots_.size() || !same(param, slots_[order].param)) return;
    Array& value = param.data().value;
    const bool fits = rows == nullptr ? grad.shape() == value.shape() : grad.cols() == value.cols();
    require(fits && grad.dtype() == value.dtype(), "{}: the gradient of '{}' is {} {} and the parameter {} {}", name_,
            param.name(), unroll::name(grad.dtype()), grad.shape(), unroll::name(value.dtype()), value.shape());
    Slot& slot = slots_[order];
    std::vector<Array> moments;
    const auto fits_already = [&](const Array& moment, Index i) {
      return moments_[i].number || moment.dtype() == value.dtype();
    };
    bool fit = slot.steps > 0;
    for (Index i = 0; fit && i < moments_.size(); ++i) fit = fits_already(slot.moments[i], i);
    for (Index i = 0; !fit && i < moments_.size(); ++i) {
      if (slot.steps == 0) {
        moments.push_back(start(moments_[i], value));
      } else {
        moments.push_back(fits_already(slot.moments[i], i) ? slot.moments[i].copy()
                                                           : slot.moments[i].to(value.dtype()));
      }
    }
    for (Array& moment : fit ? slot.moments : moments) make_writable(moment);
    make_writable(value);
    const bool spared = common_.decay_matrices_only && value.ndim() < 2;
    const double decay = spared ? 0 : slot.own.weight_decay.value_or(common_.weight_decay);
    const double own_rate = rate * slot.own.rate_factor.value_or(1);
    const bool rows_only = rows != nullptr && (common_.lazy_rows || (moments_.empty() && decay == 0));
    all.push_back({slot,
                   std::move(moments),
                   {.value = value,
                    .grad = rows_only ? grad : grads[param],
                    .moments = {},
                    .number = slot.steps + 1,
                    .rate = own_rate,
                    .decay = common_.decoupled_decay ? 0 : decay,
                    .keep = common_.decoupled_decay ? 1 - own_rate * decay : 1,
                    .rows = rows_only ? rows : nullptr}});
  });
  for (Ready& ready : all) {
    if (!ready.moments.empty()) ready.slot.moments = std::move(ready.moments);
    ready.update.moments = ready.slot.moments;
    update(ready.update);
    ++ready.slot.steps;
  }
}

OptimizerState Optimizer::state(const Params& params) const {
  require_same(params);
  OptimizerState state;
  for (const Param& param : params) {
    const Index order = param.data().order;
    const Index steps = order < slots_.size() ? slots_[order].steps : 0;
    state[param.name() + "/steps"] = Array::full({}, f64, static_cast<double>(steps));
    if (steps == 0) continue;
    for (Index i = 0; i < moments_.size(); ++i) state[param.name() + "/" + moments_[i].name] = slots_[order].moments[i];
  }
  return state;
}

void Optimizer::restore(const Params& params, OptimizerState state) {
  std::vector<Slot> slots;
  for (const Param& param : params) {
    Slot& slot = slots.emplace_back(Slot{param, detail::take_count(state, name_, param.name() + "/steps"), {}});
    if (slot.steps == 0) continue;
    for (const Moment& moment : moments_) {
      const Shape shape = moment.number ? Shape{} : param.shape();
      slot.moments.push_back(detail::take(state, name_, param.name() + "/" + moment.name, shape));
      if (moment.number) slot.moments.back() = slot.moments.back().to(f64);
    }
  }
  require<UsageError>(state.empty(),
                      "{}: the saved state holds '{}', which is not a moment of {} for any of the parameters", name_,
                      state.empty() ? "" : state.begin()->first, name_);
  slots_ = std::move(slots);
  groups_applied_ = groups_.empty();
}

}  // namespace unroll
