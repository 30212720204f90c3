// What the benchmarks of a recurrent layer share: options, weights, timing, and the line of JSON.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <unroll/core/gemm.h>
#include <unroll/core/products.h>
#include <unroll/core/random.h>
#include <unroll/core/threads.h>

#ifndef UNROLL_VERSION
#define UNROLL_VERSION "unversioned"
#endif

namespace unroll::bench {

/// A layer of one direction over x [T, B, I]. A training step: the loss is the mean of squares of all outputs; the
/// gradients of all weights; a plain SGD step. Inference: the outputs.
struct Options {
  std::string cell = "lstm", form, mode = "train", precision = "f32";
  Index batch = 16, steps = 64, input = 128, hidden = 128, threads = 1;
  double seconds = 2;
  bool check = false;
  std::filesystem::path check_dir;

  bool train() const { return mode == "train"; }
  bool checks() const { return check || !check_dir.empty(); }
};

inline constexpr double rate = 1e-4;

inline void declare(CLI::App& app, Options& o) {
  const CLI::Range count(Index{1}, Index{1} << 30);
  app.option_defaults()->always_capture_default();
  app.add_option("--cell", o.cell, "custom is an LSTM with peepholes")
      ->check(CLI::IsMember({"rnn", "gru", "lstm", "custom"}));
  app.add_option("--batch", o.batch, "sequences")->check(count);
  app.add_option("--steps", o.steps, "of time")->check(count);
  app.add_option("--input", o.input, "width of the input")->check(count);
  app.add_option("--hidden", o.hidden, "width of the state")->check(count);
  app.add_option("--mode", o.mode)->check(CLI::IsMember({"train", "infer"}));
  app.add_option("--threads", o.threads)->check(count);
  app.add_option("--precision", o.precision, "of the products")->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--seconds", o.seconds, "how long to measure")->check(CLI::Range(0.001, 3600.0));
  app.add_flag("--check", o.check, "print the loss and the norm of every gradient instead of timing");
  app.add_option("--check-dir", o.check_dir,
                 "the same with the weights and the input in DIR/W.bin …, and write the gradients to DIR/dW.bin …")
      ->check(CLI::ExistingDirectory)
      ->type_name("")
      ->option_text("DIR");
}

inline void set_up(const Options& o) {
  set_threads(o.threads);
  set_products(o.precision == "bf16" ? Products::bf16 : Products::f32);
}

/// Weights by name, or their gradients: W [I, G·H], U [H, G·H] and b [G·H] with the gates in the order i f g o (LSTM)
/// or r z n (GRU); the GRU's bn [H], inside the reset product; the peepholes P [3, H] of i, f and o.
using Weights = std::map<std::string, Array>;

inline Index gates(const std::string& cell) { return cell == "rnn" ? 1 : cell == "gru" ? 3 : 4; }

inline std::map<std::string, Shape> weight_shapes(const Options& o) {
  const Index width = gates(o.cell) * o.hidden;
  std::map<std::string, Shape> shapes{{"W", {o.input, width}}, {"U", {o.hidden, width}}, {"b", {width}}};
  if (o.cell == "gru") shapes["bn"] = {o.hidden};
  if (o.cell == "custom") shapes["P"] = {3, o.hidden};
  return shapes;
}

inline Array read_array(const std::filesystem::path& path, const Shape& shape) {
  Array a = Array::uninitialised(shape, f32);
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  require<FileError>(file.good(), "{}: cannot be opened", path.string());
  const Index bytes = shape.size() * sizeof(float), found = static_cast<Index>(file.tellg());
  require<FileError>(found == bytes, "{}: expected {} bytes of f32 {}, found {}", path.string(), bytes, shape, found);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(a.raw<float>()), static_cast<std::streamsize>(bytes));
  require<FileError>(file.good(), "{}: cannot be read", path.string());
  return a;
}

inline void write_array(const std::filesystem::path& path, const Array& a) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(a.data<float>()), static_cast<std::streamsize>(a.size() * sizeof(float)));
  require<FileError>(file.flush().good(), "{}: cannot be written", path.string());
}

template <class Draw>
Array drawn(const Shape& shape, Draw draw) {
  Array a = Array::uninitialised(shape, f32);
  for (Index i = 0, n = shape.size(); i < n; ++i) a.raw<float>()[i] = static_cast<float>(draw());
  return a;
}

/// From the folder to check against, or uniform in ±1/√H.
inline Weights make_weights(const Options& o) {
  Weights weights;
  Random random(1);
  const double limit = 1 / std::sqrt(static_cast<double>(o.hidden));
  for (const auto& [name, shape] : weight_shapes(o)) {
    weights[name] = o.check_dir.empty() ? drawn(shape, [&] { return random.uniform(-limit, limit); })
                                        : read_array(o.check_dir / (name + ".bin"), shape);
  }
  return weights;
}

/// The input [T, B, I], from the folder to check against, or normal.
inline Array make_input(const Options& o) {
  const Shape shape{o.steps, o.batch, o.input};
  Random random(2);
  return o.check_dir.empty() ? drawn(shape, [&] { return random.normal(); }) : read_array(o.check_dir / "x.bin", shape);
}

/// Writes the gradients to the folder to check against, if there is one, and prints their norms with the loss.
inline void report_check(const std::string& peer, const Options& o, double loss, const Weights& grads) {
  std::string norms;
  for (const auto& [name, grad] : grads) {
    if (!o.check_dir.empty()) write_array(o.check_dir / fmt::format("d{}.bin", name), grad);
    double squares = 0;
    for (Index i = 0; i < grad.size(); ++i) squares += std::pow(grad.flat(i), 2);
    norms += fmt::format(R"({}"{}": {:.9g})", norms.empty() ? "" : ", ", name, std::sqrt(squares));
  }
  fmt::print(R"({{"peer": "{}", "cell": "{}", "form": "{}", "loss": {:.9g}, "norms": {{{}}}}})"
             "\n",
             peer, o.cell, o.form, loss, norms);
}

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Timing {
  std::vector<double> seconds;  // of single steps, sorted
  double cpu_ratio;             // processor time over wall-clock time
  Index pool_calls;             // requests for memory from the system after the second step
};

/// Calls `step` for a quarter of the time and at least twice to warm up, then measures single calls.
template <class Step>
Timing measure(const Options& o, Step step) {
  Timing timing;
  PoolStats second;
  Index calls = 0;
  for (const double begin = seconds_now(); calls < 2 || seconds_now() - begin < 0.25 * o.seconds;) {
    step();
    if (++calls == 2) second = pool_stats();
  }
  timing.seconds.reserve(1 << 20);
  const double begin = seconds_now();
  const std::clock_t cpu = std::clock();
  double now = begin;
  while (timing.seconds.size() < 3 || now - begin < o.seconds) {
    const double before = now;
    step();
    now = seconds_now();
    timing.seconds.push_back(now - before);
  }
  timing.cpu_ratio = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC / (now - begin);
  timing.pool_calls = pool_stats().system_calls - second.system_calls;
  std::sort(timing.seconds.begin(), timing.seconds.end());
  return timing;
}

/// The largest resident memory of this process so far, in MiB; 0 where the system does not tell.
inline double peak_rss_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib / 1024;
  }
  return 0;
}

/// The best rate of one thread at a product large enough for full speed, in GFLOP/s.
inline double sgemm_gflops() {
  constexpr Index n = 2048, k = 256, m = 1024;
  set_threads(1);
  Random random(3);
  const auto draw = [&] { return random.uniform(-1, 1); };
  const Array a = drawn({n, k}, draw), b = drawn({k, m}, draw), c = Array::uninitialised({n, m}, f32);
  double best = 1e9;
  for (const double begin = seconds_now(); seconds_now() - begin < 0.3;) {
    const double before = seconds_now();
    multiply(a, b, {c, false});
    best = std::min(best, seconds_now() - before);
  }
  return 2e-9 * n * k * m / best;
}

/// Prints the result as one line of JSON.
inline void report(const std::string& peer, const Options& o, const Timing& t) {
  const double rss = peak_rss_mb();
  const Index n = t.seconds.size();
  const double median = 0.5 * (t.seconds[n / 2] + t.seconds[(n - 1) / 2]);
  // The products alone. Training: x W, h U, dz Uᵀ, hᵀ dz, xᵀ dz; the input has no gradient.
  const Index rows = o.batch * o.steps, columns = gates(o.cell) * o.hidden;
  const Index depth = o.train() ? 2 * o.input + 3 * o.hidden : o.input + o.hidden;
  const double gflop = 2e-9 * static_cast<double>(rows * columns) * static_cast<double>(depth);
  fmt::print(R"({{"peer": "{}", "version": "{}", "cell": "{}", "form": "{}", "batch": {}, "steps": {}, "input": {}, )"
             R"("hidden": {}, "mode": "{}", "threads": {}, "median_ms": {:.5f}, "min_ms": {:.5f}, "p90_ms": {:.5f}, )"
             R"("iters": {}, "peak_rss_mb": {:.1f}, "cpu_ratio": {:.3f}, "gflops": {:.1f}, "sgemm_gflops": {:.1f}, )"
             R"("pool_calls": {}}})"
             "\n",
             peer, UNROLL_VERSION, o.cell, o.form, o.batch, o.steps, o.input, o.hidden, o.mode, o.threads, 1e3 * median,
             1e3 * t.seconds[0], 1e3 * t.seconds[n * 9 / 10], n, rss, t.cpu_ratio, gflop / median, sgemm_gflops(),
             t.pool_calls);
}

}  // namespace unroll::bench
