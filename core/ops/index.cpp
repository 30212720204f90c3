#include <cstring>

#include <unroll/core/ops.h>

namespace unroll {
namespace {

void check_ids(const char* op, const Ids& ids, Index size) {
  for (Index i = 0; i < ids.size(); ++i) {
    require<UsageError>(ids[i] >= 0 && static_cast<Index>(ids[i]) < size, "{}: id {} at position {} is outside 0 … {}",
                        op, ids[i], i, static_cast<std::ptrdiff_t>(size) - 1);
  }
}

}  // namespace

/// y[i] = table[ids[i]],   dtable[v] = Σ over i with ids[i] = v of dy[i].
Tensor rows(const Tensor& table, const Ids& ids) {
  require(table.ndim() == 2, "rows: the table is {}; it must have two axes", table.shape());
  check_ids("rows", ids, table.dim(0));
  const Index width = table.dim(1);
  Shape shape;
  for (Index axis = 0; axis < ids.ndim(); ++axis) shape.append(ids.dim(axis));
  shape.append(width);
  const Array y = Array::uninitialised(shape, table.dtype());
  dispatch(table.dtype(), [&]<class T>(T) {
    for (Index i = 0; i < ids.size(); ++i) {
      std::memcpy(y.raw<T>() + i * width, table.value().raw<T>() + static_cast<Index>(ids[i]) * table.value().stride(),
                  width * sizeof(T));
    }
  });
  return record("rows", y, wrt(table, scattered(ids)));
}

/// y[i] = x[i, ids[i]]
Tensor pick(const Tensor& x, const Ids& ids) {
  require(x.ndim() > 0 && x.value().rows() == ids.size(), "pick: x is {} but there are {} ids; one for each row",
          x.shape(), ids.size());
  check_ids("pick", ids, x.dim(-1));
  const Shape shape(x.shape().begin(), x.shape().end() - 1);
  const Array y = Array::uninitialised(shape, x.dtype());
  dispatch(x.dtype(), [&]<class T>(T) {
    for (Index i = 0; i < ids.size(); ++i) {
      y.raw<T>()[i] = x.value().raw<T>()[i * x.value().stride() + static_cast<Index>(ids[i])];
    }
  });
  return record("pick", y, wrt(x, [ids = PooledList<Id>::of(ids), full = x.shape()](const Array& dy) {
                  Array dx = Array::zeros(full, dy.dtype());
                  const Array g = dy.contiguous() ? dy : dy.copy();
                  dispatch(dy.dtype(), [&]<class T>(T) {
                    for (Index i = 0; i < ids.size(); ++i) {
                      dx.raw<T>()[i * full.cols() + static_cast<Index>(ids[i])] = g.raw<T>()[i];
                    }
                  });
                  return dx;
                }));
}

}  // namespace unroll
