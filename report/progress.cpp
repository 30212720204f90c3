#include <unroll/report/progress.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <unroll/report/terminal.h>
#include <unroll/report/text_width.h>

namespace unroll {
namespace {

constexpr double seconds_between_drawings = 0.1;

std::string bar(double fraction, Index columns) {
  constexpr std::array eighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto filled = static_cast<Index>(fraction * static_cast<double>(columns) * 8);
  std::string out;
  for (Index i = 0; i < filled / 8; ++i) out += "█";
  out += eighths[filled % 8];
  return "▕" + pad_right(out, columns) + "▏";
}

std::string tenths(Index n, Index unit, char suffix) {
  const Index rounded = (n + unit / 20) / (unit / 10);
  return fmt::format("{}.{}{}", rounded / 10, rounded % 10, suffix);
}

}  // namespace

std::string format_duration(double seconds) {
  if (!(seconds >= 0 && seconds < 1e15)) return "?";
  if (seconds < 0.0995) return fmt::format("{:.0f}ms", seconds * 1000);
  if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
  // Rounded before the unit is chosen, so that 59.9 is "1m 00s" and never "60s".
  const auto whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  const auto minutes = std::llround(seconds / 60);
  if (minutes < 24 * 60) return fmt::format("{}h {:02}m", minutes / 60, minutes % 60);
  const auto hours = std::llround(seconds / 3600);
  return fmt::format("{}d {:02}h", hours / 24, hours % 24);
}

std::string format_count(Index n) {
  if (n >= 999'950'000) return tenths(n, 1'000'000'000, 'B');
  if (n >= 1'000'000) return tenths(n, 1'000'000, 'M');
  return n < 1000 ? fmt::format("{}", n) : fmt::format("{},{:03}", n / 1000, n % 1000);
}

std::string progress_line(Index done, Index total, double elapsed, std::string_view text, Index width) {
  const double fraction =
      done < total ? static_cast<double>(done) / static_cast<double>(total) : 1.0;  // a total of 0 is done at once
  const double left = fraction > 0 ? elapsed * (1 - fraction) / fraction : std::numeric_limits<double>::infinity();
  std::string line =
      fmt::format("{:3.0f}% {} {}, {} left", std::floor(100 * fraction),
                  bar(fraction, std::clamp<Index>(width / 5, 4, 24)), format_duration(elapsed), format_duration(left));
  if (!text.empty()) line += "  ";
  line += text;
  const auto is_control = [](char c) { return (0 <= c && c < ' ' && c != '\x1b') || c == '\x7f'; };
  std::replace_if(line.begin(), line.end(), is_control, ' ');
  // A line as wide as the terminal would wrap in some of them.
  return clip_to_width(line, width - std::min<Index>(width, 1));
}

Progress::Progress(Index total, bool quiet, std::FILE* stream)
    : total_(total), stream_(stream), active_(!quiet && is_terminal(stream)) {}

void Progress::update(Index done, std::string_view text) {
  if (!active_ || (drawn_ && since_drawing_.seconds() < seconds_between_drawings)) return;
  const std::string line = progress_line(done, total_, since_start_.seconds(), text, terminal_width(stream_));
  fmt::print(stream_, "\r{}\x1b[K", line);
  std::fflush(stream_);
  drawn_ = true;
  since_drawing_.restart();
}

void Progress::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stream_);
  std::fflush(stream_);
  drawn_ = false;
}

void Progress::finish() {
  clear();
  active_ = false;
}

}  // namespace unroll
