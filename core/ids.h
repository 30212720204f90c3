// Integer ids (tokens, classes) with their shape. Knows no tensors, so that `data` and `report` can use it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include <unroll/core/error.h>

namespace unroll {

using Index = std::size_t;
using Id = std::int32_t;

/// Ids of shape [N] (one class per sequence, say) or, time-major, [T, B].
class Ids {
 public:
  Ids() = default;
  Ids(std::vector<Id> values) : values_(std::move(values)), shape_{values_.size(), 1} {}
  Ids(std::initializer_list<Id> values) : Ids(std::vector<Id>(values)) {}
  /// Errors: `values` must hold `steps * batch` ids.
  Ids(std::vector<Id> values, Index steps, Index batch) : values_(std::move(values)), shape_{steps, batch}, ndim_(2) {
    require(values_.size() == steps * batch, "Ids: {} values do not fill [{}, {}]", values_.size(), steps, batch);
  }
  static Ids filled(Index steps, Index batch, Id value) {
    return {std::vector<Id>(steps * batch, value), steps, batch};
  }

  Index size() const { return values_.size(); }
  Index ndim() const { return ndim_; }
  /// Axis 0 is N or T, axis 1 (of [T, B] only) is B.
  Index dim(Index axis) const {
    require(axis < ndim_, "Ids: axis {} of ids with {} axes", axis, ndim_);
    return shape_[axis];
  }
  std::vector<Index> shape() const { return {shape_.begin(), shape_.begin() + static_cast<std::ptrdiff_t>(ndim_)}; }

  Id operator[](Index flat) const { return values_[flat]; }
  Id& operator[](Index flat) { return values_[flat]; }
  Id operator()(Index t, Index b) const { return values_[t * shape_[1] + b]; }
  Id& operator()(Index t, Index b) { return values_[t * shape_[1] + b]; }

  const std::vector<Id>& values() const { return values_; }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  bool operator==(const Ids&) const = default;

 private:
  std::vector<Id> values_;
  std::array<Index, 2> shape_{0, 1};
  Index ndim_ = 1;
};

}  // namespace unroll
