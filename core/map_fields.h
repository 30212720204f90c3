// One traversal of any State: aggregates of tensors, of other States, of arrays, vectors and tuples of them.
#pragma once

#include <array>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <unroll/core/tensor.h>

namespace unroll {
namespace detail {

struct Anything {
  template <class T>
  operator T() const;
};

template <class S, std::size_t... I>
constexpr bool has_fields(std::index_sequence<I...>) {
  return requires { S{(void(I), Anything{})...}; };
}
/// How many fields the aggregate S has, up to 12.
template <class S, std::size_t N = 12>
constexpr std::size_t field_count() {
  if constexpr (N == 0) {
    return 0;
  } else if constexpr (has_fields<S>(std::make_index_sequence<N>{})) {
    return N;
  } else {
    return field_count<S, N - 1>();
  }
}

/// The fields of an aggregate as a tuple of references.
template <class S>
auto fields(const S& s) {
  constexpr std::size_t n = field_count<S>();
  static_assert(n >= 1, "a State has at least one field, and at most 12");
  if constexpr (n == 1) {
    const auto& [a] = s;
    return std::tie(a);
  } else if constexpr (n == 2) {
    const auto& [a, b] = s;
    return std::tie(a, b);
  } else if constexpr (n == 3) {
    const auto& [a, b, c] = s;
    return std::tie(a, b, c);
  } else if constexpr (n == 4) {
    const auto& [a, b, c, d] = s;
    return std::tie(a, b, c, d);
  } else if constexpr (n == 5) {
    const auto& [a, b, c, d, e] = s;
    return std::tie(a, b, c, d, e);
  } else if constexpr (n == 6) {
    const auto& [a, b, c, d, e, f] = s;
    return std::tie(a, b, c, d, e, f);
  } else if constexpr (n == 7) {
    const auto& [a, b, c, d, e, f, g] = s;
    return std::tie(a, b, c, d, e, f, g);
  } else if constexpr (n == 8) {
    const auto& [a, b, c, d, e, f, g, h] = s;
    return std::tie(a, b, c, d, e, f, g, h);
  } else {
    static_assert(n <= 8, "a State has at most 8 fields; group some of them in a struct, array or vector");
  }
}

template <class S>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

}  // namespace detail

/// A State like `s`, each of whose tensors x is replaced by f(x, y…), with y… the tensors in the same places of
/// `others`. What is no tensor is copied from `s`. Visits the fields in order. Errors: vectors of different lengths.
template <class S, class F, class... Others>
S map_fields(const S& s, F&& f, const Others&... others) {
  if constexpr (std::is_same_v<S, Tensor>) {
    return f(s, others...);
  } else if constexpr (detail::is_vector<S>) {
    S out;
    out.reserve(s.size());
    (require<UsageError>(s.size() == others.size(), "map_fields: vectors of {} and {} elements", s.size(),
                         others.size()),
     ...);
    for (std::size_t i = 0; i < s.size(); ++i) out.push_back(map_fields(s[i], f, others[i]...));
    return out;
  } else if constexpr (requires { std::tuple_size<S>::value; }) {  // arrays, tuples and pairs
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      const auto at = [&]<std::size_t N>(std::integral_constant<std::size_t, N>) {
        return map_fields(std::get<N>(s), f, std::get<N>(others)...);
      };
      return S{at(std::integral_constant<std::size_t, I>{})...};
    }(std::make_index_sequence<std::tuple_size_v<S>>{});
  } else if constexpr (std::is_aggregate_v<S>) {
    const auto in = detail::fields(s);
    const auto rest = std::make_tuple(detail::fields(others)...);
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      const auto at = [&]<std::size_t N>(std::integral_constant<std::size_t, N>) {
        return std::apply([&](const auto&... other) { return map_fields(std::get<N>(in), f, std::get<N>(other)...); },
                          rest);
      };
      return S{at(std::integral_constant<std::size_t, I>{})...};
    }(std::make_index_sequence<detail::field_count<S>()>{});
  } else {
    return s;
  }
}

/// Calls f with each tensor of a State, in the order of `map_fields`.
template <class S, class F>
void each_field(const S& s, F&& f) {
  map_fields(s, [&](const Tensor& x) {
    f(x);
    return x;
  });
}

/// The same State, forgotten by every tape: what truncated backpropagation carries on.
template <class S>
  requires(!std::is_convertible_v<const S&, Tensor>)
S detach(const S& state) {
  return map_fields(state, [](const Tensor& x) { return Tensor(x.value()); });
}

}  // namespace unroll
