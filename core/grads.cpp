#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include <unroll/core/dest.h>
#include <unroll/core/grads.h>

namespace unroll {

namespace {

/// Σ of two gradients kept by rows: their rows merged.
RowGrad merged(const RowGrad& a, const RowGrad& b) {
  std::vector<Id> all;
  std::set_union(a.rows.begin(), a.rows.end(), b.rows.begin(), b.rows.end(), std::back_inserter(all));
  RowGrad sum{PooledList<Id>::of(all), Array::zeros({all.size(), a.values.cols()}, a.values.dtype())};
  for (const RowGrad* part : {&a, &b}) {
    for (Index i = 0, row = 0; i < part->rows.size(); ++i) {
      while (all[row] != part->rows[i]) ++row;
      const Shape one{1, sum.values.cols()};
      write({sum.values.part(row, 0, one), true}, part->values.part(i, 0, one));
    }
  }
  return sum;
}

}  // namespace

Grads::Stored* Grads::find(const Param& param) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Stored& entry) { return &entry.param.data() == &param.data(); });
  return it == entries_.end() ? nullptr : &*it;
}

/// The entry of a parameter, made if there is none.
Grads::Stored& Grads::place(const Param& param) {
  if (Stored* found = find(param)) return *found;
  const auto after = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Stored& entry) { return entry.param.data().order > param.data().order; });
  return *entries_.insert(after, Stored{{param, {}}, {}});
}

/// Turns a gradient kept by rows into the whole one.
void Grads::fill(Stored& entry) {
  if (!entry.rows) return;
  Array whole = Array::zeros(entry.param.shape(), entry.grad.dtype());
  const PooledList<Id> rows = *std::exchange(entry.rows, std::nullopt);
  const Array values = std::exchange(entry.grad, std::move(whole));
  const Shape one{1, values.cols()};
  for (Index i = 0; i < rows.size(); ++i) {
    write({entry.grad.part(static_cast<Index>(rows[i]), 0, one), false}, values.part(i, 0, one));
  }
}

bool Grads::contains(const Param& param) const { return find(param) != nullptr; }

const Array& Grads::operator[](const Param& param) const {
  Stored* entry = find(param);
  require<UsageError>(entry != nullptr,
                      "there is no gradient for '{}': the loss does not depend on it, or it is frozen", param.name());
  fill(*entry);
  return entry->grad;
}

const Array& Grads::operator[](std::string_view name) const {
  for (const auto& entry : entries_) {
    if (entry.param.name() == name) return (*this)[entry.param];
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

double Grads::norm(double p) const {
  require<UsageError>(p >= 1, "norm: p is {}; it must be at least 1", p);
  if (p == 2) return norm();
  double largest = 1, total = 0;
  if (p != 1 && std::isfinite(p)) {  // powers of parts of the largest neither vanish all nor overflow
    largest = norm(std::numeric_limits<double>::infinity());
    if (!(largest > 0 && std::isfinite(largest))) return largest;
  }
  for (const auto& entry : entries_) {
    dispatch(entry.grad.dtype(), [&]<class T>(T) {
      const T* g = entry.grad.data<T>();
      for (Index i = 0, n = entry.grad.size(); i < n; ++i) {
        const double size = std::abs(static_cast<double>(g[i]));
        if (std::isfinite(p)) {
          total += p == 1 ? size : std::pow(size / largest, p);
        } else if (!(size <= total)) {  // a NaN too, which then stays
          total = std::isnan(total) ? total : size;
        }
      }
    });
  }
  return p == 1 || std::isinf(p) ? total : largest * std::pow(total, 1 / p);
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

Grads& Grads::clamp(double limit) {
  for (auto& entry : entries_) {
    dispatch(entry.grad.dtype(), [&]<class T>(T) {
      const T high = static_cast<T>(limit);
      T* g = entry.grad.writable<T>();
      for (Index i = 0, n = entry.grad.size(); i < n; ++i) g[i] = std::clamp(g[i], -high, high);
    });
  }
  return *this;
}

Grads& Grads::operator+=(const Grads& other) {
  other.each([&](const Param& param, const Array& grad, const PooledList<Id>* rows) {
    rows == nullptr ? insert(param, grad) : insert(param, RowGrad{*rows, grad});
  });
  return *this;
}

void Grads::insert(const Param& param, Array grad) {
  if (!grad.contiguous()) grad = grad.copy();
  Stored& entry = place(param);
  fill(entry);
  Array& sum = entry.grad;
  if (!sum.defined()) {
    sum = std::move(grad);
    return;
  }
  require(grad.shape() == sum.shape() && grad.dtype() == sum.dtype(),
          "gradients of '{}' do not add up: {} {} and {} {}", param.name(), name(sum.dtype()), sum.shape(),
          name(grad.dtype()), grad.shape());
  dispatch(grad.dtype(), [&]<class T>(T) { sum.writable<T>(); });
  write({sum, true}, grad);
}

void Grads::insert(const Param& param, RowGrad grad) {
  const Shape shape = param.shape(), given = grad.values.shape();
  const Index n = grad.rows.size();
  require(shape.ndim() == 2, "a gradient of rows of '{}', which is {}: only a matrix has rows", param.name(), shape);
  require(given == Shape{n, shape[1]}, "a gradient of {} rows of '{}', which is {}, has the shape {}; it must be {}", n,
          param.name(), shape, given, Shape{n, shape[1]});
  for (Index i = 0; i < n; ++i) {
    const Id row = grad.rows[i];
    require(row >= 0 && static_cast<Index>(row) < shape[0] && (i == 0 || grad.rows[i - 1] < row),
            "row {} at place {} of a gradient: the rows of '{}' must ascend from 0 to {} at most", row, i, param.name(),
            shape[0] - 1);
  }
  if (!grad.values.contiguous()) grad.values = grad.values.copy();
  Stored& entry = place(param);
  Array& sum = entry.grad;
  require(!sum.defined() || sum.dtype() == grad.values.dtype(), "gradients of '{}' do not add up: {} and {}",
          param.name(), name(sum.dtype()), name(grad.values.dtype()));
  if (sum.defined() && !entry.rows) {
    dispatch(sum.dtype(), [&]<class T>(T) { sum.writable<T>(); });
    const Shape one{1, sum.cols()};
    for (Index r = 0; r < grad.rows.size(); ++r) {
      write({sum.part(static_cast<Index>(grad.rows[r]), 0, one), true}, grad.values.part(r, 0, one));
    }
    return;
  }
  if (sum.defined()) grad = merged({*entry.rows, sum}, grad);
  entry.rows = std::move(grad.rows);
  sum = std::move(grad.values);
}

void Grads::move_watched(std::uint64_t from_tape, NodeId from, std::uint64_t tape, NodeId node) {
  const auto find = [&](std::uint64_t t, NodeId n) {
    return std::find_if(watched_.begin(), watched_.end(), [&](const Watched& w) { return w.tape == t && w.node == n; });
  };
  const auto source = find(from_tape, from);
  Array grad = source->grad;
  const auto target = find(tape, node);
  if (target == watched_.end()) return insert_watched(tape, node, std::move(grad));
  target->grad = std::move(grad);
}

void Grads::insert_watched(std::uint64_t tape, NodeId node, Array grad) {
  watched_.push_back({tape, node, std::move(grad)});
}

}  // namespace unroll
