// The small network that `forward_by_hand` and `bptt_by_hand` compute without the library: two inputs, three units,
// four steps. Every number of it follows from a formula, so that anybody can check it with a calculator.
//
//   x<t>[i] = cos(2t + i)                       t = 0 … 3
//   W[j][k] of block m = 0.5 sin(10m + 5j + k + 1)      acts on the column [a<t-1>, x<t>]: three numbers, then two
//   b[j]    of block m = 0.5 sin(10m + j + 1)
#pragma once

#include <array>
#include <cmath>

#include <unroll/unroll.h>

namespace by_hand {

using namespace unroll;

constexpr Index inputs = 2, units = 3, steps = 4;
constexpr double tolerance = 1e-12;

using Column = std::array<double, units>;
using Input = std::array<double, inputs>;

inline Input x(Index t) { return {std::cos(2.0 * static_cast<double>(t)), std::cos(2.0 * static_cast<double>(t) + 1)}; }
inline double number(Index block, Index element) {
  return 0.5 * std::sin(static_cast<double>(10 * block + element + 1));
}

/// W [3, 5] and b [3] of one gate, as they stand in the notes: z = W [a<t-1>, x<t>] + b.
struct NotesGate {
  Index w, b;  // the blocks their numbers come from

  double at(Index row, Index column) const { return number(w, row * (units + inputs) + column); }

  Column z(const Column& a, const Input& x) const {
    Column z;
    for (Index j = 0; j < units; ++j) {
      z[j] = number(b, j);
      for (Index k = 0; k < units; ++k) z[j] += at(j, k) * a[k];
      for (Index k = 0; k < inputs; ++k) z[j] += at(j, units + k) * x[k];
    }
    return z;
  }
};

inline double sigma(double z) { return 1 / (1 + std::exp(-z)); }
inline Column tanh(Column z) {
  for (double& v : z) v = std::tanh(v);
  return z;
}
inline Column sigma(Column z) {
  for (double& v : z) v = sigma(v);
  return z;
}

/// The same numbers in the library's cells, which keep W transposed and in two parts: wh acts on a, wx on x, and the
/// gates stand side by side in their columns.
inline void put(const NotesGate& gate, const Param& wx, const Param& wh, const Param& b, Index column,
                Index state_column) {
  Array x = wx.value().copy(), h = wh.value().copy(), bias = b.value().copy();
  for (Index j = 0; j < units; ++j) {
    for (Index k = 0; k < units; ++k) h.set_flat(k * h.cols() + state_column + j, gate.at(j, k));
    for (Index k = 0; k < inputs; ++k) x.set_flat(k * x.cols() + column + j, gate.at(j, units + k));
    bias.set_flat(column + j, number(gate.b, j));
  }
  wx.set(x), wh.set(h), b.set(bias);
}

/// All x<t> as the library wants them: [T, B, F] with a batch of one.
inline Tensor all_inputs() {
  Array xs = Array::uninitialised({steps, 1, inputs}, f64);
  for (Index t = 0; t < steps; ++t) {
    for (Index i = 0; i < inputs; ++i) xs.set_flat(t * inputs + i, x(t)[i]);
  }
  return xs;
}

/// Prints both rows of numbers and how far apart they are, and says whether that is close enough.
inline bool compare(const std::string& what, const std::vector<double>& hand, const Array& library) {
  double distance = 0;
  std::vector<double> ours;
  for (Index i = 0; i < hand.size(); ++i) {
    ours.push_back(library.flat(i));
    distance = std::max(distance, std::abs(hand[i] - ours.back()));
  }
  const bool equal = hand.size() == library.size() && distance <= tolerance;  // a NaN is not
  fmt::print("{:12} by hand  {:+.12f}\n{:12} library  {:+.12f}\n{:12} {} (largest difference {:.1e})\n", what,
             fmt::join(hand, "  "), "", fmt::join(ours, "  "), "", equal ? "equal" : "NOT EQUAL", distance);
  return equal;
}

}  // namespace by_hand
