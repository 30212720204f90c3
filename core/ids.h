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

/// The most axes that ids or an array may have.
inline constexpr Index max_axes = 6;

/// Ids of shape [N] (one class per sequence, say), time-major [T, B], or up to six axes, in row-major order.
class Ids {
 public:
  Ids() = default;
  Ids(std::vector<Id> values) : values_(std::move(values)) { shape_[0] = values_.size(); }
  Ids(std::initializer_list<Id> values) : Ids(std::vector<Id>(values)) {}
  /// Errors: `values` must hold `steps * batch` ids.
  Ids(std::vector<Id> values, Index steps, Index batch) : Ids(std::move(values), {steps, batch}) {}
  /// Of the extents that `shape` lists, in braces or as a Shape. Errors: more than six; other than as many as `values`.
  template <class Extents = std::initializer_list<Index>>
    requires(requires(const Extents& extents) { extents.begin() != extents.end(); })
  Ids(std::vector<Id> values, const Extents& shape) : values_(std::move(values)), ndim_(0) {
    Index size = 1;
    for (const auto extent : shape) {
      require(ndim_ < max_axes, "Ids: a shape has at most {} axes", Index{max_axes});
      shape_[ndim_++] = extent;
      size *= extent;
    }
    require(values_.size() == size, "Ids: {} values do not fill [{}]", values_.size(), fmt::join(this->shape(), ", "));
  }
  static Ids filled(Index steps, Index batch, Id value) {
    return {std::vector<Id>(steps * batch, value), steps, batch};
  }

  Index size() const { return values_.size(); }
  Index ndim() const { return ndim_; }
  /// Axis 0 is N or T, axis 1 of [T, B] is B.
  Index dim(Index axis) const {
    require(axis < ndim_, "Ids: axis {} of ids with {} axes", axis, ndim_);
    return shape_[axis];
  }
  std::vector<Index> shape() const { return {shape_.begin(), shape_.begin() + static_cast<std::ptrdiff_t>(ndim_)}; }

  Id operator[](Index flat) const { return values_[flat]; }
  Id& operator[](Index flat) { return values_[flat]; }
  /// Of [T, B].
  Id operator()(Index t, Index b) const { return values_[t * shape_[1] + b]; }
  Id& operator()(Index t, Index b) { return values_[t * shape_[1] + b]; }

  const std::vector<Id>& values() const { return values_; }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  bool operator==(const Ids&) const = default;

 private:
  std::vector<Id> values_;
  std::array<Index, max_axes> shape_{0, 1, 1, 1, 1, 1};  // 1 beyond the last axis
  Index ndim_ = 1;
};

}  // namespace unroll
