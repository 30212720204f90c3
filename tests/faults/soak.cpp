// A training of many steps takes no more memory in the end than in the beginning: soak STEPS (more than 1,000).
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include <unroll/unroll.h>

using namespace unroll;

namespace {

Index resident_bytes() {
  Index total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<Index>(::sysconf(_SC_PAGESIZE));
}

/// A classifier of sequences of different lengths, with dropout, clipping and a schedule.
class Training {
 public:
  double step() {
    std::vector<std::vector<Id>> sequences(4);
    std::vector<Id> labels;
    for (auto& sequence : sequences) {
      const Id first = static_cast<Id>(random_.below(2));
      labels.push_back(first);
      sequence.assign(1 + random_.below(6), 2);
      sequence[0] = first;
    }
    const Batch batch = pad(sequences);
    Tape tape;
    const Tensor hs = dropout_(scan(lstm_, embedding_(batch.ids), {.lengths = batch.lengths}).last.h);
    const Tensor loss = cross_entropy(head_(hs), Ids(labels), Reduce::per_sequence);
    const double value = loss.item();
    const LinearRate rate{.rate = 0.01, .floor = 0.001, .steps = 1000};
    adam_.step(params_, clip(tape.backward(loss), 1), rate(steps_++));
    return value;
  }

 private:
  Params params_{1};
  Random random_{2};
  Embedding embedding_{params_ / "embedding", 3, 4};
  Lstm lstm_{params_ / "lstm", 4, 6};
  Dropout dropout_{params_, 0.1};
  Linear head_{params_ / "head", 6, 2};
  Adam adam_;
  Index steps_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  constexpr Index early = 1000;
  const Index steps = argc == 2 ? std::strtoul(argv[1], nullptr, 10) : 0;
  if (steps <= early) {
    fmt::print(stderr, "usage: soak STEPS, more than {}\n", early);
    return 2;
  }
  Training training;
  Index resident = 0, pool = 0;
  double loss = 0;
  for (Index k = 1; k <= steps; ++k) {
    loss = 0.99 * loss + 0.01 * training.step();
    if (k == early) {
      resident = resident_bytes();
      pool = pool_stats().in_use;
    }
    if (k > early && (Tape::current() != nullptr || pool_stats().in_use != pool)) {
      fmt::print(stderr, "soak: after step {} {} bytes of arrays are in use, after step {} there were {}\n", k,
                 pool_stats().in_use, early, pool);
      return 1;
    }
  }
  const Index end = resident_bytes(), grown = end - std::min(end, resident);
  fmt::print(
      "{} steps: resident memory {} KiB after {}, {} KiB in the end; {} KiB of arrays in use; mean loss {:.4f}\n",
      steps, resident / 1024, early, end / 1024, pool / 1024, loss);
  return grown <= Index{1} << 20 && loss < 0.2 ? 0 : 1;
}
