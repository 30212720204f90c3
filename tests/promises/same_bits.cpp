// Trains a small language model of two layers for 50 steps with the number of threads given, and prints hashes of all
// parameters, of the optimizer's state and of the text that it then writes: `same_bits.py` compares them.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include <unroll/unroll.h>

using namespace unroll;

namespace {

/// FNV-1a (Fowler, Noll and Vo).
struct Hash {
  std::uint64_t value = 14695981039346656037ULL;
  void add(const void* data, Index bytes) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (Index i = 0; i < bytes; ++i) value = (value ^ at[i]) * 1099511628211ULL;
  }
  void add(const Array& array) {
    for (Index i = 0; i < array.size(); ++i) {
      const double x = array.flat(i);
      add(&x, sizeof x);
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  set_threads(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1);
  constexpr Index words = 300, hidden = 160;
  Params params(7);
  const Embedding embedding(params / "embedding", words, 48);
  const Lstm first(params / "first", 48, hidden);
  const Gru second(params / "second", hidden, hidden);
  const Linear head(params / "head", hidden, words);
  const Dropout drop(params / "drop", 0.2);
  const auto logits = [&](const Ids& ids) {
    return head(drop(scan(second, drop(scan(first, embedding(ids)).outputs)).outputs));
  };

  Random text(3);
  std::vector<Id> ids;
  for (Index i = 0; i < 20'000; ++i) ids.push_back(static_cast<Id>(text.below(words) * text.below(words) / words));
  AdamW adamw({.rate = 3e-3});
  Index step = 0;
  double nats = 0;
  for (const Batch& batch : stream(ids, {.lanes = 33, .steps = 12})) {
    if (step++ == 50) break;
    Tape tape;
    const Tensor loss = cross_entropy(logits(batch.ids), batch.targets, Reduce::per_token);
    adamw.step(params, clip(tape.backward(loss), 1.0));
    nats = loss.item();
  }
  if (!(nats < std::log(words))) {
    fmt::print(stderr, "the model has learned nothing: {} nats\n", nats);
    return 1;
  }

  Hash parameters, state, written;
  for (const Param& p : params) parameters.add(p.value());
  for (const auto& [name, array] : adamw.state(params)) state.add(array);
  std::vector<Id> sample{1};
  while (sample.size() < 60) {
    const Array last = at(logits(Ids(sample, sample.size(), 1)), sample.size() - 1).value();
    std::vector<double> row;
    for (Index i = 0; i < last.size(); ++i) row.push_back(last.flat(i));
    sample.push_back(unroll::sample(row, {.temperature = 0.9}, params.random()));
  }
  written.add(sample.data(), sample.size() * sizeof(Id));
  fmt::print("parameters {:016x} optimizer {:016x} text {:016x} after {} steps\n", parameters.value, state.value,
             written.value, step - 1);
}
