// What the harnesses share. Each reads its input as a stranger's file: either the result keeps what is promised about
// it, or the reader throws an error that is documented. Whatever else happens ends the program, which is the finding.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <unroll/core/error.h>
#include <unroll/data/text.h>
#include <unroll/tests/temporary_folder.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace unroll::fuzzing {

[[noreturn]] inline void end(std::string_view why, std::string_view detail = "") {
  std::fprintf(stderr, "FINDING: %.*s %.*s\n", static_cast<int>(why.size()), why.data(),
               static_cast<int>(detail.size()), detail.data());
  std::abort();
}

inline void promise(bool kept, std::string_view what) {
  if (!kept) end("not kept:", what);
}

inline std::string_view view(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// The path of a file that has these bytes.
inline std::filesystem::path file(std::string_view name, std::string_view bytes) {
  static const TemporaryFolder folder;
  write_bytes(folder / name, bytes);
  return folder / name;
}

/// What f() gives; nothing if it throws one of `Errors`, which says in UTF-8 what is wrong (unless it quotes the
/// caller's own strings, which are not UTF-8).
template <class... Errors, class F>
std::optional<std::invoke_result_t<F>> unless_refused(F f, bool quotes_utf8 = true) {
  try {
    return f();
  } catch (const Error& error) {
    const std::string_view message = error.what();
    if (!(... || (dynamic_cast<const Errors*>(&error) != nullptr))) end("an error of another kind:", message);
    promise(!message.empty() && (!quotes_utf8 || valid_utf8(message)), "an error's message is UTF-8");
  } catch (const std::exception& error) { end("an exception of others:", error.what()); }
  return std::nullopt;
}

}  // namespace unroll::fuzzing
