#include <algorithm>
#include <numeric>

#include <unroll/core/ops.h>
#include <unroll/core/ops/axis.h>

namespace unroll {

using detail::Around, detail::dense;

namespace {

/// y[i] = x[0] + … + x[i] along an axis, or x[i] + … + x[n-1] backwards.
Array running_sum(const Array& x, Index axis, bool backwards) {
  const Array y = Array::uninitialised(x.shape(), x.dtype()), from = dense(x);
  const Around a(x.shape(), axis);
  dispatch(x.dtype(), [&]<class T>(T) {
    for (Index o = 0; o < a.outer; ++o) {
      for (Index i = 0; i < a.n; ++i) {
        const Index at = o * a.n + (backwards ? a.n - 1 - i : i), before = backwards ? at + 1 : at - 1;
        const T* in = from.raw<T>() + at * a.inner;
        T* out = y.raw<T>() + at * a.inner;
        if (i == 0) {
          std::copy_n(in, a.inner, out);
        } else {
          const T* sums = y.raw<T>() + before * a.inner;
          for (Index k = 0; k < a.inner; ++k) out[k] = sums[k] + in[k];
        }
      }
    }
  });
  return y;
}

/// Whether `a` comes before `b` in falling order; NaN first.
template <class T>
bool larger(T a, T b) {
  return a > b || (a != a && b == b);
}
template <class T>
bool smaller(T a, T b) {
  return a < b || (a != a && b == b);
}

/// Where along an axis the element is that comes before all others; the first of those.
template <class Before>
Ids first_of(const char* op, const Tensor& x, int axis, bool keep, Before before) {
  require_value(op, x);
  const Index a = x.shape().axis(axis, op);
  const Around around(x.shape(), a);
  require(around.n > 0, "{}: axis {} of a tensor of shape {} has no elements", op, axis, x.shape());
  const Index inner = around.inner;
  std::vector<Id> places(around.outer * inner, 0);
  const Array from = dense(x.value());
  dispatch(x.dtype(), [&]<class T>(T) {
    for (Index o = 0; o < around.outer; ++o) {
      const T* rows = from.raw<T>() + o * around.n * inner;
      Id* best = places.data() + o * inner;
      for (Index i = 1; i < around.n; ++i) {
        for (Index k = 0; k < inner; ++k) {
          if (before(rows[i * inner + k], rows[static_cast<Index>(best[k]) * inner + k])) best[k] = static_cast<Id>(i);
        }
      }
    }
  });
  return {std::move(places), keep ? detail::with_extent(x.shape(), a, 1) : detail::without(x.shape(), a)};
}

}  // namespace

Tensor cumsum(const Tensor& x, int axis) {
  require_value("cumsum", x);
  const Index a = x.shape().axis(axis, "cumsum");
  return record("cumsum", running_sum(x.value(), a, false),
                wrt(x, [a](const Array& dy) { return running_sum(dy, a, true); }));
}

Ids argmax(const Tensor& x, int axis, bool keep) {
  return first_of("argmax", x, axis, keep, [](auto a, auto b) { return larger(a, b); });
}
Ids argmin(const Tensor& x, int axis, bool keep) {
  return first_of("argmin", x, axis, keep, [](auto a, auto b) { return smaller(a, b); });
}

TopK top_k(const Tensor& x, Index k) {
  require_value("top_k", x);
  require(x.ndim() > 0 && k <= x.dim(-1), "top_k: the {} largest of the last axis of a tensor of shape {}", k,
          x.shape());
  const Index cols = x.dim(-1);
  std::vector<Id> ids;
  ids.reserve(x.value().rows() * k);
  std::vector<Id> order(cols);
  dispatch(x.dtype(), [&]<class T>(T) {
    for (Index r = 0, rows = x.value().rows(); r < rows; ++r) {
      const T* row = x.value().raw<T>() + r * x.value().stride();
      std::iota(order.begin(), order.end(), Id{0});
      const auto middle = order.begin() + static_cast<std::ptrdiff_t>(k);
      std::partial_sort(order.begin(), middle, order.end(),
                        [row](Id a, Id b) { return larger(row[a], row[b]) || (!larger(row[b], row[a]) && a < b); });
      ids.insert(ids.end(), order.begin(), middle);
    }
  });
  Ids chosen(std::move(ids), detail::with_extent(x.shape(), x.ndim() - 1, k));
  Tensor values = gather(x, chosen, -1);
  return {std::move(values), std::move(chosen)};
}

}  // namespace unroll
