// Memory that runs out at any place: an exception, nothing lost, nothing changed by half, and all usable again.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include <unroll/core/threads.h>
#include <unroll/io/checkpoint.h>
#include <unroll/layers/cells/gru.h>
#include <unroll/layers/cells/lstm.h>
#include <unroll/layers/dropout.h>
#include <unroll/layers/embedding.h>
#include <unroll/layers/linear.h>
#include <unroll/layers/scan.h>
#include <unroll/optim/weight_average.h>

#include <unroll/tests/allocations.h>
#include <unroll/tests/optim_testing.h>
#include <unroll/tests/temporary_folder.h>

using namespace unroll;
using namespace unroll::testing;

namespace {

using Bits = std::vector<std::string>;

std::string bits_of(const Array& given) {
  const Array array = given.contiguous() ? given : given.copy();
  return dispatch(array.dtype(), [&]<class T>(T) {
    return std::string(reinterpret_cast<const char*>(array.data<T>()), array.size() * sizeof(T));
  });
}
Bits bits_of(const Params& params) {
  Bits bits;
  for (const Param& param : params) bits.push_back(bits_of(param.value()));
  return bits;
}
Bits bits_of(const OptimizerState& state) {
  Bits bits;
  for (const auto& [name, array] : state) bits.push_back(name + bits_of(array));
  return bits;
}

/// What is tried on a thread of its own, whose pool and tapes begin without any memory.
class Trial {
 public:
  virtual ~Trial() = default;
  virtual void attempt() = 0;
  /// What may not be changed by an attempt that failed, bit for bit.
  virtual Bits untouched() { return {}; }
  /// The result of an attempt that succeeded.
  virtual Bits result() { return {}; }
};

/// Makes a trial and lets its nth request for memory fail, for n = 1, 2, … until there are no more. Returns how many
/// there were.
long refuse_each(const std::function<std::unique_ptr<Trial>()>& make) {
  Bits expected;
  const auto once = [&](long n) {  // 0: nothing is refused
    const long blocks = heap_blocks();
    const Index bytes = heap_bytes(), pool = pool_stats().in_use;
    bool happened = false, threw = false, other = false, kept = true, right = true;
    std::thread([&] {
      const std::unique_ptr<Trial> trial = make();
      const Bits before = trial->untouched();
      {
        const Refusal refusal(n);
        try {
          trial->attempt();
        } catch (const std::bad_alloc&) { threw = true; } catch (const Error&) {
          threw = true;
        } catch (...) { other = true; }
        happened = n > 0 && refusal.happened();
      }
      if (threw) {
        kept = trial->untouched() == before;
        trial->attempt();
      }
      Bits result = trial->result();
      if (n == 0) {
        expected = std::move(result);
      } else {
        right = result == expected;
      }
    }).join();
    const bool flat = heap_blocks() == blocks && heap_bytes() == bytes && pool_stats().in_use == pool;
    CAPTURE(n);
    CHECK_FALSE(other);
    CHECK(kept);
    CHECK(right);
    CHECK((flat || n == 0));  // what is made once for the whole process, and what is expected, is made at first
    return happened;
  };
  once(0);
  long refused = 0;
  while (once(refused + 1)) ++refused;
  return refused;
}

/// Forward and backward of a model with a table, scans of all kinds, dropout and products.
struct Pass : Trial {
  Params params{1};
  Embedding embedding{params / "embedding", 11, 4};
  Dropout dropout{params, 0.3};
  Gru gru{params / "gru", 4, 5};
  Lstm lstm{params / "lstm", 5, 6};
  Linear head{params / "head", 6, 3};
  Ids ids = Ids::filled(6, 3, 0), labels = Ids(std::vector<Id>{0, 2, 1});
  Random::State start = params.random().state();
  Index checkpoint_every;
  bool ragged;
  Bits gradients;

  Pass(Index checkpoint_every, bool ragged) : checkpoint_every(checkpoint_every), ragged(ragged) {
    for (Index i = 0; i < ids.size(); ++i) ids[i] = static_cast<Id>(i * 5 % 11);
  }
  void attempt() override {
    gradients.clear();
    params.random().restore(start);
    for (int step = 0; step < 2; ++step) {
      Tape tape;
      const Tensor xs = tape.watch(dropout(embedding(ids)));
      ScanOptions options{.lengths = ragged ? std::vector<Index>{6, 2, 4} : std::vector<Index>{}};
      options.checkpoint_every = checkpoint_every;
      const Tensor hs = scan(gru, xs, options).outputs;
      const Tensor h = scan(lstm, dropout(hs)).last.h;
      const Tensor loss = cross_entropy(head(h), labels, Reduce::per_sequence) + sum(hs * hs) * 0.01;
      const Grads grads = tape.backward(loss);
      gradients.push_back(bits_of(grads[xs]));
      for (const auto& [param, grad] : grads) gradients.push_back(bits_of(grad));
    }
  }
  Bits untouched() override { return bits_of(params); }
  Bits result() override { return gradients; }
};

/// The third step of an optimizer, whose parameters and moments somebody else looks at too; or the first.
struct Step : Trial {
  Params params{1};
  Param w = Scope(params)("w", {5, 3}, normal(1)), b = Scope(params)("b", {3}, normal(1));
  std::unique_ptr<Optimizer> optimizer;
  std::vector<Grads> grads;
  Checkpoint copies;

  Step(Index which, Index steps_before, Dtype later) : optimizer(std::move(optim_testing::all_optimizers()[which])) {
    for (Index k = 0; k <= steps_before; ++k) {
      if (k == steps_before) params.to(later);
      Grads& all = grads.emplace_back();
      all.insert(b, optim_testing::noisy({3}, b.dtype(), k + 7));
      PooledList<Id> rows(2);
      rows[0] = 1;
      rows[1] = 4;
      all.insert(w, RowGrad{rows, optim_testing::noisy({2, 3}, w.dtype(), k)});
      if (k < steps_before) optimizer->step(params, all);
    }
    put_params(copies, params);
    for (const auto& [name, array] : optimizer->state(params)) copies.arrays["state/" + name] = array;
  }
  void attempt() override { optimizer->step(params, grads.back()); }
  Bits untouched() override {
    Bits bits = bits_of(params), state = bits_of(optimizer->state(params));
    bits.insert(bits.end(), state.begin(), state.end());
    return bits;
  }
  Bits result() override { return untouched(); }
};

/// Averages of weights that somebody else looks at too: the third update, or the averages in the parameters' place.
struct Average : Trial {
  Params params{1};
  Param w = Scope(params)("w", {5, 3}, normal(1)), b = Scope(params)("b", {3}, normal(1));
  WeightAverage average{params, {.decay = 0.5}};
  OptimizerState shared;
  bool update;
  Bits seen;

  Average(bool update, Dtype later) : update(update) {
    for (Index k = 0; k < 2; ++k) {
      w.set(optim_testing::noisy({5, 3}, f32, k));
      average.update(params);
    }
    w.set(optim_testing::noisy({5, 6}, f32, 9).part(0, 1, {5, 3}));
    params.to(later);
    shared = average.state();
  }
  void attempt() override {
    if (update) return average.update(params);
    const AppliedAverage applied = average.applied(params);
    seen = bits_of(params);
  }
  Bits untouched() override {
    Bits bits = bits_of(params), state = bits_of(average.state());
    bits.insert(bits.end(), state.begin(), state.end());
    return bits;
  }
  Bits result() override {
    Bits bits = untouched();
    bits.insert(bits.end(), seen.begin(), seen.end());
    return bits;
  }
};

Checkpoint some_checkpoint(double value) {
  Checkpoint checkpoint;
  checkpoint.arrays["w"] = Array::full({5, 3}, f32, value);
  checkpoint.arrays["b"] = Array::full({3}, f64, value);  // to be rounded
  for (const char* param : {"w", "b"}) {
    const Shape shape = checkpoint.arrays.at(param).shape();
    checkpoint.arrays[fmt::format("adam/{}/steps", param)] = Array::full({}, f64, 3);
    checkpoint.arrays[fmt::format("adam/{}/first_moment", param)] = Array::full(shape, f32, value);
    checkpoint.arrays[fmt::format("adam/{}/second_moment", param)] = Array::full(shape, f32, value);
  }
  checkpoint.integers["counts/of"] = {Shape{2}, {1, 2}};
  put_strings(checkpoint, "tokens", {"a", "a long token that is no short string", "c"});
  put_random(checkpoint, "random", Random(3));
  return checkpoint;
}

struct Save : Trial {
  const TemporaryFolder folder;
  Save() { save(folder / "a", some_checkpoint(1)); }
  void attempt() override {
    Checkpoint checkpoint = some_checkpoint(2);
    checkpoint.arrays["view/of"] = checkpoint.arrays.at("w").part(0, 1, {5, 2});
    save(folder / "a", checkpoint);
  }
  Bits untouched() override { return {bytes_in(folder / "a"), fmt::format("{}", folder.names())}; }
  Bits result() override { return untouched(); }
};

/// What a program does with a checkpoint, one of the calls at a time.
struct Load : Trial {
  const TemporaryFolder folder;
  Params params{1};
  Param w = Scope(params)("w", {5, 3}, normal(1)), b = Scope(params)("b", {3}, normal(1));
  Adam adam;
  Random random{1};
  int part;
  Checkpoint checkpoint = some_checkpoint(2);
  OptimizerState state;

  explicit Load(int part) : part(part) {
    save(folder / "a", checkpoint);
    for (auto& [name, array] : get_arrays(checkpoint, "adam")) state[name] = array;
  }
  void attempt() override {
    switch (part) {
      case 0:
        checkpoint = load(folder / "a");
        break;
      case 1:
        restore_params(checkpoint, params);
        break;
      case 2:
        adam.restore(params, state);
        break;
      case 3:
        restore_random(checkpoint, "random", random);
        break;
      default:
        put_strings(checkpoint, "tokens", get_strings(checkpoint, "tokens"));
    }
  }
  Bits untouched() override {
    Bits bits = bits_of(params), moments = bits_of(adam.state(params)), arrays;
    for (const auto& [name, array] : checkpoint.arrays) arrays.push_back(name + bits_of(array));
    for (const auto& [name, text] : checkpoint.metadata) arrays.push_back(name + text);
    bits.insert(bits.end(), moments.begin(), moments.end());
    bits.insert(bits.end(), arrays.begin(), arrays.end());
    for (const std::uint64_t word : random.state()) bits.push_back(std::to_string(word));
    return bits;
  }
  Bits result() override { return untouched(); }
};

}  // namespace

TEST_CASE("out of memory: forward and backward") {
  for (const Index checkpoint_every : std::initializer_list<Index>{0, 2}) {
    for (const bool ragged : {false, true}) {
      CAPTURE(checkpoint_every);
      CAPTURE(ragged);
      const long refused = refuse_each([&] { return std::make_unique<Pass>(checkpoint_every, ragged); });
      MESSAGE(refused << " requests refused");
      CHECK(refused > 100);
    }
  }
}

TEST_CASE("out of memory: the step of every optimizer") {
  long refused = 0;
  const Index optimizers = optim_testing::all_optimizers().size();
  for (Index which = 0; which < optimizers; ++which) {
    CAPTURE(which);
    for (const auto& [before, later] : {std::pair<Index, Dtype>{0, f32}, {2, f32}, {2, f64}}) {
      CAPTURE(before);
      refused +=
          refuse_each([&, before = before, later = later] { return std::make_unique<Step>(which, before, later); });
    }
  }
  MESSAGE(refused << " requests refused");
  CHECK(refused > 3 * static_cast<long>(optimizers));
}

TEST_CASE("out of memory: averages of weights") {
  for (const bool update : {false, true}) {
    for (const Dtype later : {f32, f64}) {
      CAPTURE(update);
      CAPTURE(later);
      const long refused = refuse_each([&] { return std::make_unique<Average>(update, later); });
      MESSAGE(refused << " requests refused");
      CHECK(refused > 2);
    }
  }
}

TEST_CASE("out of memory: saving") {
  const long refused = refuse_each([] { return std::make_unique<Save>(); });
  MESSAGE(refused << " requests refused");
  CHECK(refused > 20);
}

TEST_CASE("out of memory: loading") {
  long refused = 0;
  for (int part = 0; part < 5; ++part) {
    CAPTURE(part);
    refused += refuse_each([&] { return std::make_unique<Load>(part); });
  }
  MESSAGE(refused << " requests refused");
  CHECK(refused > 50);
}

TEST_CASE("out of memory: in a tile, on any thread") {
  set_threads(2);
  for (int repetition = 0; repetition < 200; ++repetition) {
    std::atomic<int> thrown{0};
    CHECK_THROWS_AS(parallel_for(64,
                                 [&](Index tile) {
                                   if (tile % 16 == 5) {
                                     ++thrown;
                                     throw std::bad_alloc();
                                   }
                                 }),
                    std::bad_alloc);
    CHECK(thrown >= 1);
    std::atomic<Index> sum{0};
    parallel_for(64, [&](Index tile) { sum += tile; });
    CHECK(sum == 64 * 63 / 2);
  }
  set_threads(1);
}
