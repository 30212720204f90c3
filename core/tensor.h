// Tensor: an array, and the place where a tape recorded it.
#pragma once

#include <memory>
#include <string>

#include <unroll/core/array.h>
#include <unroll/core/observing.h>

namespace unroll {

class Param;

using NodeId = std::int32_t;
inline constexpr NodeId no_node = -1;

/// A value in a computation. Without a tape in scope, or made from constants alone, it is a plain constant.
class Tensor {
 public:
  Tensor() = default;
  Tensor(Array value) : value_(std::move(value)) {}
  template <class E>
  Tensor(const xt::xexpression<E>& expression) : value_(expression) {}
  Tensor(Array value, std::uint64_t tape, NodeId node) : value_(std::move(value)), tape_(tape), node_(node) {}

  static Tensor zeros(const Shape& shape, Dtype dtype = f32) { return Array::zeros(shape, dtype); }
  static Tensor full(const Shape& shape, double value, Dtype dtype = f32) { return Array::full(shape, dtype, value); }
  static Tensor scalar(double value, Dtype dtype = f32) { return Array::full({}, dtype, value); }

  const Array& value() const& { return value_; }
  Array value() && { return std::move(value_); }
  void lend() { value_.lend(); }
  bool defined() const { return value_.defined(); }
  const Shape& shape() const { return value_.shape(); }
  Index ndim() const { return value_.ndim(); }
  Index size() const { return value_.size(); }
  /// The extent of an axis; negative axes count from the back.
  Index dim(int axis) const { return value_.dim(axis); }
  Dtype dtype() const { return value_.dtype(); }
  template <class T>
  auto as() const {
    return value_.as<T>();
  }
  /// The only element. Errors: there are several.
  double item() const {
    if (detail::observed()) [[unlikely]]
      detail::settle_observers();
    return value_.item();
  }

  bool recorded() const { return node_ != no_node; }
  std::uint64_t tape() const { return tape_; }
  NodeId node() const { return node_; }

 private:
  Array value_;
  std::uint64_t tape_ = 0;  // serial number of the tape, 0 for a constant
  NodeId node_ = no_node;
};

/// The same value, forgotten by every tape.
inline Tensor detach(const Tensor& x) { return Tensor(x.value()); }

}  // namespace unroll
