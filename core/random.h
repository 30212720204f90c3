// Random numbers that are the same bits on every machine: integers and IEEE arithmetic only, no library functions.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <unroll/core/array.h>

namespace unroll {

class DrawLog;

/// xoshiro256++ (Blackman and Vigna 2019), seeded through splitmix64.
class Random {
 public:
  using State = std::array<std::uint64_t, 4>;

  explicit Random(std::uint64_t seed = 0);
  Random(const Random&) = default;
  Random& operator=(const Random&) = default;
  ~Random();

  std::uint64_t bits() {
    about_to_draw();
    return next();
  }
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
  void about_to_draw();
  std::uint64_t next();

  State state_;
};

/// While it lives, notes the state of every Random of this thread before its first draw; or, given such notes, puts
/// each Random into the state noted at the same place, so that the same computation draws the same numbers, and puts
/// back what was there when it ends. They nest.
class DrawLog {
 public:
  DrawLog() : outer_(std::exchange(latest_, this)) {}
  explicit DrawLog(std::vector<Random::State> notes) : notes_(std::move(notes)), again_(true), outer_(latest_) {
    latest_ = this;
  }
  ~DrawLog();
  DrawLog(const DrawLog&) = delete;
  DrawLog& operator=(const DrawLog&) = delete;

  /// In the order of the first draws.
  const std::vector<Random::State>& notes() const { return notes_; }
  /// Puts every Random back into the state before its first draw.
  void undo();
  /// How many Randoms have drawn since the innermost log of this thread began.
  static Index drawn() { return latest_ == nullptr ? 0 : latest_->seen_; }

 private:
  friend class Random;
  struct Before {
    Random* random;
    Random::State state;
  };
  void first_draw(Random& random);
  void forget(const Random& random);

  std::vector<Random::State> notes_;
  std::vector<Before> before_;  // of those that still live
  Index seen_ = 0;
  bool again_ = false;
  DrawLog* outer_;
  static constinit thread_local DrawLog* latest_;
};

inline Random::~Random() {
  if (DrawLog::latest_ != nullptr) [[unlikely]]
    DrawLog::latest_->forget(*this);
}
inline void Random::about_to_draw() {
  if (DrawLog::latest_ != nullptr) [[unlikely]]
    DrawLog::latest_->first_draw(*this);
}

/// ln x for x > 0 within 3 ulp from additions, multiplications and divisions alone, so with the same bits everywhere.
double portable_log(double x);

}  // namespace unroll
