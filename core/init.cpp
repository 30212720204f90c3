#include <cmath>
#include <vector>

#include <unroll/core/init.h>

namespace unroll {
namespace {

template <class Draw>
Array filled(const Shape& shape, Draw draw) {
  Array a = Array::uninitialised(shape, f64);
  double* out = a.raw<double>();
  for (Index i = 0, n = a.size(); i < n; ++i) out[i] = draw();
  return a;
}

/// Σ xᵢ yᵢ in eight running sums, whose order is the same with and without SIMD.
double dot(const double* x, const double* y, Index n) {
  double sum[8] = {};
  Index i = 0;
  for (; i + 8 <= n; i += 8) {
    for (Index l = 0; l < 8; ++l) sum[l] += x[i + l] * y[i + l];
  }
  for (; i < n; ++i) sum[0] += x[i] * y[i];
  return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

/// `count` orthonormal rows of `length` ≥ count numbers: modified Gram–Schmidt on normal draws, each row twice.
std::vector<double> orthonormal_rows(Index count, Index length, Random& random) {
  std::vector<double> q(count * length);
  for (auto& x : q) x = random.normal();
  for (Index i = 0; i < count; ++i) {
    double* row = &q[i * length];
    for (int pass = 0; pass < 2; ++pass) {
      for (Index j = 0; j < i; ++j) {
        const double* other = &q[j * length];
        const double along = dot(row, other, length);
        for (Index k = 0; k < length; ++k) row[k] -= along * other[k];
      }
    }
    const double scale = 1 / std::sqrt(dot(row, row, length));
    for (Index k = 0; k < length; ++k) row[k] *= scale;
  }
  return q;
}

}  // namespace

Init constant(double value) {
  return [value](const Shape& shape, Random&) { return Array::full(shape, f64, value); };
}
Init uniform(double low, double high) {
  return [=](const Shape& shape, Random& random) { return filled(shape, [&] { return random.uniform(low, high); }); };
}
Init uniform(double limit) { return uniform(-limit, limit); }
Init normal(double deviation) {
  return [=](const Shape& shape, Random& random) { return filled(shape, [&] { return deviation * random.normal(); }); };
}
Init parts(std::vector<double> values) {
  return [values = std::move(values)](const Shape& shape, Random&) {
    require(!values.empty() && shape.cols() % values.size() == 0,
            "parts: the last axis of {} does not divide into {} parts", shape, values.size());
    const Index part = shape.cols() / values.size();
    Index i = 0;
    return filled(shape, [&] { return values[i++ % shape.cols() / part]; });
  };
}

Array zero(const Shape& shape, Random&) { return Array::zeros(shape, f64); }

Array glorot(const Shape& shape, Random& random) {
  const double limit = std::sqrt(6 / static_cast<double>(shape.rows() + shape.cols()));
  return filled(shape, [&] { return random.uniform(-limit, limit); });
}

Array orthogonal(const Shape& shape, Random& random) {
  const Index rows = shape.rows(), cols = shape.cols();
  Array a = Array::uninitialised(shape, f64);
  double* out = a.raw<double>();
  if (a.size() == 0) return a;
  const Index block = cols % rows == 0 ? rows : cols;
  for (Index c0 = 0; c0 < cols; c0 += block) {
    const bool wide = block >= rows;
    const auto q = orthonormal_rows(wide ? rows : block, wide ? block : rows, random);
    for (Index r = 0; r < rows; ++r) {
      for (Index c = 0; c < block; ++c) out[r * cols + c0 + c] = wide ? q[r * block + c] : q[c * rows + r];
    }
  }
  return a;
}

}  // namespace unroll
