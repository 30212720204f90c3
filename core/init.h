// Initialisers of parameters. Each draws in f64 and in a fixed order: the same numbers on every machine and for both
// dtypes.
#pragma once

#include <functional>
#include <vector>

#include <unroll/core/random.h>

namespace unroll {

/// Makes the value of a parameter of this shape, in f64.
using Init = std::function<Array(const Shape&, Random&)>;

Init constant(double value);
/// Uniform on [-limit, limit).
Init uniform(double limit);
Init uniform(double low, double high);
/// Normal with mean 0.
Init normal(double deviation);
/// One value for each of `values.size()` equal parts of the last axis: `parts({0, 1, 0, 0})` is a forget bias of 1.
Init parts(std::vector<double> values);

/// All zeros.
Array zero(const Shape& shape, Random& random);
/// Uniform with limit √(6 / (rows + cols)) (Glorot and Bengio 2010).
Array glorot(const Shape& shape, Random& random);
/// A matrix with orthonormal rows or columns, whichever are fewer (Saxe et al. 2014); every square block of a wide
/// matrix [H, kH] is orthogonal by itself, since each belongs to one gate.
Array orthogonal(const Shape& shape, Random& random);

}  // namespace unroll
