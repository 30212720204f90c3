#include <unroll/core/ops/batched.h>

namespace unroll {
namespace {

Shape product_shape(const Tensor& a, Index cols) {
  Shape shape = a.shape();
  shape.set(shape.ndim() - 1, cols);
  return shape;
}

/// a b for a vector or a batch b. A vector is a matrix of one row or column, and one matrix for the whole batch is a
/// matrix.
Tensor general_product(const Tensor& a, const Tensor& b) {
  const bool row = a.ndim() == 1, column = b.ndim() == 1;
  require(a.ndim() >= 1 && b.ndim() >= 1 && a.dim(-1) == b.dim(column ? 0 : -2),
          "matmul: a is {} and b is {}; the columns of a must equal the rows of b", a.shape(), b.shape());
  if (row && column) return dot(a, b);
  if (column) {
    const Tensor y = matmul(a, unsqueeze(b, 1));
    return reshape(y, Shape(y.shape().begin(), y.shape().end() - 1));
  }
  if (row) {
    const Tensor y = matmul(unsqueeze(a, 0), b);
    return squeeze(y, {-2});
  }
  bool one = b.ndim() <= a.ndim();
  for (Index i = 0; i + 2 < b.ndim(); ++i) one = one && b.shape()[i] == 1;
  if (one) return matmul(a, reshape(b, {b.dim(-2), b.dim(-1)}));
  return detail::batched_product("matmul", a, b, false);
}

}  // namespace

/// y = a b,   da = dy bᵀ,   db = aᵀ dy.
Tensor matmul(const Tensor& a, const Tensor& b) {
  if (b.ndim() != 2) return general_product(a, b);
  require(a.ndim() >= 1 && a.dim(-1) == b.dim(0),
          "matmul: a is {} and b is {}; the columns of a must equal the rows of b", a.shape(), b.shape());
  const Array y = Array::uninitialised(product_shape(a, b.dim(1)), same_dtype("matmul", a.dtype(), b.dtype()));
  multiply(a.value(), b.value(), {y, false});
  return record("matmul", y, wrt(a, [b = b.value()](const Array& dy, const Dest& da) { multiply_nt(dy, b, da); }),
                wrt(b, outer(a)));
}

/// y = a bᵀ,   da = dy b,   db = dyᵀ a.
Tensor matmul_nt(const Tensor& a, const Tensor& b) {
  require(a.ndim() >= 2 && b.ndim() >= 2 && a.dim(-1) == b.dim(-1),
          "matmul_nt: a is {} and b is {}; both must have two axes or more, and as many columns", a.shape(), b.shape());
  if (b.ndim() > 2) return detail::batched_product("matmul_nt", a, b, true);
  const Array y = Array::uninitialised(product_shape(a, b.dim(0)), same_dtype("matmul_nt", a.dtype(), b.dtype()));
  multiply_nt(a.value(), b.value(), {y, false});
  return record("matmul_nt", y, wrt(a, [b = b.value()](const Array& dy, const Dest& da) { multiply(dy, b, da); }),
                wrt(b, outer_transposed(a)));
}

Tensor dot(const Tensor& a, const Tensor& b) {
  require(a.ndim() == 1 && a.shape() == b.shape(), "dot: a is {} and b is {}; two vectors of one length", a.shape(),
          b.shape());
  const auto scaled = [](const Array& x) {
    return [x](const Array& dy, const Dest& into) {
      map_into(
          into, [g = dy.item()](auto v) { return v * g; }, x);
    };
  };
  const Array y = Array::uninitialised({}, same_dtype("dot", a.dtype(), b.dtype()));
  dispatch(y.dtype(),
           [&]<class T>(T) { *y.raw<T>() = detail::inner_product(a.value().raw<T>(), b.value().raw<T>(), a.size()); });
  return record("dot", y, wrt(a, scaled(b.value())), wrt(b, scaled(a.value())));
}

Tensor outer(const Tensor& a, const Tensor& b) {
  require(a.ndim() == 1 && b.ndim() == 1, "outer: a is {} and b is {}; both must be vectors", a.shape(), b.shape());
  return matmul(unsqueeze(a, 1), unsqueeze(b, 0));
}

/// y = x w + b,   dx = dy wᵀ,   dw = xᵀ dy,   db = dy, summed over rows when b is one row.
Tensor affine(const Tensor& x, const Tensor& w, Tensor b) {
  require(x.ndim() >= 1 && w.ndim() == 2 && x.dim(-1) == w.dim(0) && b.defined() &&
              ((b.ndim() == 1 && w.dim(1) == b.dim(0)) || b.shape() == product_shape(x, w.dim(1))),
          "affine: x is {}, w is {} and b is {}; the columns of x must equal the rows of w, and b have one number for "
          "each column of w, or the result's shape",
          x.shape(), w.shape(), b.shape());
  same_dtype("affine", w.dtype(), b.dtype());
  const Dtype dtype = same_dtype("affine", x.dtype(), w.dtype());
  const auto dx = [w = w.value()](const Array& dy, const Dest& into) { multiply_nt(dy, w, into); };
  const Shape shape = product_shape(x, w.dim(1));
  if (b.ndim() == 1 && shape.ndim() > 1) {
    const Array y = Array::uninitialised(shape, dtype);
    multiply_onto(b.value(), x.value(), w.value(), y);
    return record("affine", y, wrt(x, dx), wrt(w, outer(x)), wrt(b, sum_of_rows()));
  }
  const Tensor operand(Array(), b.tape(), b.node());
  const bool in_place = fast_paths() && (b.value().lent() || b.value().reusable());
  const Array y = in_place ? std::move(b).value() : Array::uninitialised(shape, dtype);
  if (y.buffer()->packs != nullptr) drop_packs(y.buffer());
  multiply_onto(in_place ? y : b.value(), x.value(), w.value(), y);
  Tensor result = record("affine", y, wrt(x, dx), wrt(w, outer(x)), wrt(operand, [](const Array& dy) { return dy; }));
  if (result.recorded()) Tape::current()->forwards_to(result.node(), Tape::current()->find("affine", operand));
  return result;
}

}  // namespace unroll
