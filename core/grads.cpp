#include <algorithm>
#include <cmath>

#include <unroll/core/grads.h>

namespace unroll {

const Grads::Entry* Grads::find(const Param& param) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& entry) { return &entry.param.data() == &param.data(); });
  return it == entries_.end() ? nullptr : &*it;
}

bool Grads::contains(const Param& param) const { return find(param) != nullptr; }

const Array& Grads::operator[](const Param& param) const {
  const Entry* entry = find(param);
  require<UsageError>(entry != nullptr,
                      "there is no gradient for '{}': the loss does not depend on it, or it is frozen", param.name());
  return entry->grad;
}

const Array& Grads::operator[](std::string_view name) const {
  for (const auto& entry : entries_) {
    if (entry.param.name() == name) return entry.grad;
  }
  throw UsageError(
      fmt::format("there is no gradient for '{}': no such parameter, or the loss does not depend on it", name));
}

const Array& Grads::operator[](const Tensor& watched) const {
  for (const auto& entry : watched_) {
    if (entry.tape == watched.tape() && entry.node == watched.node()) return entry.grad;
  }
  throw UsageError(fmt::format(
      "there is no gradient for this tensor of shape {}: mark it first, x = tape.watch(x), and use the result",
      watched.shape()));
}

double Grads::norm() const {
  double sum = 0;
  for (const auto& entry : entries_) {
    dispatch(entry.grad.dtype(), [&]<class T>(T) {
      const T* g = entry.grad.data<T>();
      double lanes[8] = {};
      const Index n = entry.grad.size();
      Index i = 0;
      for (; i + 8 <= n; i += 8) {
        for (Index l = 0; l < 8; ++l) lanes[l] += static_cast<double>(g[i + l]) * static_cast<double>(g[i + l]);
      }
      for (; i < n; ++i) lanes[0] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
      for (const double lane : lanes) sum += lane;
    });
  }
  return std::sqrt(sum);
}

Grads& Grads::operator*=(double factor) {
  for (auto& entry : entries_) {
    dispatch(entry.grad.dtype(), [&]<class T>(T) {
      T* g = entry.grad.writable<T>();
      for (Index i = 0, n = entry.grad.size(); i < n; ++i) g[i] *= static_cast<T>(factor);
    });
  }
  return *this;
}

Grads& Grads::operator+=(const Grads& other) {
  for (const auto& entry : other.entries_) insert(entry.param, entry.grad);
  return *this;
}

void Grads::insert(const Param& param, Array grad) {
  if (!grad.contiguous()) grad = grad.copy();
  const auto same = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& entry) { return &entry.param.data() == &param.data(); });
  if (same == entries_.end()) {
    const auto after = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& entry) { return entry.param.data().order > param.data().order; });
    entries_.insert(after, {param, std::move(grad)});
    return;
  }
  require(grad.shape() == same->grad.shape() && grad.dtype() == same->grad.dtype(),
          "gradients of '{}' do not add up: {} {} and {} {}", param.name(), name(same->grad.dtype()), same->grad.shape(),
          name(grad.dtype()), grad.shape());
  dispatch(grad.dtype(), [&]<class T>(T) {
    T* into = same->grad.writable<T>();
    const T* from = grad.data<T>();
    for (Index i = 0, n = grad.size(); i < n; ++i) into[i] += from[i];
  });
}

void Grads::insert_watched(std::uint64_t tape, NodeId node, Array grad) {
  watched_.push_back({tape, node, std::move(grad)});
}

}  // namespace unroll
