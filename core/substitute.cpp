#include <unroll/core/record.h>
#include <unroll/core/substitute.h>

namespace unroll {

/// All that live on this thread, linked both ways: they may end in any order.
struct Substitute::Entry {
  Param param;
  Tensor tensor;
  const void* by;
  Entry *earlier, *later = nullptr;
};

thread_local Substitute::Entry* Substitute::latest_ = nullptr;

Substitute::Substitute(const Param& param, Tensor tensor, const void* by) {
  require_value("Substitute", tensor);
  require(tensor.shape() == param.shape() && tensor.dtype() == param.dtype(),
          "Substitute: parameter '{}' is {} {} and cannot be replaced by {} {}", param.name(), name(param.dtype()),
          param.shape(), name(tensor.dtype()), tensor.shape());
  entry_.reset(new Entry{param, std::move(tensor), by, latest_});
  if (latest_ != nullptr) latest_->later = entry_.get();
  latest_ = entry_.get();
}

void Substitute::Unlink::operator()(Entry* entry) const {
  (entry->later != nullptr ? entry->later->earlier : latest_) = entry->earlier;
  if (entry->earlier != nullptr) entry->earlier->later = entry->later;
  delete entry;
}

const Tensor* Substitute::find(const ParamData& param) {
  const Entry* entry = latest_;
  while (entry != nullptr && &entry->param.data() != &param) entry = entry->earlier;
  return entry != nullptr ? &entry->tensor : nullptr;
}

bool Substitute::active(const void* by) {
  const Entry* entry = latest_;
  while (entry != nullptr && entry->by != by) entry = entry->earlier;
  return entry != nullptr;
}

std::function<std::vector<Substitute>()> Substitute::again() {
  struct Kept {
    Param param;
    Tensor tensor;
    const void* by;
  };
  std::vector<Kept> kept;
  for (const Entry* entry = latest_; entry != nullptr; entry = entry->earlier) {
    kept.push_back({entry->param, entry->tensor, entry->by});
  }
  if (kept.empty()) return {};
  return [kept] {
    std::vector<Substitute> all;
    for (Index i = kept.size(); i-- > 0;) all.emplace_back(kept[i].param, kept[i].tensor, kept[i].by);
    return all;
  };
}

}  // namespace unroll
