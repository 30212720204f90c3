// A progress line on stderr, a stopwatch, and durations and counts as people write them.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include <unroll/core/ids.h>

namespace unroll {

/// Wall-clock time since construction or the last restart.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void restart() { start_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// "35ms", "4.2s", "38s", "2m 05s", "1h 02m", "3d 04h"; "?" for what is negative or not finite.
std::string format_duration(double seconds);

/// "12,345", from a million on "4.1M", then "2.5B".
std::string format_count(Index n);

/// One progress line of less than `width` columns: percentage, bar, time elapsed and left, and the free text, which is
/// what is clipped. Line breaks and other control characters in the text become blanks; colour escapes are allowed.
std::string progress_line(Index done, Index total, double elapsed_seconds, std::string_view text, Index width);

/// A line on stderr that is redrawn in place, at most ten times a second. Nothing at all is written where stderr is no
/// terminal, or when quiet. The line is wiped by `finish` or the destructor, so also when an exception passes.
///
///     Progress progress(steps, quiet);
///     for (Index step = 0; step < steps; ++step) { …; progress.update(step + 1, fmt::format("loss {:.3f}", loss)); }
class Progress {
 public:
  explicit Progress(Index total, bool quiet = false, std::FILE* stream = stderr);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Says that `done` of the total is done. `text` is whatever else is worth showing: loss, tokens per second, …
  void update(Index done, std::string_view text = {});
  /// Wipes the line, to print something else; the next update draws it again.
  void clear();
  /// Wipes the line for good; later updates are ignored.
  void finish();

 private:
  Index total_;
  std::FILE* stream_;
  bool active_;
  bool drawn_ = false;
  Stopwatch since_start_, since_drawing_;
};

}  // namespace unroll
