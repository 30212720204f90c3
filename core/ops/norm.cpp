#include <cmath>

#include <unroll/core/ops.h>

namespace unroll {
namespace {

/// Σ over c < n of each number that f(c, load) returns; `load` reads as many elements as a register holds, or one.
template <class T, std::size_t K, class F>
std::array<T, K> sums(Index n, const F& f) {
  using V = xsimd::batch<T>;
  std::array<V, K> even, odd;  // two chains: an addition takes several cycles
  even.fill(V(T{0}));
  odd.fill(V(T{0}));
  const auto vector = [](const T* p) { return V::load_unaligned(p); };
  Index c = 0;
  for (; c + 2 * V::size <= n; c += 2 * V::size) {
    const std::array<V, K> a = f(c, vector), b = f(c + V::size, vector);
    for (std::size_t k = 0; k < K; ++k) {
      even[k] += a[k];
      odd[k] += b[k];
    }
  }
  if (c + V::size <= n) {
    const std::array<V, K> a = f(c, vector);
    for (std::size_t k = 0; k < K; ++k) even[k] += a[k];
    c += V::size;
  }
  std::array<T, K> total{};
  for (std::size_t k = 0; k < K; ++k) {
    T lanes[V::size];
    (even[k] + odd[k]).store_unaligned(lanes);
    for (const T lane : lanes) total[k] += lane;
  }
  for (; c < n; ++c) {
    const std::array<T, K> a = f(c, [](const T* p) { return *p; });
    for (std::size_t k = 0; k < K; ++k) total[k] += a[k];
  }
  return total;
}

/// What backward needs of a row besides the row: x̂ = (x − mean) · inverse.
template <class T>
struct Stats {
  T mean, inverse;
};

/// Rows in tiles by shape: large enough to be worth handing over, and few, since each has sums of its own.
struct Tiles {
  Index rows, rows_each, count;
  bool large;
  Tiles(Index rows_, Index cols)
      : rows(rows_),
        rows_each(std::max((rows + 31) / 32, fused::tile_elements / std::max<Index>(1, cols) + 1)),
        count((rows + rows_each - 1) / rows_each),
        large(rows * cols >= 16 * fused::tile_elements) {}
  template <class F>
  void each_row(F f) const {
    parallel_for(
        count,
        [&](Index tile) {
          for (Index r = tile * rows_each, end = std::min(rows, r + rows_each); r < end; ++r) f(tile, r);
        },
        large);
  }
};

template <class T>
Stats<T> stats_of(const T* x, Index n, bool centred, double epsilon) {
  const T size = static_cast<T>(n);
  const T mean = centred ? sums<T, 1>(n, [x](Index c, auto load) { return std::array{load(x + c)}; })[0] / size : T{0};
  const auto squares = sums<T, 1>(n, [x, mean](Index c, auto load) {
    const auto d = load(x + c) - mean;
    return std::array<std::decay_t<decltype(d)>, 1>{d * d};
  });
  return {mean, 1 / std::sqrt(squares[0] / size + static_cast<T>(epsilon))};
}

/// dx = inverse (g − mean of g − x̂ · mean of g∘x̂) with g = dy∘gain,   dgain = Σ dy∘x̂ and dbias = Σ dy over the rows;
/// without the mean of g where x was not centred. One pass over dy and x.
struct NormRule {
  const char* op;
  NodeId x_node, gain_node, bias_node;
  Array x, gain, stats;  // stats: [rows, 2]
  bool centred;

  void operator()(Tape& tape, NodeId self) {
    const Array dy = tape.grad(self);
    dispatch(x.dtype(), [&]<class T>(T) { run<T>(tape, dy); });
  }

  template <class T>
  void run(Tape& tape, const Array& dy) {
    const Index cols = x.cols();
    const Tiles tiles(x.rows(), cols);
    const Dest dx = x_node == no_node ? Dest{} : tape.dest(x_node);
    // One row of sums for each tile; they are added up in the order of the tiles.
    const auto partial = [&](NodeId node) {
      return node == no_node ? Array() : Array::zeros({tiles.count, cols}, x.dtype());
    };
    const Array gain_sums = partial(gain_node), bias_sums = partial(bias_node);
    const T* weights = gain.defined() ? gain.raw<T>() : nullptr;
    tiles.each_row([&](Index tile, Index r) {
      const T *row = x.raw<T>() + r * x.stride(), *g = dy.raw<T>() + r * dy.stride();
      const T mean = stats.raw<T>()[2 * r], inverse = stats.raw<T>()[2 * r + 1];
      if (gain_sums.defined()) {
        T* sum = gain_sums.raw<T>() + tile * cols;
        for (Index c = 0; c < cols; ++c) sum[c] += g[c] * ((row[c] - mean) * inverse);
      }
      if (bias_sums.defined()) {
        T* sum = bias_sums.raw<T>() + tile * cols;
        for (Index c = 0; c < cols; ++c) sum[c] += g[c];
      }
      if (!dx.into.defined()) return;
      T* out = dx.into.raw<T>() + r * dx.into.stride();
      const auto pull = [&](auto weight) {
        const auto [all, along] = sums<T, 2>(cols, [&](Index c, auto load) {
          const auto v = load(g + c) * weight(c, load);
          return std::array<std::decay_t<decltype(v)>, 2>{v, v * (load(row + c) - mean)};
        });
        const T size = static_cast<T>(cols), level = centred ? all / size : T{0};
        const T slope = along / size * inverse * inverse;
        const auto one = [](const T* p) { return *p; };
        const auto at = [&](Index c) { return inverse * (g[c] * weight(c, one) - level - (row[c] - mean) * slope); };
        if (dx.add) {
          for (Index c = 0; c < cols; ++c) out[c] += at(c);
        } else {
          for (Index c = 0; c < cols; ++c) out[c] = at(c);
        }
      };
      if (weights != nullptr) {
        pull([weights](Index c, auto load) { return load(weights + c); });
      } else {
        pull([](Index, auto) { return T{1}; });
      }
    });
    if (gain_sums.defined()) tape.give(gain_node, sum_to(gain_sums, {1, cols}).reshaped({cols}));
    if (bias_sums.defined()) tape.give(bias_node, sum_to(bias_sums, {1, cols}).reshaped({cols}));
  }
};

/// y = x̂∘gain + bias; an undefined gain stands for ones, an undefined bias for zeros.
Tensor normalized(const char* op, const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon,
                  bool centred) {
  require_value(op, x);
  require(x.ndim() > 0 && x.dim(-1) > 0, "{}: the tensor of shape {} has no last axis to normalize", op, x.shape());
  require<UsageError>(epsilon >= 0, "{}: epsilon is {}, below 0", op, epsilon);
  const Index cols = x.dim(-1);
  for (const Tensor* each : {&gain, &bias}) {
    if (each->defined()) same_dtype(op, x.dtype(), each->dtype());
  }
  const Array in = x.value(), y = Array::uninitialised(x.shape(), x.dtype());
  const Tiles tiles(in.rows(), cols);
  const Array stats = Array::uninitialised({in.rows(), 2}, x.dtype());
  dispatch(x.dtype(), [&]<class T>(T) {
    const T* weights = gain.defined() ? gain.value().raw<T>() : nullptr;
    const T* shifts = bias.defined() ? bias.value().raw<T>() : nullptr;
    tiles.each_row([&](Index, Index r) {
      const T* row = in.raw<T>() + r * in.stride();
      T* out = y.raw<T>() + r * cols;
      const auto [mean, inverse] = stats_of(row, cols, centred, epsilon);
      stats.raw<T>()[2 * r] = mean;
      stats.raw<T>()[2 * r + 1] = inverse;
      if (weights == nullptr) {
        for (Index c = 0; c < cols; ++c) out[c] = (row[c] - mean) * inverse;
      } else if (shifts == nullptr) {
        for (Index c = 0; c < cols; ++c) out[c] = (row[c] - mean) * inverse * weights[c];
      } else {
        for (Index c = 0; c < cols; ++c) out[c] = (row[c] - mean) * inverse * weights[c] + shifts[c];
      }
    });
  });
  const auto told = [&](const Tensor& result) {
    std::vector<const Tensor*> inputs;
    for (const Tensor* each : {&x, &gain, &bias}) {
      if (each->defined()) inputs.push_back(each);
    }
    detail::computed(op, {&result, 1}, inputs);
    return result;
  };
  Tape* tape = Tape::current();
  if (tape == nullptr) return detail::observed() ? told(y) : Tensor(y);
  const std::array nodes{tape->find(op, x), tape->find(op, gain), tape->find(op, bias)};
  if (nodes == std::array{no_node, no_node, no_node}) return detail::observed() ? told(y) : Tensor(y);
  const NodeId self = tape->add(op, y.shape(), y.dtype());
  for (const NodeId node : nodes) {
    if (node != no_node) tape->use(node);
  }
  tape->rule(self, NormRule{op, nodes[0], nodes[1], nodes[2], in, gain.value(), stats, centred});
  return detail::observed() ? told(tape->tensor(y, self)) : tape->tensor(y, self);
}

bool one_for_each_column(const Tensor& x, const Tensor& numbers) {
  return x.ndim() > 0 && numbers.ndim() == 1 && numbers.dim(0) == x.dim(-1);
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon) {
  require(one_for_each_column(x, gain) && one_for_each_column(x, bias),
          "layer_norm: x is {}, gain is {} and bias is {}; gain and bias have one number for each column of x",
          x.shape(), gain.shape(), bias.shape());
  return normalized("layer_norm", x, gain, bias, epsilon, true);
}
Tensor layer_norm(const Tensor& x, double epsilon) { return normalized("layer_norm", x, {}, {}, epsilon, true); }

Tensor rms_norm(const Tensor& x, const Tensor& gain, double epsilon) {
  require(one_for_each_column(x, gain), "rms_norm: x is {} and gain is {}; gain has one number for each column of x",
          x.shape(), gain.shape());
  return normalized("rms_norm", x, gain, {}, epsilon, false);
}
Tensor rms_norm(const Tensor& x, double epsilon) { return normalized("rms_norm", x, {}, {}, epsilon, false); }

}  // namespace unroll
