// The one helper behind every error message, and the exceptions it throws.
#pragma once

// gcc 12 sees an overflow in fmt 9 where there is none (a false positive of its inliner at -O3).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#endif
#include <fmt/format.h>
#include <fmt/ranges.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <stdexcept>
#include <string>
#include <utility>

namespace unroll {

/// Every exception of the library derives from Error, so that `catch (const unroll::Error&)` is enough.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Shapes, dtypes or sizes that do not fit together.
struct ShapeError : Error {
  using Error::Error;
};
/// A call that makes no sense: an unknown name, a tensor of an ended tape, an option out of its range.
struct UsageError : Error {
  using Error::Error;
};
/// A file or a text that cannot be read as what it should be.
struct FileError : Error {
  using Error::Error;
};

/// Throws `E` with the formatted text unless `ok`. The text says what, where, which values, and what was expected.
template <class E = ShapeError, class... Args>
inline void require(bool ok, fmt::format_string<Args...> text, Args&&... args) {
  if (!ok) [[unlikely]] { throw E(fmt::format(text, std::forward<Args>(args)...)); }
}

}  // namespace unroll
