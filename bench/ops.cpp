// Single ops with Google Benchmark, on one thread: the tape, elementwise ops, products beside OpenBLAS, the
// cross-entropy beside its memory traffic, and embeddings. `per_…` is time for one of them, `flop` is per second.

#include <benchmark/benchmark.h>
#include <cblas.h>

#include <unroll/bench/common.h>
#include <unroll/layers/cells.h>
#include <unroll/layers/scan.h>
#include <unroll/optim/adam.h>
#include <unroll/optim/sgd.h>

namespace unroll::bench {
namespace {

using benchmark::Counter;
using benchmark::State;

Counter time_for_each(Index things) {
  return Counter(static_cast<double>(things), Counter::kIsIterationInvariantRate | Counter::kInvert);
}
Counter rate_of(double things) { return Counter(things, Counter::kIsIterationInvariantRate); }
Index argument(const State& state, int number) { return static_cast<Index>(state.range(static_cast<Index>(number))); }

/// Times `step`, after one call that finds memory and caches cold.
template <class Step>
void repeat(State& state, Step step) {
  step();
  for (auto _ : state) step();
}

Array uniform_array(const Shape& shape) {
  Random random(1);
  return drawn(shape, [&] { return random.uniform(-1, 1); });
}

// ---------------------------------------------------------------------------------------------------------------------
// The tape
// ---------------------------------------------------------------------------------------------------------------------

struct Scale {
  Tensor operator()(const Tensor& y, const Tensor&) const { return y * 0.999999; }
};
struct Plus {
  Tensor operator()(const Tensor& y, const Tensor& x) const { return y + x; }
};
struct Squash {
  Tensor operator()(const Tensor& y, const Tensor&) const { return tanh(y); }
};

// What do recording an op, its backward and its end cost, when the numbers cost nothing?
template <class Op>
void chain(State& state) {
  const Index ops = argument(state, 0);
  repeat(state, [&] {
    Tape tape;
    const Tensor x = tape.watch(Tensor::scalar(0.5));
    Tensor y = x;
    for (Index i = 0; i < ops; ++i) y = Op()(y, x);
    benchmark::DoNotOptimize(tape.backward(y));
  });
  state.counters["per_op"] = time_for_each(ops);
}
void lengths_of_chains(benchmark::internal::Benchmark* b) {
  b->ArgName("ops")->Arg(1000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
}
BENCHMARK_TEMPLATE(chain, Scale)->Apply(lengths_of_chains);
BENCHMARK_TEMPLATE(chain, Plus)->Apply(lengths_of_chains);
BENCHMARK_TEMPLATE(chain, Squash)->Apply(lengths_of_chains);

// Does a step of time cost the same however long the sequence is?
void sequence(State& state) {
  const Index steps = argument(state, 0);
  Params params(1);
  const Lstm cell(params, 8, 16);
  const Tensor x = uniform_array({steps, 1, 8});
  repeat(state, [&] {
    Tape tape;
    benchmark::DoNotOptimize(tape.backward(mean(pointwise([](auto y) { return y * y; }, scan(cell, x).outputs))));
  });
  state.counters["per_step"] = time_for_each(steps);
}
BENCHMARK(sequence)->ArgName("T")->RangeMultiplier(10)->Range(100, 100'000)->Unit(benchmark::kMillisecond);

// ---------------------------------------------------------------------------------------------------------------------
// Elementwise ops
// ---------------------------------------------------------------------------------------------------------------------

template <Index N>
using Inputs = std::array<Tensor, N>;

struct Add {
  Tensor operator()(const Inputs<2>& x) const { return x[0] + x[1]; }
};
struct Multiply {
  Tensor operator()(const Inputs<2>& x) const { return x[0] * x[1]; }
};
struct Tanh {
  Tensor operator()(const Inputs<1>& x) const { return tanh(x[0]); }
};
/// The LSTM's gates in one fused loop; h + c, so that both results have a gradient.
struct Gates {
  Tensor operator()(const Inputs<5>& x) const {
    auto [h, c] = pointwise(
        [](auto i, auto f, auto g, auto o, auto c) {
          auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
          return std::tuple{sigmoid(o) * tanh(next), next};
        },
        x[0], x[1], x[2], x[3], x[4]);
    return std::move(h) + std::move(c);
  }
};

template <Index N>
Inputs<N> make_inputs(const State& state) {
  Inputs<N> inputs;
  for (Tensor& x : inputs) x = uniform_array({argument(state, 0), argument(state, 1)});
  return inputs;
}

// What does an elementwise op cost beyond its numbers, and its numbers once they are many?
template <class Op, Index N>
void forward(State& state) {
  const auto inputs = make_inputs<N>(state);
  repeat(state, [&] { benchmark::DoNotOptimize(Op()(inputs)); });
  state.counters["per_element"] = time_for_each(inputs[0].size());
}
// The same recorded and pulled back to all inputs, each of them a leaf.
template <class Op, Index N>
void forward_backward(State& state) {
  const auto inputs = make_inputs<N>(state);
  const Array cotangent = uniform_array(inputs[0].shape());
  repeat(state, [&] {
    Tape tape;
    Inputs<N> leaves;
    for (Index i = 0; i < N; ++i) leaves[i] = tape.watch(inputs[i]);
    benchmark::DoNotOptimize(tape.backward(Op()(leaves), cotangent));
  });
  state.counters["per_element"] = time_for_each(inputs[0].size());
}
void sizes_of_states(benchmark::internal::Benchmark* b) {
  b->ArgNames({"batch", "hidden"})->Args({1, 64})->Args({32, 256})->Args({64, 512});
}
BENCHMARK_TEMPLATE(forward, Add, 2)->Apply(sizes_of_states);
BENCHMARK_TEMPLATE(forward, Multiply, 2)->Apply(sizes_of_states);
BENCHMARK_TEMPLATE(forward, Tanh, 1)->Apply(sizes_of_states);
BENCHMARK_TEMPLATE(forward, Gates, 5)->Apply(sizes_of_states);
BENCHMARK_TEMPLATE(forward_backward, Add, 2)->Apply(sizes_of_states);
BENCHMARK_TEMPLATE(forward_backward, Multiply, 2)->Apply(sizes_of_states);
BENCHMARK_TEMPLATE(forward_backward, Tanh, 1)->Apply(sizes_of_states);
BENCHMARK_TEMPLATE(forward_backward, Gates, 5)->Apply(sizes_of_states);

// ---------------------------------------------------------------------------------------------------------------------
// Products
// ---------------------------------------------------------------------------------------------------------------------

struct Ours {
  static void plain(const Array& a, const Array& b, const Array& c) { multiply(a, b, {c, false}); }
  static void nt(const Array& a, const Array& b, const Array& c) { multiply_nt(a, b, {c, false}); }
  static void tn(const Array& a, const Array& b, const Array& c) { multiply_tn(a, b, {c, false}); }
};

struct OpenBlas {
  static void plain(const Array& a, const Array& b, const Array& c) { gemm(CblasNoTrans, CblasNoTrans, a, b, c); }
  static void nt(const Array& a, const Array& b, const Array& c) { gemm(CblasNoTrans, CblasTrans, a, b, c); }
  static void tn(const Array& a, const Array& b, const Array& c) { gemm(CblasTrans, CblasNoTrans, a, b, c); }

  static void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, const Array& a, const Array& b, const Array& c) {
    const auto number = [](Index n) { return static_cast<blasint>(n); };
    const Index depth = ta == CblasTrans ? a.rows() : a.cols();
    cblas_sgemm(CblasRowMajor, ta, tb, number(c.rows()), number(c.cols()), number(depth), 1, a.raw<float>(),
                number(a.stride()), b.raw<float>(), number(b.stride()), 0, c.raw<float>(), number(c.stride()));
  }
};

template <class Product>
void product(State& state, Product multiply, const Shape& a_shape, const Shape& b_shape, const Shape& c_shape) {
  const Array a = uniform_array(a_shape), b = uniform_array(b_shape), c = Array::uninitialised(c_shape, f32);
  multiply(a, b, c);  // the second product with a matrix makes the packed copy
  repeat(state, [&] { multiply(a, b, c); });
  const double rows = static_cast<double>(state.range(0)), in = static_cast<double>(state.range(1));
  state.counters["flop"] = rate_of(2 * rows * in * static_cast<double>(state.range(2)));
}

// How fast is h W with a weight that is used again, at a step's few rows?
template <class By>
void state_times_weight(State& state) {
  const Index n = argument(state, 0), k = argument(state, 1), m = argument(state, 2);
  product(state, By::plain, {n, k}, {k, m}, {n, m});
}
// How fast is dz Wᵀ, the gradient of h?
template <class By>
void state_gradient(State& state) {
  const Index n = argument(state, 0), k = argument(state, 1), m = argument(state, 2);
  product(state, By::nt, {n, m}, {k, m}, {n, k});
}
// How fast is hᵀ dz, the gradient of W, over the rows of 64 steps of time at once?
template <class By>
void weight_gradient(State& state) {
  const Index n = argument(state, 0), k = argument(state, 1), m = argument(state, 2);
  product(state, By::tn, {n, k}, {n, m}, {k, m});
}
template <int Steps>
void sizes_of_products(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "in", "out"})->Unit(benchmark::kMicrosecond);
  for (const int in : {64, 128, 256, 512, 1024}) {
    for (const int batch : {1, 16, 32, 64, 128}) b->Args({Steps * batch, in, 4 * in});
  }
}
BENCHMARK_TEMPLATE(state_times_weight, Ours)->Apply(sizes_of_products<1>);
BENCHMARK_TEMPLATE(state_times_weight, OpenBlas)->Apply(sizes_of_products<1>);
BENCHMARK_TEMPLATE(state_gradient, Ours)->Apply(sizes_of_products<1>);
BENCHMARK_TEMPLATE(state_gradient, OpenBlas)->Apply(sizes_of_products<1>);
BENCHMARK_TEMPLATE(weight_gradient, Ours)->Apply(sizes_of_products<64>);
BENCHMARK_TEMPLATE(weight_gradient, OpenBlas)->Apply(sizes_of_products<64>);

// ---------------------------------------------------------------------------------------------------------------------
// Softmax cross-entropy
// ---------------------------------------------------------------------------------------------------------------------

constexpr Index classes = 10'000, tokens = 400;

/// Reads x twice and writes y once, row by row: the traffic of a softmax without its arithmetic. The columns are whole
/// groups of vectors.
void read_twice_and_write(const Array& x, const Array& y) {
  using V = xsimd::batch<float>;
  constexpr Index group = 5;
  static_assert(classes % (group * V::size) == 0);
  for (Index r = 0; r < x.rows(); ++r) {
    const float* from = x.raw<float>() + r * classes;
    float* to = y.raw<float>() + r * classes;
    std::array<V, group> tops;
    tops.fill(V(from[0]));
    for (Index c = 0; c < classes; c += group * V::size) {
      for (Index i = 0; i < group; ++i) tops[i] = xsimd::max(tops[i], V::load_unaligned(from + c + i * V::size));
    }
    for (Index i = 1; i < group; ++i) tops[0] = xsimd::max(tops[0], tops[i]);
    for (Index c = 0; c < classes; c += V::size) (V::load_unaligned(from + c) - tops[0]).store_unaligned(to + c);
  }
}

// How long does it take to read the logits twice and to write as much once?
void softmax_traffic(State& state) {
  const Array logits = uniform_array({tokens, classes}), out = Array::uninitialised(logits.shape(), f32);
  repeat(state, [&] { read_twice_and_write(logits, out); });
}
BENCHMARK(softmax_traffic)->Unit(benchmark::kMillisecond);

/// `of_traffic` is the ratio to that, measured in turn; the pool hands both the same memory to write
/// to.
template <class Loss>
void beside_the_traffic(State& state, const Array& logits, Loss loss) {
  std::clock_t ours = 0, traffic = 0;
  loss();
  for (auto _ : state) {
    const std::clock_t begin = std::clock();
    loss();
    ours += std::clock() - begin;
    state.PauseTiming();
    const std::clock_t before = std::clock();
    read_twice_and_write(logits, Array::uninitialised(logits.shape(), f32));
    traffic += std::clock() - before;
    state.ResumeTiming();
  }
  state.counters["of_traffic"] = static_cast<double>(ours) / static_cast<double>(traffic);
}

Ids random_ids(Index count, Index below) {
  Random random(2);
  std::vector<Id> ids(count);
  for (Id& id : ids) id = static_cast<Id>(random.below(below));
  return ids;
}

// How close is the loss over a vocabulary to the bandwidth of the memory? Without a gradient:
void cross_entropy_forward(State& state) {
  const Tensor logits = uniform_array({tokens, classes});
  const Ids targets = random_ids(tokens, classes);
  beside_the_traffic(state, logits.value(),
                     [&] { benchmark::DoNotOptimize(cross_entropy(logits, targets, Reduce::per_token)); });
}
BENCHMARK(cross_entropy_forward)->Unit(benchmark::kMillisecond);

// And with it:
void cross_entropy_forward_backward(State& state) {
  const Tensor logits = uniform_array({tokens, classes});
  const Ids targets = random_ids(tokens, classes);
  beside_the_traffic(state, logits.value(), [&] {
    Tape tape;
    benchmark::DoNotOptimize(tape.backward(cross_entropy(tape.watch(logits), targets, Reduce::per_token)));
  });
}
BENCHMARK(cross_entropy_forward_backward)->Unit(benchmark::kMillisecond);

// ---------------------------------------------------------------------------------------------------------------------
// Embeddings
// ---------------------------------------------------------------------------------------------------------------------

struct NoUpdate {
  void step(Params&, const Grads& grads) { benchmark::DoNotOptimize(grads.size()); }
};

// Does a step cost what the touched rows cost, however large the vocabulary is? Forward and backward of 400 rows of 200
// numbers, then the update.
template <class Update>
void embedding(State& state) {
  const Index vocabulary = argument(state, 0), width = 200;
  Params params(1);
  const Param table = Scope(params)("table", {vocabulary, width}, uniform(0.1));
  const Ids ids = random_ids(tokens, vocabulary);
  const Array cotangent = uniform_array({tokens, width});
  Update update;
  repeat(state, [&] {
    Tape tape;
    const Tensor y = rows(table, ids);
    update.step(params, tape.backward(y, cotangent));
  });
  state.counters["per_id"] = time_for_each(tokens);
}
void sizes_of_vocabularies(benchmark::internal::Benchmark* b) {
  b->ArgName("vocabulary")->RangeMultiplier(10)->Range(1000, 100'000)->Unit(benchmark::kMicrosecond);
}
BENCHMARK_TEMPLATE(embedding, NoUpdate)->Apply(sizes_of_vocabularies);
BENCHMARK_TEMPLATE(embedding, Sgd)->Apply(sizes_of_vocabularies);
BENCHMARK_TEMPLATE(embedding, Adam)->Apply(sizes_of_vocabularies);

}  // namespace
}  // namespace unroll::bench

int main(int count, char** words) {
  unroll::set_threads(1);
  openblas_set_num_threads(1);
  const unroll::FlushDenormals flush;
  benchmark::Initialize(&count, words);
  if (benchmark::ReportUnrecognizedArguments(count, words)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
