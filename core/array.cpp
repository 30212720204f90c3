#include <cstring>

#include <unroll/core/array.h>

namespace unroll {
namespace {

Index width(Dtype dtype) { return dtype == f32 ? sizeof(float) : sizeof(double); }

/// Errors: so many that they cannot be counted.
Index bytes_of(const Shape& shape, Dtype dtype) {
  Index bytes = width(dtype);
  bool too_many = false, none = false;
  for (const Index extent : shape) {
    none = none || extent == 0;
    too_many = __builtin_mul_overflow(bytes, extent, &bytes) || too_many;
  }
  require(none || !(too_many || bytes >> 63), "an array {} {} is larger than any memory", name(dtype), shape);
  return none ? 0 : bytes;
}

}  // namespace

Array Array::uninitialised(const Shape& shape, Dtype dtype) {
  Array a;
  a.buffer_ = Buffer::make(bytes_of(shape, dtype));
  a.data_ = a.buffer_->data();
  a.shape_ = shape;
  a.stride_ = static_cast<std::uint32_t>(shape.cols());
  a.dtype_ = dtype;
  return a;
}

Array Array::full(const Shape& shape, Dtype dtype, double value) {
  Array a = uninitialised(shape, dtype);
  dispatch(dtype, [&]<class T>(T) { std::fill_n(a.raw<T>(), a.size(), static_cast<T>(value)); });
  return a;
}

Array Array::repeated(const Shape& shape, Dtype dtype, double value) {
  bytes_of(shape, dtype);
  Array a = full({shape.cols()}, dtype, value);
  a.shape_ = shape;
  if (shape.rows() > 1) a.stride_ = 0;
  return a;
}

Array Array::copy() const {
  Array a = uninitialised(shape_, dtype_);
  const Index bytes = cols() * width(dtype_), step = stride_ * width(dtype_);
  auto* to = static_cast<char*>(a.data_);
  const auto* from = static_cast<const char*>(data_);
  if (contiguous()) {
    std::memcpy(to, from, rows() * bytes);
  } else {
    for (Index r = 0, n = rows(); r < n; ++r) std::memcpy(to + r * bytes, from + r * step, bytes);
  }
  return a;
}

void Array::own() {
  require<UsageError>(defined(), "an empty array has no elements to write");
  if (!buffer_->unique() || !contiguous()) {
    *this = copy();
  } else if (buffer_->packs != nullptr) {
    drop_packs(buffer_);
  }
}

Array Array::to(Dtype dtype) const {
  if (dtype == dtype_) return *this;
  Array a = uninitialised(shape_, dtype);
  const Index n_rows = rows(), n_cols = cols();
  dispatch(dtype, [&]<class To>(To) {
    dispatch(dtype_, [&]<class From>(From) {
      for (Index r = 0; r < n_rows; ++r) {
        for (Index c = 0; c < n_cols; ++c) {
          a.raw<To>()[r * n_cols + c] = static_cast<To>(raw<From>()[r * stride_ + c]);
        }
      }
    });
  });
  return a;
}

double Array::flat(Index flat) const {
  require(flat < size(), "element {} of an array of shape {}", flat, shape_);
  const Index at = flat / cols() * stride_ + flat % cols();
  return dtype_ == f32 ? static_cast<double>(raw<float>()[at]) : raw<double>()[at];
}

void Array::set_flat(Index flat, double value) {
  require(flat < size(), "element {} of an array of shape {}", flat, shape_);
  own();
  dispatch(dtype_, [&]<class T>(T) { raw<T>()[flat] = static_cast<T>(value); });
}

double Array::item() const {
  require(defined() && size() == 1, "item: the array is {}; only an array of one element has a single value", shape_);
  return flat(0);
}

Array Array::part(Index row, Index col, const Shape& shape) const {
  Array a = *this;
  a.data_ = static_cast<char*>(data_) + (row * stride_ + col) * width(dtype_);
  a.shape_ = shape;
  return a;
}

Array Array::reshaped(const Shape& shape) const {
  bytes_of(shape, dtype_);
  require(shape.size() == size(), "reshape: {} has {} elements and {} has {}", shape_, size(), shape, shape.size());
  const bool keeps_rows = shape.cols() == cols();
  Array a = contiguous() || keeps_rows ? *this : copy();
  a.shape_ = shape;
  if (!keeps_rows) a.stride_ = static_cast<std::uint32_t>(shape.cols());
  return a;
}

}  // namespace unroll
