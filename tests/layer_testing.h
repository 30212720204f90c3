// What the tests of the layers share: a list of all cells, random arrays, comparisons.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <unroll/layers/cells.h>
#include <unroll/layers/scan.h>

namespace unroll::testing {

/// Calls f(name, make) for every cell in every form; make(scope, in, hidden) is the cell.
template <class F>
void for_each_cell(F visit) {
  const auto f = [&](const std::string& name, auto make) { visit(name, make); };
  f("Rnn, tanh", [](const Scope& p, Index in, Index hidden) { return Rnn(p, in, hidden); });
  f("Rnn, relu", [](const Scope& p, Index in, Index hidden) { return Rnn(p, in, hidden, Activation::relu); });
  f("SimpleGru", [](const Scope& p, Index in, Index hidden) { return SimpleGru(p, in, hidden); });
  f("Gru, reset before", [](const Scope& p, Index in, Index hidden) { return Gru(p, in, hidden, Reset::before); });
  f("Gru, reset after", [](const Scope& p, Index in, Index hidden) { return Gru(p, in, hidden, Reset::after); });
  f("Lstm, tanh(c)", [](const Scope& p, Index in, Index hidden) { return Lstm(p, in, hidden); });
  f("Lstm, c", [](const Scope& p, Index in, Index hidden) { return Lstm(p, in, hidden, {.output = LstmOutput::c}); });
  f("PeepholeLstm, new c", [](const Scope& p, Index in, Index hidden) { return PeepholeLstm(p, in, hidden); });
  f("PeepholeLstm, old c",
    [](const Scope& p, Index in, Index hidden) { return PeepholeLstm(p, in, hidden, Peephole::old_c); });
  f("CoupledLstm", [](const Scope& p, Index in, Index hidden) { return CoupledLstm(p, in, hidden); });
  f("ProjectedLstm", [](const Scope& p, Index in, Index hidden) { return ProjectedLstm(p, in, hidden + 2, hidden); });
  f("LayerNormLstm", [](const Scope& p, Index in, Index hidden) { return LayerNormLstm(p, in, hidden); });
  f("IndRnn", [](const Scope& p, Index in, Index hidden) { return IndRnn(p, in, hidden); });
  f("Mgu", [](const Scope& p, Index in, Index hidden) { return Mgu(p, in, hidden); });
  f("MinGru", [](const Scope& p, Index in, Index hidden) { return MinGru(p, in, hidden); });
}

inline Array random_array(const Shape& shape, std::uint64_t seed) {
  Random random(seed);
  return normal(1)(shape, random);
}

/// A state like `like` with random numbers in its tensors.
template <class State>
State random_state(const State& like, std::uint64_t seed) {
  return map_fields(like, [&](const Tensor& x) { return Tensor(random_array(x.shape(), seed++).to(x.dtype())); });
}

/// The tensors of a state, in order.
template <class State>
std::vector<Tensor> tensors_of(const State& state) {
  std::vector<Tensor> all;
  each_field(state, [&](const Tensor& x) { all.push_back(x); });
  return all;
}

/// A state like `like` made of these tensors.
template <class State>
State state_of(const State& like, std::span<const Tensor> tensors) {
  Index next = 0;
  return map_fields(like, [&](const Tensor&) { return tensors[next++]; });
}

/// The largest |a − b|; infinite when the shapes differ or something is NaN.
inline double distance(const Array& a, const Array& b) {
  if (a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (Index i = 0; i < a.size(); ++i) {
    const double d = std::abs(a.flat(i) - b.flat(i));
    if (!(d <= largest)) largest = std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
  }
  return largest;
}
inline double distance(const Tensor& a, const Tensor& b) { return distance(a.value(), b.value()); }

/// The same shape, dtype and bits.
inline bool same_bits(const Array& a, const Array& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  return dispatch(a.dtype(), [&]<class T>(T) {
    const auto x = a.as<T>(), y = b.as<T>();
    return std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
  });
}
inline bool same_bits(const Tensor& a, const Tensor& b) { return same_bits(a.value(), b.value()); }

/// What an exception of type `E` says that `f` throws.
template <class E = ShapeError, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& error) { return error.what(); }
  return "nothing was thrown";
}

/// Everything a scan returns in one row of numbers, for gradient checks with a random cotangent.
template <class State>
Tensor in_a_row(const Scanned<State>& scanned) {
  std::vector<Tensor> all{reshape(scanned.outputs, {scanned.outputs.size()})};
  each_field(scanned.last, [&](const Tensor& x) { all.push_back(reshape(x, {x.size()})); });
  return concat(all, 0);
}

/// Σ r∘x over everything a scan returns, with random r.
template <class State>
Tensor random_sum(const Scanned<State>& scanned, std::uint64_t seed) {
  const Tensor row = in_a_row(scanned);
  return sum(row * Tensor(random_array(row.shape(), seed).to(row.dtype())));
}

}  // namespace unroll::testing
