// The extents of an array, held inline: making or copying a shape never allocates.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include <unroll/core/error.h>
#include <unroll/core/ids.h>

namespace unroll {

/// Up to six axes. An array is seen as a matrix of `rows()` × `cols()`: the last axis, and all the others together.
class Shape {
 public:
  static constexpr Index max_axes = unroll::max_axes;

  Shape() = default;
  Shape(std::initializer_list<Index> dims) : Shape(dims.begin(), dims.end()) {}
  template <class It>
  Shape(It first, It last) {
    for (; first != last; ++first) append(static_cast<Index>(*first));
  }
  static Shape of(const Ids& ids) {
    Shape shape;
    for (Index axis = 0; axis < ids.ndim(); ++axis) shape.append(ids.dim(axis));
    return shape;
  }

  Index ndim() const { return ndim_; }
  Index operator[](Index axis) const { return dims_[axis]; }
  void set(Index axis, Index extent) { dims_[axis] = narrow(extent); }
  void append(Index extent) {
    require(ndim_ < max_axes, "a shape has at most {} axes", Index{max_axes});
    dims_[ndim_++] = narrow(extent);
  }
  /// The axis counted from the front; negative axes count from the back. Errors: names `op` when it is out of range.
  Index axis(int axis, const char* op) const;

  Index size() const {
    Index n = 1;
    for (Index i = 0; i < ndim_; ++i) n *= dims_[i];
    return n;
  }
  Index cols() const { return ndim_ == 0 ? 1 : dims_[ndim_ - 1]; }
  Index rows() const {
    Index n = 1;
    for (Index i = 0; i + 1 < ndim_; ++i) n *= dims_[i];
    return n;
  }

  const std::uint32_t* begin() const { return dims_.data(); }
  const std::uint32_t* end() const { return dims_.data() + ndim_; }
  bool operator==(const Shape& other) const {  // unused axes are 0; in words, which spares a call of memcmp
    using Words = std::array<std::uint64_t, sizeof(dims_) / 8>;
    const auto a = std::bit_cast<Words>(dims_), b = std::bit_cast<Words>(other.dims_);
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (ndim_ ^ other.ndim_)) == 0;
  }
  std::string str() const;

 private:
  static std::uint32_t narrow(Index extent) {
    require(extent <= 0xffffffffu, "an axis of {} elements is too long", extent);
    return static_cast<std::uint32_t>(extent);
  }

  std::array<std::uint32_t, max_axes> dims_{};
  std::uint64_t ndim_ = 0;  // as wide as a register: a narrow tail would make every copy stall on its own store
};

/// Axes of a tensor, named in braces or by any array of ints; negative ones count from the back.
class Axes {
 public:
  Axes() = default;
  Axes(std::initializer_list<int> axes) : Axes(std::span(axes.begin(), axes.size())) {}
  template <class List>
    requires std::convertible_to<const List&, std::span<const int>>
  Axes(const List& list) {
    const std::span<const int> axes(list);
    require(axes.size() <= max_axes, "{} axes are named; a shape has at most {}", axes.size(), Index{max_axes});
    std::copy(axes.begin(), axes.end(), axes_.begin());
    size_ = axes.size();
  }
  Index size() const { return size_; }
  const int* begin() const { return axes_.data(); }
  const int* end() const { return axes_.data() + size_; }

 private:
  std::array<int, max_axes> axes_{};
  Index size_ = 0;
};

/// The NumPy broadcast of two shapes. Errors: both shapes, under the name of the op.
Shape broadcast(const char* op, const Shape& a, const Shape& b);

}  // namespace unroll

template <>
struct fmt::is_range<unroll::Shape, char> : std::false_type {};
template <>
struct fmt::formatter<unroll::Shape> : fmt::formatter<std::string> {
  auto format(const unroll::Shape& shape, fmt::format_context& context) const {
    return fmt::formatter<std::string>::format(shape.str(), context);
  }
};
