// Elementwise computation from a lambda: one fused SIMD loop over all inputs, and its derivative by dual numbers.
#pragma once

#include <unroll/core/broadcast.h>
#include <unroll/core/elementwise.h>
#include <unroll/core/named.h>

namespace unroll {
namespace detail {

using fused::flat;
using fused::Loop;
using fused::Steps;
using fused::steps_of_whole;

template <class T>
struct Walk {
  T* data;
  Steps steps;
};
template <class T>
Walk<T> walk(const Array& a, const Steps& steps) {
  return {a.raw<T>(), steps};
}

template <class R>
auto as_tuple(R result) {
  if constexpr (requires { std::tuple_size<R>::value; }) {
    return std::apply([](auto... part) { return std::tuple{part...}; }, result);
  } else {
    return std::tuple{result};
  }
}

/// The elements at p, n of them; beyond n a copy of the first, so that no lane computes on foreign numbers.
template <class T>
xsimd::batch<T> load(const T* p, Index col_step, Index n) {
  using V = xsimd::batch<T>;
  if (col_step == 0) return V(*p);
  if (n >= V::size) [[likely]]
    return V::load_unaligned(p);
  T buffer[V::size];
  for (Index i = 0; i < V::size; ++i) buffer[i] = p[i < n ? i : 0];
  return V::load_unaligned(buffer);
}
template <class T>
void store(T* p, xsimd::batch<T> v, Index n) {
  using V = xsimd::batch<T>;
  if (n >= V::size) [[likely]] {
    v.store_unaligned(p);
    return;
  }
  T buffer[V::size];
  v.store_unaligned(buffer);
  for (Index i = 0; i < n; ++i) p[i] = buffer[i];
}

/// y = f(x…) over one part of the loop.
template <class T, std::size_t N, std::size_t K, class F>
void apply_part(const F& f, const std::array<Walk<T>, N>& x, const std::array<Walk<T>, K>& y, const Loop::Part& part,
                bool add) {
  constexpr Index lanes = xsimd::batch<T>::size;
  [&]<std::size_t... I, std::size_t... Q>(std::index_sequence<I...>, std::index_sequence<Q...>) {
    for (Index r = part.row; r < part.row_end; ++r) {
      const std::array<const T*, N> in{x[I].data + r * x[I].steps.row_step...};
      const std::array<T*, K> out{y[Q].data + r * y[Q].steps.row_step...};
      for (Index c = part.col; c < part.col_end; c += lanes) {
        const Index n = part.col_end - c;
        auto result = as_tuple(f(Lane<T>(load(in[I] + c * x[I].steps.col_step, x[I].steps.col_step, n))...));
        if (add) { ((std::get<Q>(result) = Lane<T>(load(out[Q] + c, Index{1}, n)) + std::get<Q>(result)), ...); }
        (store(out[Q] + c, std::get<Q>(result).v, n), ...);
      }
    }
  }(std::make_index_sequence<N>{}, std::make_index_sequence<K>{});
}

/// The fused loop; the outputs have as many rows and columns as the inputs together.
template <class T, std::size_t N, std::size_t K, class F>
void apply(const F& f, const fused::Operands<N>& x, const std::array<const Array*, K>& out, bool add) {
  const Index rows = out[0]->rows(), cols = out[0]->cols();
  bool is_flat = true;
  std::array<Walk<T>, N> from;
  std::array<Walk<T>, K> to;
  for (std::size_t i = 0; i < N; ++i) {
    from[i] = walk<T>(*x.in[i], x.steps[i]);
    is_flat = is_flat && flat(x.steps[i], rows, cols);
  }
  for (std::size_t k = 0; k < K; ++k) {
    to[k] = walk<T>(*out[k], steps_of_whole(*out[k]));
    is_flat = is_flat && flat(to[k].steps, rows, cols);
  }
  const Loop loop(rows, cols, is_flat);
  if (loop.tiles == 1) return apply_part<T, N, K>(f, from, to, loop.part(0), add);
  parallel_for(
      loop.tiles, [&](Index tile) { apply_part<T, N, K>(f, from, to, loop.part(tile), add); }, loop.large());
}

/// The values that f names, for all elements.
template <class T, std::size_t N, class F>
[[gnu::noinline]] std::vector<InnerValue> inner_values(const F& f, const fused::Operands<N>& x) {
  constexpr Index lanes = xsimd::batch<T>::size;
  const Index rows = x.shape.rows(), cols = x.shape.cols();
  InnerRecorder recorder(x.shape, dtype_of<T>);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    for (Index r = 0; r < rows; ++r) {
      const std::array<const T*, N> in{x.in[I]->template raw<T>() + r * x.steps[I].row_step...};
      for (Index c = 0; c < cols; c += lanes) {
        const Index n = cols - c;
        recorder.at(r, c, n);
        f(Dual<T, 0>{Lane<T>(load(in[I] + c * x.steps[I].col_step, x.steps[I].col_step, n)), {}}...);
        if (recorder.empty()) return;  // it names nothing
      }
    }
  }(std::make_index_sequence<N>{});
  return recorder.take();
}

/// Tells observers of the results and of what f names.
template <std::size_t N, std::size_t K, class F>
[[gnu::noinline, gnu::cold]] void tell(const char* op, const F& f, const fused::Operands<N>& operands,
                                       const std::array<Tensor, N>& x, const std::array<Tensor, K>& results) {
  std::array<const Tensor*, N> inputs;
  for (std::size_t i = 0; i < N; ++i) inputs[i] = &x[i];
  const auto inner = [&] {
    return dispatch(x[0].dtype(), [&]<class T>(T) { return inner_values<T, N>(f, operands); });
  };
  computed(op, results, inputs, InnerNames(inner));
}

/// Everything backward needs: the lambda, the inputs, where their gradients go.
template <class F, std::size_t N, std::size_t K>
struct PointwiseRule {
  F f;
  std::array<Array, N> in;
  std::array<Steps, N> steps;
  std::array<NodeId, N> nodes;
  Shape shape;

  void operator()(Tape& tape, NodeId self) {
    dispatch(in[0].dtype(), [&]<class T>(T) { run<T>(tape, self); });
  }

  template <class T>
  void run(Tape& tape, NodeId self) {
    using V = xsimd::batch<T>;
    const Index rows = shape.rows(), cols = shape.cols();
    std::array<Walk<T>, N> x;
    std::array<Walk<T>, K> g{};
    std::array<Array, K> hold;
    bool is_flat = true;
    for (std::size_t k = 0; k < K; ++k) {
      const NodeId node = self + static_cast<NodeId>(k);
      if (!tape.has_grad(node)) continue;
      hold[k] = tape.grad(node);
      g[k] = walk<T>(hold[k], steps_of_whole(hold[k]));
      is_flat = is_flat && flat(g[k].steps, rows, cols);
    }
    // Where each input's gradient is written: its destination, or a sum over the axes along which it was broadcast.
    std::array<Dest, N> dest;
    std::array<bool, N> wanted{}, summed{}, direct{};
    for (std::size_t i = 0; i < N; ++i) {
      x[i] = walk<T>(in[i], steps[i]);
      is_flat = is_flat && flat(steps[i], rows, cols);
      wanted[i] = nodes[i] != no_node;
      if (!wanted[i]) continue;
      summed[i] = !steps[i].whole() && rows * cols != 1;
      if (summed[i]) continue;
      // Written directly unless another input's gradient may lie in the same memory while the loop runs.
      const Shape& own = tape.shape_of(nodes[i]);
      direct[i] = own.cols() == cols && own.rows() == rows && tape.alone(nodes[i]) && fast_paths();
      for (std::size_t j = 0; j < i; ++j) direct[i] = direct[i] && nodes[j] != nodes[i];
      dest[i] = direct[i] ? tape.dest(nodes[i]) : Dest{Array::uninitialised(shape, in[i].dtype()), false};
      is_flat = is_flat && flat(steps_of_whole(dest[i].into), rows, cols);
    }
    const Loop loop(rows, cols, is_flat);
    std::array<Walk<T>, N> d{};
    for (std::size_t i = 0; i < N; ++i) {
      if (!wanted[i]) continue;
      if (summed[i]) {  // one row of partial sums for each tile, or one number for each row and tile
        const bool per_row = steps[i].col_step == 0;
        const Index sums = per_row ? (loop.rows > 1 ? loop.rows : loop.tiles) : loop.tiles * loop.cols;
        dest[i] = {Array::zeros({sums}, in[i].dtype()), false};
        d[i] = {dest[i].into.template raw<T>(), {}};
      } else {
        d[i] = walk<T>(dest[i].into, steps_of_whole(dest[i].into));
      }
    }
    const auto run_tile = [&](Index tile) {
      const Loop::Part part = loop.part(tile);
      [&]<unsigned... I, std::size_t... Q>(std::integer_sequence<unsigned, I...>, std::index_sequence<Q...>) {
        for (Index r = part.row; r < part.row_end; ++r) {
          const std::array<const T*, N> p{x[I].data + r * x[I].steps.row_step...};
          std::array<V, N> across;
          for (auto& sum : across) sum = V(T{0});
          for (Index c = part.col; c < part.col_end; c += V::size) {
            const Index n = part.col_end - c;
            auto result = as_tuple(f(Dual<T, 1u << I>{
                Lane<T>(load(p[I] + c * x[I].steps.col_step, x[I].steps.col_step, n)), {Lane<T>(1)}}...));
            std::array<V, N> s;
            for (auto& sum : s) sum = V(T{0});
            (
                [&] {
                  if (g[Q].data == nullptr) return;
                  const V dy = load<T>(g[Q].data + r * g[Q].steps.row_step + c, Index{1}, n);
                  accumulate(std::get<Q>(result), dy, s);
                }(),
                ...);
            (
                [&] {
                  if (!wanted[I]) return;
                  if (!summed[I]) {
                    T* out = d[I].data + r * d[I].steps.row_step + c;
                    store(out, dest[I].add ? s[I] + load<T>(out, Index{1}, n) : s[I], n);
                  } else if (x[I].steps.col_step == 1) {
                    T* out = d[I].data + tile * loop.cols + c;
                    store(out, s[I] + load<T>(out, Index{1}, n), n);
                  } else {
                    across[I] += n >= V::size ? s[I] : first_lanes(s[I], n);
                  }
                }(),
                ...);
          }
          ((wanted[I] && summed[I] && x[I].steps.col_step == 0
                ? void(d[I].data[loop.rows > 1 ? r : tile] = total(across[I]))
                : void()),
           ...);
        }
      }(std::make_integer_sequence<unsigned, N>{}, std::make_index_sequence<K>{});
    };
    parallel_for(
        loop.tiles,
        [&](Index tile) {
          if constexpr (std::is_same_v<T, float>) {
            flattened(run_tile, tile);
          } else {
            run_tile(tile);
          }
        },
        loop.large());
    for (std::size_t i = 0; i < N; ++i) {
      if (!wanted[i]) continue;
      if (summed[i]) {
        const Index sums = dest[i].into.size();
        const bool per_row = steps[i].col_step == 0;
        const Shape partial = per_row ? Shape{sums, 1} : Shape{loop.tiles, loop.cols};
        const Shape target = in[i].size() == 1 ? Shape{1, 1} : per_row ? Shape{sums, 1} : Shape{1, loop.cols};
        tape.give_broadcast(nodes[i], sum_to(dest[i].into.reshaped(partial), target).reshaped(tape.shape_of(nodes[i])));
      } else if (!direct[i]) {
        tape.give_broadcast(nodes[i], std::move(dest[i].into));
      }
    }
  }

  /// Left to itself gcc calls the duals' operators, which pass their partials through memory.
  template <class Body>
  [[gnu::flatten]] static void flattened(const Body& body, Index tile) {
    body(tile);
  }

  template <class T, unsigned M>
  static void accumulate(const Dual<T, M>& y, const xsimd::batch<T>& dy, std::array<xsimd::batch<T>, N>& sums) {
    each_bit<M>([&](auto i) { sums[i] = xsimd::fma(dy, y.template partial<i>().v, sums[i]); });
  }
  template <class T>
  static void accumulate(const Lane<T>&, const xsimd::batch<T>&, std::array<xsimd::batch<T>, N>&) {
  }  // a constant output

  template <class V>
  static V first_lanes(V v, Index n) {
    typename V::value_type buffer[V::size];
    v.store_unaligned(buffer);
    for (Index i = n; i < V::size; ++i) buffer[i] = 0;
    return V::load_unaligned(buffer);
  }
  template <class V>
  static typename V::value_type total(V v) {
    typename V::value_type buffer[V::size], sum = 0;
    v.store_unaligned(buffer);
    for (const auto x : buffer) sum += x;
    return sum;
  }
};

}  // namespace detail

/// f applied to arrays, element by element, with NumPy broadcasting: the kernel of ops whose rule is written by hand.
template <class F, class... A>
Array map(const char* op, const F& f, const A&... inputs) {
  const fused::Operands<sizeof...(A)> x(op, {&inputs...});
  Array y = Array::uninitialised(x.shape, x.in[0]->dtype());
  dispatch(y.dtype(), [&]<class T>(T) { detail::apply<T, sizeof...(A), 1>(f, x, {&y}, false); });
  return y;
}
/// The same into a destination of the inputs' common shape.
template <class F, class... A>
void map_into(const Dest& dest, const F& f, const A&... inputs) {
  const fused::Operands<sizeof...(A)> x("map", {&inputs...});
  dispatch(dest.into.dtype(), [&]<class T>(T) { detail::apply<T, sizeof...(A), 1>(f, x, {&dest.into}, dest.add); });
}

/// y… = f(x…), element by element with NumPy broadcasting, in one fused loop. `f` is a generic lambda over + − × ÷,
/// exp, log, sqrt, tanh, sigmoid, relu, softsign, abs, max, min, comparisons, `where(condition, a, b)` and what
/// elementwise.h has: sin, pow, erf, softplus and the like. It returns one value, or several as a std::tuple (then the
/// result is a std::array of tensors). The derivative is found by dual numbers, so there is no rule to write. Keeps its
/// inputs. At most 32 of them, of one dtype.
template <class F, class... X>
  requires(std::convertible_to<const X&, Tensor> && ...)
auto pointwise(const char* op, F f, const X&... inputs) {
  constexpr std::size_t N = sizeof...(X);
  using Result = decltype(detail::as_tuple(f((void(sizeof(X)), Lane<float>())...)));
  constexpr std::size_t K = std::tuple_size_v<Result>;
  static_assert(N >= 1 && N <= 32 && K >= 1, "pointwise takes 1 to 32 inputs and returns at least one value");
  std::array<Tensor, N> x{Tensor(inputs)...};
  std::array<const Array*, N> values;
  for (std::size_t i = 0; i < N; ++i) values[i] = &x[i].value();
  fused::Operands<N> operands(op, values);
  const Shape& shape = operands.shape;
  const Dtype dtype = x[0].dtype();
  std::array<Array, K> out;
  std::array<const Array*, K> places;
  for (std::size_t k = 0; k < K; ++k) {
    out[k] = Array::uninitialised(shape, dtype);
    places[k] = &out[k];
  }
  dispatch(dtype, [&]<class T>(T) { detail::apply<T, N, K>(f, operands, places, false); });

  std::array<Tensor, K> result;
  Tape* tape = Tape::current();
  std::array<NodeId, N> nodes;
  nodes.fill(no_node);
  bool any = false;
  if (tape != nullptr) {
    for (std::size_t i = 0; i < N; ++i) {
      nodes[i] = tape->find(op, x[i]);
      any = any || nodes[i] != no_node;
    }
  }
  if (any) {
    for (const NodeId node : nodes) {
      if (node != no_node) tape->use(node);
    }
    for (std::size_t k = 0; k < K; ++k) {
      const NodeId node = tape->add(op, shape, dtype);
      result[k] = tape->tensor(std::move(out[k]), node);
    }
    if (detail::observed()) [[unlikely]]
      detail::tell(op, f, operands, x, result);
    std::array<Array, N> in;
    for (std::size_t i = 0; i < N; ++i) {
      in[i] = operands.in[i] == &x[i].value() ? std::move(x[i]).value() : std::move(operands.copies[i]);
    }
    tape->rule(result[0].node(),
               detail::PointwiseRule<F, N, K>{std::move(f), std::move(in), operands.steps, nodes, shape},
               static_cast<int>(K));
  } else {
    for (std::size_t k = 0; k < K; ++k) result[k] = Tensor(std::move(out[k]));
    if (detail::observed()) [[unlikely]]
      detail::tell(op, f, operands, x, result);
  }
  if constexpr (K == 1) {
    return std::move(result[0]);
  } else {
    return result;
  }
}
template <class F, class... X>
  requires(std::convertible_to<const X&, Tensor> && ...)
auto pointwise(F f, const X&... inputs) {
  return pointwise("pointwise", std::move(f), inputs...);
}

}  // namespace unroll
