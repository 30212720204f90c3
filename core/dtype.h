// The two number types of a tensor, chosen at run time.
#pragma once

#include <type_traits>

#include <unroll/core/error.h>

namespace unroll {

enum class Dtype : unsigned char { f32, f64 };
inline constexpr Dtype f32 = Dtype::f32;
inline constexpr Dtype f64 = Dtype::f64;

inline constexpr const char* name(Dtype dtype) { return dtype == f32 ? "f32" : "f64"; }

template <class T>
  requires(std::is_same_v<T, float> || std::is_same_v<T, double>)
inline constexpr Dtype dtype_of = std::is_same_v<T, float> ? f32 : f64;

/// Calls `f.template operator()<float>(float{})` or the same with double: one body serves both dtypes.
template <class F>
decltype(auto) dispatch(Dtype dtype, F&& f) {
  return dtype == f32 ? f(float{}) : f(double{});
}

/// The common dtype. Errors: names the op when the two differ.
inline Dtype same_dtype(const char* op, Dtype a, Dtype b) {
  require(a == b, "{}: dtypes {} and {} do not mix; convert one with to(…)", op, name(a), name(b));
  return a;
}

}  // namespace unroll
