#include <unroll/core/ops.h>

namespace unroll {
namespace {

Shape product_shape(const Tensor& a, const Tensor& b) {
  Shape shape = a.shape();
  shape.set(shape.ndim() - 1, b.dim(1));
  return shape;
}

/// db += Σ over rows of dy
void add_rows(const Array& dy, const Dest& db) {
  dispatch(dy.dtype(), [&]<class T>(T) {
    T* out = db.into.raw<T>();
    const Index cols = dy.cols();
    if (!db.add) std::fill_n(out, cols, T{0});
    for (Index r = 0, rows = dy.rows(); r < rows; ++r) {
      const T* row = dy.raw<T>() + r * dy.stride();
      for (Index c = 0; c < cols; ++c) out[c] += row[c];
    }
  });
}

}  // namespace

/// y = a b,   da = dy bᵀ,   db = aᵀ dy.
Tensor matmul(const Tensor& a, const Tensor& b) {
  require(b.ndim() == 2, "matmul: a is {} and b is {}; b must be a matrix", a.shape(), b.shape());
  require(a.ndim() >= 1 && a.dim(-1) == b.dim(0),
          "matmul: a is {} and b is {}; the columns of a must equal the rows of b", a.shape(), b.shape());
  const Array y = Array::uninitialised(product_shape(a, b), same_dtype("matmul", a.dtype(), b.dtype()));
  multiply(a.value(), b.value(), {y, false});
  return record("matmul", y, wrt(a, [b = b.value()](const Array& dy, const Dest& da) { multiply_nt(dy, b, da); }),
                wrt(b, outer(a)));
}

/// y = x w + b,   dx = dy wᵀ,   dw = xᵀ dy,   db = dy, summed over rows when b is one row.
Tensor affine(const Tensor& x, const Tensor& w, Tensor b) {
  require(x.ndim() >= 1 && w.ndim() == 2 && x.dim(-1) == w.dim(0) && b.defined() &&
              ((b.ndim() == 1 && w.dim(1) == b.dim(0)) || b.shape() == product_shape(x, w)),
          "affine: x is {}, w is {} and b is {}; the columns of x must equal the rows of w, and b have one number for "
          "each column of w, or the result's shape",
          x.shape(), w.shape(), b.shape());
  same_dtype("affine", w.dtype(), b.dtype());
  const Dtype dtype = same_dtype("affine", x.dtype(), w.dtype());
  const auto dx = [w = w.value()](const Array& dy, const Dest& into) { multiply_nt(dy, w, into); };
  const Shape shape = product_shape(x, w);
  if (b.ndim() == 1 && shape.ndim() > 1) {
    const Array y = Array::uninitialised(shape, dtype);
    multiply_onto(b.value(), x.value(), w.value(), y);
    return record("affine", y, wrt(x, dx), wrt(w, outer(x)), wrt(b, add_rows));
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
