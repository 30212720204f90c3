// Random numbers that are the same bits on every machine: integers and IEEE arithmetic only, no library functions.
#pragma once

#include <array>
#include <cstdint>

#include <unroll/core/array.h>

namespace unroll {

/// xoshiro256++ (Blackman and Vigna 2019), seeded through splitmix64.
class Random {
 public:
  using State = std::array<std::uint64_t, 4>;

  explicit Random(std::uint64_t seed = 0);

  std::uint64_t bits();
  /// Uniform on [0, 1), a multiple of 2⁻⁵³.
  double uniform();
  double uniform(double low, double high);
  /// Standard normal, by Marsaglia's polar method.
  double normal();
  /// Uniform on 0 … n-1, without bias. Errors: n is 0.
  Index below(Index n);
  /// Shuffles in place (Fisher and Yates).
  template <class Container>
  void shuffle(Container& values) {
    for (Index i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }
  /// 1/keep with probability keep, else 0: the factors of dropout.
  Array mask(const Shape& shape, Dtype dtype, double keep);

  const State& state() const { return state_; }
  void restore(const State& state) { state_ = state; }

 private:
  State state_;
};

/// ln x for x > 0 within 3 ulp from additions, multiplications and divisions alone, so with the same bits everywhere.
double portable_log(double x);

}  // namespace unroll
