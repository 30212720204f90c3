#include <algorithm>
#include <bit>
#include <cmath>

#include <unroll/core/random.h>

namespace unroll {

Random::Random(std::uint64_t seed) {
  for (auto& word : state_) {
    seed += 0x9e3779b97f4a7c15u;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    word = z ^ (z >> 31);
  }
}

std::uint64_t Random::next() {
  auto& [a, b, c, d] = state_;
  const std::uint64_t result = std::rotl(a + d, 23) + a;
  const std::uint64_t t = b << 17;
  c ^= a;
  d ^= b;
  b ^= c;
  a ^= d;
  c ^= t;
  d = std::rotl(d, 45);
  return result;
}

double Random::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

double Random::uniform(double low, double high) { return low + (high - low) * uniform(); }

double Random::normal() {
  for (;;) {
    const double u = 2 * uniform() - 1, v = 2 * uniform() - 1;
    const double s = u * u + v * v;
    if (s > 0 && s < 1) return u * std::sqrt(-2 * portable_log(s) / s);  // a square root is exact by IEEE 754
  }
}

Index Random::below(Index n) {
  require<UsageError>(n > 0, "Random::below: the bound must be positive");
  const std::uint64_t limit = ~std::uint64_t{0} - ~std::uint64_t{0} % n;
  for (;;) {
    const std::uint64_t draw = bits();
    if (draw < limit) return draw % n;
  }
}

Array Random::mask(const Shape& shape, Dtype dtype, double keep) {
  Array mask = Array::uninitialised(shape, dtype);
  const std::uint64_t threshold = static_cast<std::uint64_t>(keep * 0x1p32);
  about_to_draw();
  dispatch(dtype, [&]<class T>(T) {
    const T scale = static_cast<T>(1 / keep);
    T* out = mask.raw<T>();
    std::uint64_t word = 0;
    for (Index i = 0, n = mask.size(); i < n; ++i) {
      word = i % 2 == 0 ? next() : word >> 32;
      out[i] = (word & 0xffffffffu) < threshold ? scale : T{0};
    }
  });
  return mask;
}

constinit thread_local DrawLog* DrawLog::latest_ = nullptr;

DrawLog::~DrawLog() {
  if (again_) undo();
  latest_ = outer_;
}

void DrawLog::first_draw(Random& random) {
  if (outer_ != nullptr) outer_->first_draw(random);
  const auto same = [&](const Before& before) { return before.random == &random; };
  if (std::any_of(before_.begin(), before_.end(), same)) return;
  before_.push_back({&random, random.state()});
  if (!again_) {
    notes_.push_back(random.state());
  } else if (seen_ < notes_.size()) {
    random.restore(notes_[seen_]);
  }
  ++seen_;
}

void DrawLog::forget(const Random& random) {
  if (outer_ != nullptr) outer_->forget(random);
  std::erase_if(before_, [&](const Before& before) { return before.random == &random; });
}

void DrawLog::undo() {
  for (const Before& before : before_) before.random->restore(before.state);
}

double portable_log(double x) {
  // x = m 2^e with m in [√½, √2);  ln m = 2 atanh((m-1)/(m+1)), whose series converges like 0.03^k.
  const auto word = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(word >> 52) - 1023;
  if (exponent == -1023) return portable_log(x * 0x1p54) - 54 * 0.6931471805599453;
  double m = std::bit_cast<double>((word & 0x000fffffffffffffu) | 0x3ff0000000000000u);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double z = (m - 1) / (m + 1), z2 = z * z;
  double sum = 0;
  for (int k = 21; k >= 1; k -= 2) sum = sum * z2 + 1.0 / k;
  return exponent * 0.6931471805599453 + 2 * z * sum;
}

}  // namespace unroll
