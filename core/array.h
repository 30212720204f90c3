// Array: a value of numbers. Row-major storage from a pool, f32 or f64, open to every xtensor expression.
#pragma once

#include <utility>

#include <unroll/core/dtype.h>
#include <unroll/core/pool.h>
#include <unroll/core/shape.h>
#include <unroll/core/xtensor.h>

namespace unroll {

namespace detail {

/// The elements behind the xtensor made by `Array::as<T>()`; keeps the memory alive for as long as that lives.
template <class T>
class Span {
 public:
  using value_type = std::remove_const_t<T>;
  using Evaluated = xt::uvector<value_type>;
  using reference = T&;
  using const_reference = const T&;
  using pointer = T*;
  using const_pointer = const T*;
  using iterator = T*;
  using const_iterator = const T*;
  using reverse_iterator = std::reverse_iterator<T*>;
  using const_reverse_iterator = std::reverse_iterator<const T*>;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using allocator_type = std::allocator<value_type>;
  Span() = default;
  Span(T* data, size_type size, Buffer* buffer) : data_(data), size_(size), buffer_(buffer) {
    if (buffer_ != nullptr) buffer_->retain();
  }
  Span(const Span& other) : Span(other.data_, other.size_, other.buffer_) {}
  Span(Span&& other) noexcept
      : data_(other.data_), size_(other.size_), buffer_(std::exchange(other.buffer_, nullptr)) {}
  Span& operator=(Span other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  /// Copies what xtensor has evaluated: `a.as<T>() = expression` may read a itself.
  Span& operator=(const Evaluated& values) {
    resize(values.size());
    std::copy(values.begin(), values.end(), data_);
    return *this;
  }
  ~Span() {
    if (buffer_ != nullptr) buffer_->release();
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  size_type size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void resize(size_type size) {
    require(size == size_, "the xtensor of an Array of {} elements cannot be resized", size_);
  }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  const T* cbegin() const { return data_; }
  const T* cend() const { return data_ + size_; }
  auto rbegin() { return reverse_iterator(end()); }
  auto rend() { return reverse_iterator(begin()); }
  auto rbegin() const { return const_reverse_iterator(end()); }
  auto rend() const { return const_reverse_iterator(begin()); }
  T& operator[](size_type i) { return data_[i]; }
  const T& operator[](size_type i) const { return data_[i]; }
  T& front() { return data_[0]; }
  const T& front() const { return data_[0]; }
  T& back() { return data_[size_ - 1]; }
  const T& back() const { return data_[size_ - 1]; }
  void swap(Span& other) noexcept { std::swap(*this, other); }

 private:
  T* data_ = nullptr;
  size_type size_ = 0;
  Buffer* buffer_ = nullptr;
};

}  // namespace detail

/// An n-dimensional array with value semantics: copies share their memory until one of them is written to.
/// The last axis is contiguous; the rows (all other axes together) lie `stride()` elements apart, so that one gate's
/// columns or one time step of a larger array is a view of it and not a copy.
class Array {
 public:
  Array() = default;
  Array(const Array& other) noexcept
      : buffer_(other.buffer_), data_(other.data_), shape_(other.shape_), stride_(other.stride_), dtype_(other.dtype_) {
    if (buffer_ != nullptr) buffer_->retain();
    if (other.lent_) other.lent_ = false;
  }
  Array(Array&& other) noexcept
      : buffer_(std::exchange(other.buffer_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        shape_(other.shape_),
        stride_(other.stride_),
        dtype_(other.dtype_),
        lent_(std::exchange(other.lent_, false)) {}
  Array& operator=(Array other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(data_, other.data_);
    shape_ = other.shape_;
    stride_ = other.stride_;
    dtype_ = other.dtype_;
    lent_ = other.lent_;
    return *this;
  }
  ~Array() {
    if (buffer_ != nullptr) buffer_->release();
  }

  /// Evaluates an xtensor expression of float or double elements.
  template <class E>
  Array(const xt::xexpression<E>& expression) : Array(evaluate(expression.derived_cast())) {}

  static Array uninitialised(const Shape& shape, Dtype dtype);
  static Array full(const Shape& shape, Dtype dtype, double value);
  static Array zeros(const Shape& shape, Dtype dtype) { return full(shape, dtype, 0); }
  /// One number everywhere, to be read only: all rows are the same memory (their stride is 0).
  static Array repeated(const Shape& shape, Dtype dtype, double value);
  /// Copies `shape.size()` numbers.
  template <class T>
  static Array of(const Shape& shape, const T* values) {
    Array a = uninitialised(shape, dtype_of<T>);
    std::copy(values, values + shape.size(), a.raw<T>());
    return a;
  }

  bool defined() const { return data_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Index ndim() const { return shape_.ndim(); }
  Index dim(int axis) const { return shape_[shape_.axis(axis, "dim")]; }
  Index size() const { return shape_.size(); }
  Dtype dtype() const { return dtype_; }
  Index rows() const { return shape_.rows(); }
  Index cols() const { return shape_.cols(); }
  /// Elements from one row to the next.
  Index stride() const { return stride_; }
  bool contiguous() const { return stride_ == cols() || rows() <= 1; }
  /// It is no part of something larger, and has no gaps.
  bool whole() const { return buffer_ != nullptr && stride_ == cols() && data_ == buffer_->data(); }
  /// No other array shares the memory, and it is all there is: an op may write its result here.
  bool reusable() const { return whole() && buffer_->unique(); }
  /// Lets whoever this part of a larger array is moved to write over it, as the one step of a scan that reads it may.
  /// Moving passes the permission on; the first copy ends it, for whoever holds a copy relies on what is there.
  void lend() { lent_ = true; }
  bool lent() const { return lent_; }

  /// The elements as an xtensor, to be read. Errors: `T` is not the dtype.
  template <class T>
  auto as() const {
    const Array dense = contiguous() ? *this : copy();
    return Adaptor<const T>(detail::Span<const T>(dense.typed<T>(), size(), dense.buffer_), xt_shape());
  }
  /// The same, writable: other arrays that share the memory keep what they had. To be used at once: an array that is
  /// copied from this one, or a product that is computed with it, between the call and the writing may see either.
  template <class T>
  auto as() {
    T* data = writable<T>();
    return Adaptor<T>(detail::Span<T>(data, size(), buffer_), xt_shape());
  }
  template <class T>
  const T* data() const {
    return typed<T>();
  }
  /// The elements for writing, contiguous; copies first when the memory is shared or a view.
  template <class T>
  T* writable() {
    own();
    return typed<T>();
  }
  /// For code that made the array itself, or was handed it as a destination: no copy on write.
  template <class T>
  T* raw() const {
    return static_cast<T*>(data_);
  }

  /// The only element, as a double. Errors: there are several.
  double item() const;
  /// Element number `flat` in row-major order, as a double.
  double flat(Index flat) const;
  void set_flat(Index flat, double value);

  Array copy() const;
  Array to(Dtype dtype) const;
  /// A view of `rows` × `cols` elements from (`row`, `col`) of the matrix view, under a new shape.
  Array part(Index row, Index col, const Shape& shape) const;
  /// The same elements under another shape; a copy only when the rows have gaps and the last axis changes.
  Array reshaped(const Shape& shape) const;
  bool same_place(const Array& other) const { return data_ == other.data_ && stride_ == other.stride_; }
  Buffer* buffer() const { return buffer_; }

 private:
  template <class T>
  using Adaptor = xt::xarray_adaptor<detail::Span<T>, xt::layout_type::row_major, xt::dynamic_shape<std::size_t>>;

  template <class E>
  static Array evaluate(const E& expression) {
    using T = typename E::value_type;
    using Stored = std::conditional_t<std::is_same_v<T, float>, float, double>;
    static_assert(std::is_arithmetic_v<T>, "an Array holds float or double elements");
    const auto& extents = expression.shape();
    Array a = uninitialised(Shape(extents.begin(), extents.end()), dtype_of<Stored>);
    auto target = Adaptor<Stored>(detail::Span<Stored>(a.raw<Stored>(), a.size(), a.buffer_), a.xt_shape());
    xt::noalias(target) = expression;
    return a;
  }

  template <class T>
  T* typed() const {
    require(dtype_ == dtype_of<T>, "an array of {} was asked for its elements as {}", name(dtype_), name(dtype_of<T>));
    return static_cast<T*>(data_);
  }
  xt::dynamic_shape<std::size_t> xt_shape() const { return {shape_.begin(), shape_.end()}; }
  void own();

  Buffer* buffer_ = nullptr;
  void* data_ = nullptr;
  Shape shape_;
  std::uint32_t stride_ = 0;
  Dtype dtype_ = f32;
  mutable bool lent_ = false;
};

}  // namespace unroll

template <class T>
struct xt::temporary_container<unroll::detail::Span<T>> {
  using type = typename unroll::detail::Span<T>::Evaluated;
};
