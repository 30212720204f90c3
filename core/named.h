// Names for values inside a model, which traces, hooks and anomalies know them by.
#pragma once

#include <algorithm>
#include <source_location>

#include <unroll/core/dual.h>
#include <unroll/core/observer.h>

namespace unroll {

/// x itself, known by a name on this thread from here on: to traces, Hooks and Anomaly, while one of them lives.
///     Tensor c = named("c", f * s.c + i * g);
/// Records nothing, and costs a test of one pointer otherwise. Names need not be unique: every time step gives them
/// anew. The names of layers around it come before it (NameScope).
inline Tensor named(std::string_view name, Tensor x,
                    const std::source_location& where = std::source_location::current()) {
  if (detail::observed()) [[unlikely]]
    detail::give_name(name, x, where);
  return x;
}

namespace detail {

/// A string as a template argument.
template <std::size_t N>
struct Literal {
  char text[N];
  consteval Literal(const char (&literal)[N]) { std::copy_n(literal, N, text); }
};

template <class V>
inline constexpr bool without_partials = false;
template <class T>
inline constexpr bool without_partials<Dual<T, 0>> = true;

/// Puts the values named inside a pointwise lambda together, while it is evaluated part by part.
class InnerRecorder {
 public:
  InnerRecorder(const Shape& shape, Dtype dtype) : shape_(shape), dtype_(dtype), outer_(current_) { current_ = this; }
  ~InnerRecorder() { current_ = outer_; }
  InnerRecorder(const InnerRecorder&) = delete;
  InnerRecorder& operator=(const InnerRecorder&) = delete;

  /// From here on values are those of n elements from (row, col) on.
  void at(Index row, Index col, Index n) {
    row_ = row;
    col_ = col;
    count_ = n;
  }
  bool empty() const { return values_.empty(); }
  std::vector<InnerValue> take() { return std::move(values_); }

  template <class T>
  static void put(const char* name, const std::source_location& where, const Lane<T>& value) {
    if (current_ == nullptr) return;
    T lanes[xsimd::batch<T>::size];
    value.v.store_unaligned(lanes);
    const Array& to = current_->place(name, where);
    std::copy_n(lanes, std::min<Index>(current_->count_, xsimd::batch<T>::size),
                to.raw<T>() + current_->row_ * to.stride() + current_->col_);
  }

 private:
  const Array& place(const char* name, const std::source_location& where);

  Shape shape_;
  Dtype dtype_;
  Index row_ = 0, col_ = 0, count_ = 0;
  std::vector<InnerValue> values_;
  InnerRecorder* outer_;
  static constinit thread_local InnerRecorder* current_;
};

}  // namespace detail

/// The same for a value inside a lambda given to `pointwise`: `auto f = named<"f">(sigmoid(zf));`. It costs nothing:
/// when somebody asks for the names, the lambda is evaluated once more on duals without partials, which no other
/// evaluation passes in. Such a value has no gradient of its own.
template <detail::Literal name, class V>
[[gnu::always_inline]] inline V named(const V& value,
                                      const std::source_location& where = std::source_location::current()) {
  if constexpr (detail::without_partials<V>) detail::InnerRecorder::put(name.text, where, value.v);
  return value;
}

}  // namespace unroll
