#include <unroll/report/terminal.h>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace unroll {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string styled(std::string_view text, std::string_view codes, bool coloured) {
  return coloured ? fmt::format("\x1b[{}m{}\x1b[0m", codes, text) : std::string(text);
}

}  // namespace

bool is_terminal(std::FILE* stream) { return isatty(fileno(stream)) == 1; }

Index terminal_width(std::FILE* stream) {
  winsize size{};
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const std::string_view columns = environment("COLUMNS");
  Index width = 0;
  std::from_chars(columns.data(), columns.data() + columns.size(), width);
  return width > 0 ? width : 80;
}

bool colour_wanted(std::FILE* stream) {
  return is_terminal(stream) && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
}

std::string bold(std::string_view text, bool coloured) { return styled(text, "1", coloured); }
std::string dim(std::string_view text, bool coloured) { return styled(text, "2", coloured); }
std::string red(std::string_view text, bool coloured) { return styled(text, "31", coloured); }
std::string green(std::string_view text, bool coloured) { return styled(text, "32", coloured); }

std::string colour_256(std::string_view text, int index, bool coloured) {
  return styled(text, fmt::format("38;5;{}", index), coloured);
}

std::string shade(std::string_view word, double weight, bool coloured) {
  const bool visible = std::abs(weight) >= 0.05;  // false for NaN too
  if (!visible) return std::string(word);
  const double w = std::clamp(weight, -1.0, 1.0);
  if (!coloured) return fmt::format("{}({:+.1f})", word, w);
  // Five tints of the 256-colour palette, pale to full, with black letters: readable on light and on dark terminals.
  constexpr std::array greens{194, 157, 120, 83, 46};
  constexpr std::array reds{224, 217, 210, 203, 196};
  const auto level = std::min<Index>(static_cast<Index>(std::abs(w) * 5), 4);
  return styled(word, fmt::format("38;5;16;48;5;{}", w > 0 ? greens[level] : reds[level]), true);
}

}  // namespace unroll
