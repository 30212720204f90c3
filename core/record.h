// How an op is written: its value, and for each input the rule that pulls a gradient back, side by side.
#pragma once

#include <array>
#include <optional>
#include <tuple>

#include <unroll/core/observer.h>
#include <unroll/core/tape.h>

namespace unroll {

/// An input of an op and its rule; see `wrt`.
template <class F>
struct Wrt {
  const Tensor& input;
  F rule;
};

/// With respect to `x`. The rule takes dy, the gradient of the result, and
///   - returns the gradient of x: `[=](const Array& dy) -> Array { … }`, of x's shape, or of dy's shape for an
///     elementwise op (the tape sums over the axes along which x was broadcast), or
///   - writes it where the tape wants it: `[=](const Array& dy, const Dest& dx) { … }`, or
///   - is `outer(a)`: dx = aᵀ dy, which the tape gathers over all uses of x and computes in one product, or
///   - is `outer_transposed(a)`: dx = dyᵀ a, the same for an x that acts transposed, or
///   - is `scattered(ids)`: row i of dy belongs to row ids[i] of x, gathered too, or
///   - is `sum_of_rows()`: dx = Σ over rows of dy, for one row x that was added to all.
/// What a rule captures is what the tape keeps in memory until backward; for a constant x it captures nothing.
template <class F>
Wrt<std::decay_t<F>> wrt(const Tensor& x, F&& rule) {
  return {x, std::forward<F>(rule)};
}
template <class F>
Wrt<std::decay_t<F>> wrt(Tensor&&, F&&) = delete;  // the tensor must outlive the call of record

/// Errors: names the op when an input has no value.
inline void require_value(const char* op, const Tensor& x) {
  require<UsageError>(x.defined(), "{}: an input has no value", op);
}

struct Outer {
  Array a;
};
/// The rule of a weight: dw = aᵀ dy.  a [N, K], dy [N, M]
inline Outer outer(const Tensor& a) { return {a.value()}; }

struct OuterTransposed {
  Array a;
};
/// The rule of a weight that acts transposed: dw = dyᵀ a.  a [N, K], dy [N, M], w [M, K]
inline OuterTransposed outer_transposed(const Tensor& a) { return {a.value()}; }

struct Scattered {
  PooledList<Id> ids;
};
/// The rule of a table: dx[ids[i]] += dy[i].  x [V, F], dy [..., F] with as many rows as ids
inline Scattered scattered(const Ids& ids) { return {PooledList<Id>::of(ids)}; }

struct SumOfRows {};
/// The rule of a bias: db = Σ over rows of dy.  b [M], dy [..., M]
inline SumOfRows sum_of_rows() { return {}; }

/// A rule of the second kind whose destination has dy's shape; the tape sums over broadcast axes.
template <class F>
struct Each {
  F rule;
};
template <class F>
Wrt<Each<std::decay_t<F>>> wrt_each(const Tensor& x, F&& rule) {
  return {x, {std::forward<F>(rule)}};
}

namespace detail {

template <class F>
void pull(Tape& tape, NodeId input, const Array& dy, F& rule) {
  if constexpr (std::is_same_v<F, Outer>) {
    tape.give_product(input, std::move(rule.a), dy);
  } else if constexpr (std::is_same_v<F, OuterTransposed>) {
    tape.give_product(input, dy, std::move(rule.a));
  } else if constexpr (std::is_same_v<F, Scattered>) {
    tape.give_rows(input, std::move(rule.ids), dy);
  } else if constexpr (std::is_same_v<F, SumOfRows>) {
    tape.give_broadcast(input, dy);
  } else if constexpr (requires(const Dest& dx) { rule.rule(dy, dx); }) {
    const Shape& shape = tape.shape_of(input);
    if (shape.cols() == dy.cols() && shape.rows() == dy.rows()) {
      rule.rule(dy, tape.dest(input));
    } else {
      const Dest whole{Array::uninitialised(dy.shape(), dy.dtype()), false};
      rule.rule(dy, whole);
      tape.give_broadcast(input, whole.into);
    }
  } else if constexpr (requires(const Dest& dx) { rule(dy, dx); }) {
    rule(dy, tape.dest(input));
  } else {
    tape.give_broadcast(input, rule(dy));
  }
}

/// Whether a gradient is a sum over rows that does not depend on how the rows were cut into several results.
template <class F>
bool is_by_rows(const Tensor& input, const Shape& result) {
  if constexpr (requires(F rule) { rule.rule; }) {
    return input.value().rows() == 1 && input.value().cols() == result.cols();
  } else {
    return std::is_same_v<F, Outer> || std::is_same_v<F, SumOfRows>;
  }
}

template <class... F>
struct Pull {
  std::array<NodeId, sizeof...(F)> inputs;
  std::tuple<std::optional<F>...> rules;

  void operator()(Tape& tape, NodeId self) {
    const Array dy = tape.grad(self);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((inputs[I] != no_node ? pull(tape, inputs[I], dy, *std::get<I>(rules)) : void()), ...);
    }(std::index_sequence_for<F...>{});
  }
};

/// The result of an op, once observers have been told of it. Apart from the way without them, which moves nothing.
template <class... X>
[[gnu::noinline, gnu::cold]] Tensor told(const char* op, Tensor result, const X&... inputs) {
  const std::array<const Tensor*, sizeof...(X)> all{&inputs...};
  computed(op, {&result, 1}, all);
  return result;
}

}  // namespace detail

/// The result of an op. Recorded when a tape is in scope and an input is recorded; otherwise a plain constant.
template <class... F>
Tensor record(const char* op, Array value, Wrt<F>... inputs) {
  Tape* tape = Tape::current();
  if (tape == nullptr) {
    return detail::observed() ? detail::told(op, std::move(value), inputs.input...) : Tensor(std::move(value));
  }
  const std::array<NodeId, sizeof...(F)> nodes{tape->find(op, inputs.input)...};
  bool any = false;
  for (const NodeId node : nodes) any = any || node != no_node;
  if (!any) return detail::observed() ? detail::told(op, std::move(value), inputs.input...) : Tensor(std::move(value));
  const NodeId self = tape->add(op, value.shape(), value.dtype());
  detail::Pull<F...> pull{nodes, {}};
  const auto use = [&](NodeId node, auto& input, auto& rule) {
    tape->use(node, detail::is_by_rows<std::decay_t<decltype(input.rule)>>(input.input, value.shape()));
    rule.emplace(std::move(input.rule));
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((nodes[I] != no_node ? use(nodes[I], inputs, std::get<I>(pull.rules)) : void()), ...);
  }(std::index_sequence_for<F...>{});
  tape->rule(self, std::move(pull));
  if (detail::observed()) [[unlikely]]
    return detail::told(op, tape->tensor(std::move(value), self), inputs.input...);
  return tape->tensor(std::move(value), self);
}

}  // namespace unroll
