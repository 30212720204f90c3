#include <unroll/core/ops/batched.h>

namespace unroll::detail {
namespace {

/// Which matrix of a and which of b meet in each matrix of the result.
struct Pairing {
  PooledList<Index> a, b;
  Index a_count, b_count;
  Index count() const { return a.size(); }
};

Shape leading(const Shape& shape) { return Shape(shape.begin(), shape.end() - 2); }

Shape leading(const char* op, const Shape& a, const Shape& b) {
  const Shape x = leading(a), y = leading(b);
  for (Index i = 1; i <= std::min(x.ndim(), y.ndim()); ++i) {
    const Index n = x[x.ndim() - i], m = y[y.ndim() - i];
    require(n == m || n == 1 || m == 1,
            "{}: a is {} and b is {}; each axis before the last two, from the last, must agree or be 1", op, a, b);
  }
  return broadcast(op, x, y);
}

/// The places of an operand's matrices in a batch of shape `lead`.
PooledList<Index> places(const Shape& own, const Shape& lead) {
  AxisSteps steps{};
  Index step = 1;
  for (Index i = own.ndim(), offset = lead.ndim() - own.ndim(); i-- > 0; step *= own[i]) {
    steps[i + offset] = own[i] == 1 ? 0 : step;
  }
  Shape rows = lead;
  rows.append(1);
  PooledList<Index> list(rows.rows());
  each_row(rows, steps, [&](Index row, Index offset) { list[row] = offset; });
  return list;
}

Array matrix(const Array& x, Index i) {
  const Index rows = x.dim(-2);
  return x.part(i * rows, 0, {rows, x.cols()});
}

/// c (+)= a bᵀ. For one row of a that is the inner product with each row of b, read where it lies.
void product_nt(const Array& a, const Array& b, const Dest& c) {
  if (a.rows() != 1 || !fast_paths()) return multiply_once_nt(a, b, c);
  dispatch(a.dtype(), [&]<class T>(T) {
    T* out = c.into.raw<T>();
    for (Index r = 0, rows = b.rows(); r < rows; ++r) {
      const T sum = inner_product(a.raw<T>(), b.raw<T>() + r * b.stride(), a.cols());
      out[r] = c.add ? out[r] + sum : sum;
    }
  });
}

/// A product with so many operations has its own threads.
constexpr double large_product = 1.5e7;

/// Calls f(i) for each matrix of the result, on several threads when they are small and many.
template <class F>
void each_product(const Pairing& pairs, double flops, F f) {
  const double all = flops * static_cast<double>(pairs.count());
  if (flops >= large_product || all < large_product / 10) {
    for (Index i = 0; i < pairs.count(); ++i) f(i);
    return;
  }
  const Index each = 1 + static_cast<Index>(1e5 / (flops + 1)), tiles = (pairs.count() + each - 1) / each;
  parallel_for(
      tiles,
      [&](Index tile) {
        for (Index i = tile * each, end = std::min(pairs.count(), i + each); i < end; ++i) f(i);
      },
      all >= large_product);
}

/// Adds up f(i, dest) into the matrix of `dest` that the operand has at each place. Where an operand's matrices meet
/// several of the other's the order is that of the result, whatever the number of threads.
template <class F>
void gather_products(const Pairing& pairs, const PooledList<Index>& place, Index count, const Dest& dest, double flops,
                     F f) {
  if (count == pairs.count()) {
    return each_product(pairs, flops, [&](Index i) { f(i, Dest{matrix(dest.into, place[i]), dest.add}); });
  }
  if (!dest.add) zero_fill(dest.into);
  for (Index i = 0; i < pairs.count(); ++i) f(i, Dest{matrix(dest.into, place[i]), true});
}

}  // namespace

/// y = a b,    da = dy bᵀ,   db = aᵀ dy.
/// y = a bᵀ,   da = dy b,    db = dyᵀ a.
Tensor batched_product(const char* op, const Tensor& a, const Tensor& b, bool transposed) {
  const Shape a_lead = leading(a.shape()), b_lead = leading(b.shape()), lead = leading(op, a.shape(), b.shape());
  const Pairing pairs{places(a_lead, lead), places(b_lead, lead), a_lead.size(), b_lead.size()};
  Shape shape = lead;
  shape.append(a.dim(-2));
  shape.append(b.dim(transposed ? -2 : -1));
  const Array y = Array::uninitialised(shape, same_dtype(op, a.dtype(), b.dtype()));
  const double flops =
      2.0 * static_cast<double>(a.dim(-2)) * static_cast<double>(a.dim(-1)) * static_cast<double>(shape.cols());
  each_product(pairs, flops, [&](Index i) {
    const Array left = matrix(a.value(), pairs.a[i]), right = matrix(b.value(), pairs.b[i]);
    transposed ? product_nt(left, right, {matrix(y, i), false}) : multiply_once(left, right, {matrix(y, i), false});
  });
  return record(op, y,
                wrt(a,
                    [=, b = b.value()](const Array& dy, const Dest& da) {
                      gather_products(pairs, pairs.a, pairs.a_count, da, flops, [&](Index i, const Dest& into) {
                        const Array g = matrix(dy, i), right = matrix(b, pairs.b[i]);
                        transposed ? multiply_once(g, right, into) : product_nt(g, right, into);
                      });
                    }),
                wrt(b, [=, a = a.value()](const Array& dy, const Dest& db) {
                  gather_products(pairs, pairs.b, pairs.b_count, db, flops, [&](Index i, const Dest& into) {
                    const Array g = matrix(dy, i), left = matrix(a, pairs.a[i]);
                    transposed ? multiply_tn(g, left, into) : multiply_tn(left, g, into);
                  });
                }));
}

}  // namespace unroll::detail
