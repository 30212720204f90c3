#include <unroll/core/ops.h>
#include <unroll/core/ops/axis.h>

namespace unroll {

using detail::Around, detail::dense;

namespace {

void check_ids(const char* op, const Ids& ids, Index size) {
  for (Index i = 0; i < ids.size(); ++i) {
    require<UsageError>(ids[i] >= 0 && static_cast<Index>(ids[i]) < size, "{}: id {} at position {} is outside 0 … {}",
                        op, ids[i], i, static_cast<std::ptrdiff_t>(size) - 1);
  }
}

/// The places in a tensor's memory that ids along one axis name.
struct Places {
  PooledList<Id> ids;
  Shape shape;  // of the ids
  Index axis;

  /// Errors: the ids do not stand to x as in `gather`, or one is outside the axis.
  Places(const char* op, const Tensor& x, const Ids& all, int axis_)
      : ids(PooledList<Id>::of(all)), shape(Shape::of(all)), axis(x.shape().axis(axis_, op)) {
    bool fits = shape.ndim() == x.ndim();
    for (Index i = 0; fits && i < shape.ndim(); ++i) fits = i == axis || shape[i] <= x.shape()[i];
    require(fits, "{}: x is {} and the ids {}; as many axes, and besides axis {} none longer than x's", op, x.shape(),
            shape, axis_);
    check_ids(op, all, x.shape()[axis]);
  }

  /// Calls f(number of the id, offset in x's memory) for each id.
  template <class F>
  void each(const Array& x, F f) const {
    AxisSteps steps = steps_along(x, x.shape());
    const Index along = std::exchange(steps[axis], 0), col = steps[shape.ndim() - 1], cols = shape.cols();
    each_row(shape, steps, [&](Index row, Index offset) {
      for (Index i = row * cols, c = 0; c < cols; ++c, ++i) f(i, offset + c * col + static_cast<Index>(ids[i]) * along);
    });
  }

  /// y[i] = x[place of i]
  Array gathered(const Array& x) const {
    const Array y = Array::uninitialised(shape, x.dtype());
    dispatch(x.dtype(), [&]<class T>(T) {
      each(x, [from = x.raw<T>(), to = y.raw<T>()](Index i, Index place) { to[i] = from[place]; });
    });
    return y;
  }
  /// x[place of i] += y[i], where x lies
  void scatter(const Array& y, const Array& x) const {
    const Array given = dense(y);
    dispatch(x.dtype(), [&]<class T>(T) {
      each(x, [from = given.raw<T>(), to = x.raw<T>()](Index i, Index place) { to[place] += from[i]; });
    });
  }
};

}  // namespace

/// y[i] = table[ids[i]],   dtable[v] = Σ over i with ids[i] = v of dy[i].
Tensor rows(const Tensor& table, const Ids& ids) {
  require(table.ndim() == 2, "rows: the table is {}; it must have two axes", table.shape());
  check_ids("rows", ids, table.dim(0));
  const Index width = table.dim(1);
  Shape shape = Shape::of(ids);
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
                  const Array g = dense(dy);
                  dispatch(dy.dtype(), [&]<class T>(T) {
                    for (Index i = 0; i < ids.size(); ++i) {
                      dx.raw<T>()[i * full.cols() + static_cast<Index>(ids[i])] = g.raw<T>()[i];
                    }
                  });
                  return dx;
                }));
}

Tensor index_select(const Tensor& x, const Ids& ids, int axis) {
  require_value("index_select", x);
  const Index a = x.shape().axis(axis, "index_select");
  if (a == 0 && x.ndim() == 2) return rows(x, ids);  // whose gradient is gathered
  check_ids("index_select", ids, x.shape()[a]);
  Shape shape(x.shape().begin(), x.shape().begin() + a);
  for (const Index extent : ids.shape()) shape.append(extent);
  for (Index i = a + 1; i < x.ndim(); ++i) shape.append(x.shape()[i]);
  const Array y = Array::uninitialised(shape, x.dtype());
  // Calls f(slice of x, slice of y, its length) for each id in each outer part.
  const auto slices = [list = PooledList<Id>::of(ids), around = Around(x.shape(), a)](const Array& of_x,
                                                                                      const Array& of_y, auto f) {
    dispatch(of_x.dtype(), [&]<class T>(T) {
      T* to = of_y.raw<T>();
      for (Index o = 0; o < around.outer; ++o) {
        for (const Id id : list) {
          f(of_x.raw<T>() + (o * around.n + static_cast<Index>(id)) * around.inner, to, around.inner);
          to += around.inner;
        }
      }
    });
  };
  slices(dense(x.value()), y, [](const auto* from, auto* to, Index n) { std::copy_n(from, n, to); });
  return record("index_select", y, wrt(x, [slices, full = x.shape()](const Array& dy) {
                  const Array dx = Array::zeros(full, dy.dtype());
                  slices(dx, dense(dy), [](auto* into, const auto* g, Index n) {
                    for (Index k = 0; k < n; ++k) into[k] += g[k];
                  });
                  return dx;
                }));
}

/// dx[place of i] += dy[i]
Tensor gather(const Tensor& x, const Ids& ids, int axis) {
  require_value("gather", x);
  const Places places("gather", x, ids, axis);
  return record("gather", places.gathered(x.value()), wrt(x, [places](const Array& dy, const Dest& dx) {
                  if (!dx.add) zero_fill(dx.into);
                  places.scatter(dy, dx.into);
                }));
}

/// dx = dy,   dsource[i] = dy[place of i]
Tensor scatter_add(const Tensor& x, const Ids& ids, const Tensor& source, int axis) {
  require_value("scatter_add", x);
  require_value("scatter_add", source);
  same_dtype("scatter_add", x.dtype(), source.dtype());
  require(source.shape() == Shape::of(ids), "scatter_add: the source is {} and the ids {}; they must have one shape",
          source.shape(), Shape::of(ids));
  const Places places("scatter_add", x, ids, axis);
  const Array y = x.value().copy();
  places.scatter(source.value(), y);
  return record("scatter_add", y, wrt(x, [](const Array& dy) { return dy; }),
                wrt(source, [places](const Array& dy) { return places.gathered(dy); }));
}

Tensor one_hot(const Ids& ids, Index classes, Dtype dtype) {
  check_ids("one_hot", ids, classes);
  Shape shape = Shape::of(ids);
  shape.append(classes);
  const Array y = Array::zeros(shape, dtype);
  dispatch(dtype, [&]<class T>(T) {
    for (Index i = 0; i < ids.size(); ++i) y.raw<T>()[i * classes + static_cast<Index>(ids[i])] = 1;
  });
  return y;
}

}  // namespace unroll
