#include <algorithm>
#include <utility>

#include <unroll/core/error.h>
#include <unroll/data/shuffle.h>
#include <unroll/data/windows.h>

namespace unroll {

Windows::Windows(NumericTable table, WindowOptions options) : table_(std::move(table)), options_(std::move(options)) {
  const auto& o = options_;
  require<UsageError>(o.length > 0 && o.horizon > 0 && o.stride > 0 && o.batch > 0,
                      "windows: length {}, horizon {}, stride {} and batch {}, expected at least 1 of each", o.length,
                      o.horizon, o.stride, o.batch);
  const Index rows = table_.rows();
  require<UsageError>(o.length <= rows && o.horizon <= rows - o.length,
                      "windows: {} rows are too few for a length of {} and a horizon of {}", rows, o.length, o.horizon);
  for (const std::string& name : o.targets.empty() ? table_.names : o.targets) {
    const Index column = table_.find(name);
    require<UsageError>(std::ranges::find(targets_, column) == targets_.end(), "windows: the target '{}' stands twice",
                        name);
    targets_.push_back(column);
  }
  for (Index w = 0; w <= (rows - o.length - o.horizon) / o.stride; ++w) starts_.push_back(w * o.stride);
  if (o.seed) {
    SplitMix64 random(*o.seed);
    shuffle(starts_, random);
  }
}

WindowBatch Windows::operator[](Index k) const {
  require<UsageError>(k < size(), "windows: batch {} of {}", k, size());
  const Index begin = k * options_.batch;
  const Index count = std::min(options_.batch, starts_.size() - begin);
  WindowBatch batch;
  for (Index b = 0; b < count; ++b) batch.rows.push_back(starts_[begin + b]);
  batch.inputs.reserve(options_.length * count * features());
  for (Index t = 0; t < options_.length; ++t) {
    for (const Index start : batch.rows) {
      for (Index f = 0; f < features(); ++f) batch.inputs.push_back(table_(start + t, f));
    }
  }
  batch.targets.reserve(options_.horizon * count * targets());
  for (Index h = 0; h < options_.horizon; ++h) {
    for (const Index start : batch.rows) {
      for (const Index column : targets_) batch.targets.push_back(table_(start + options_.length + h, column));
    }
  }
  return batch;
}

Windows windows(NumericTable table, WindowOptions options) { return {std::move(table), std::move(options)}; }

}  // namespace unroll
