#include <cmath>

#include <unroll/optim/pieces.h>
#include <unroll/optim/weight_average.h>

namespace unroll {
namespace {

template <class T>
void blend(Index n, T* __restrict average, const T* __restrict w, T share) {
  for (Index i = 0; i < n; ++i) average[i] += share * (w[i] - average[i]);
}

}  // namespace

AppliedAverage::AppliedAverage(const Params& params, const std::vector<Array>& values) {
  std::vector<Array> converted;  // before anything changes, as this may fail
  for (const Param& param : params) {
    const Array& value = values.at(converted.size());
    require(value.shape() == param.shape(), "AppliedAverage: '{}' is {}, and its average {}", param.name(),
            param.shape(), value.shape());
    before_.emplace_back(param, param.value());
    converted.push_back(value.to(param.dtype()));
  }
  for (Index i = 0; i < converted.size(); ++i) before_[i].first.set(std::move(converted[i]));
}

AppliedAverage::~AppliedAverage() {
  for (const auto& [param, value] : before_) param.set(value.to(param.dtype()));
}

WeightAverage::WeightAverage(const Params& params, const WeightAverageOptions& options) : options_(options) {
  require<UsageError>(options.decay >= 0 && options.decay <= 1,
                      "WeightAverage: decay is {}; it must be at least 0 and at most 1", options.decay);
  for (const Param& param : params) slots_.push_back({param, param.value()});
}

void WeightAverage::require_same(const Params& params) const {
  Index i = 0;
  for (const Param& param : params) {
    require<UsageError>(i < slots_.size() && &slots_[i].param.data() == &param.data(),
                        "WeightAverage: '{}' is not among the parameters that it was made for", param.name());
    ++i;
  }
  require<UsageError>(i == slots_.size(), "WeightAverage: '{}' is missing among these parameters",
                      i == slots_.size() ? "" : slots_[i].param.name());
}

void WeightAverage::update(const Params& params) {
  require_same(params);
  std::vector<Array> values, converted;  // all that may fail comes before anything is averaged
  for (auto& [param, average] : slots_) {
    values.push_back(param.value().contiguous() ? param.value() : param.value().copy());
    if (average.dtype() != param.dtype()) {
      converted.push_back(average.to(param.dtype()));
    } else {
      converted.emplace_back();
      dispatch(param.dtype(), [&]<class T>(T) { average.writable<T>(); });
    }
  }
  ++updates_;
  const double decay = options_.decay, k = static_cast<double>(updates_);
  double weight = 1 - decay;  // of w in the average
  if (decay == 1) {
    weight = 1 / k;
  } else if (options_.bias_corrected) {
    weight /= 1 - std::pow(decay, k);
  }
  const FlushDenormals flush;
  for (Index i = 0; i < slots_.size(); ++i) {
    Array& average = slots_[i].average;
    if (converted[i].defined()) average = std::move(converted[i]);
    if (weight == 1) {
      average = values[i];
      continue;
    }
    dispatch(average.dtype(), [&]<class T>(T) {
      T* a = average.writable<T>();
      const T* w = values[i].data<T>();
      detail::in_pieces(average.size(), [&](Index i, Index n) { blend(n, a + i, w + i, static_cast<T>(weight)); });
    });
  }
}

AppliedAverage WeightAverage::applied(const Params& params) const {
  require_same(params);
  std::vector<Array> averages;
  for (const Slot& slot : slots_) averages.push_back(slot.average);
  return {params, averages};
}

const Array& WeightAverage::operator[](const Param& param) const {
  for (const Slot& slot : slots_) {
    if (&slot.param.data() == &param.data()) return slot.average;
  }
  throw UsageError(fmt::format("WeightAverage: '{}' is not among the parameters that it was made for", param.name()));
}

OptimizerState WeightAverage::state() const {
  OptimizerState state{{"updates", Array::full({}, f64, static_cast<double>(updates_))}};
  for (const auto& [param, average] : slots_) state[param.name() + "/average"] = average;
  return state;
}

void WeightAverage::restore(OptimizerState state) {
  const std::string owner = "WeightAverage";
  const Index updates = detail::take_count(state, owner, "updates");
  std::vector<Slot> slots;
  for (const Slot& slot : slots_) {
    slots.push_back({slot.param, detail::take(state, owner, slot.param.name() + "/average", slot.param.shape())});
  }
  require<UsageError>(state.empty(), "{}: the saved state holds '{}', which is no average of any of the parameters",
                      owner, state.empty() ? "" : state.begin()->first);
  updates_ = updates;
  slots_ = std::move(slots);
}

}  // namespace unroll
