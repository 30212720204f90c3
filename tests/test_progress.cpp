// Progress, its formats, and the terminal underneath. A pseudo-terminal stands for the user's.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>

#include <unroll/report/progress.h>
#include <unroll/report/terminal.h>
#include <unroll/report/text_width.h>

using namespace unroll;

namespace {

/// A terminal of which the test holds the other end.
class PseudoTerminal {
 public:
  explicit PseudoTerminal(unsigned short columns) : master_(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)) {
    REQUIRE(grantpt(master_) == 0);
    REQUIRE(unlockpt(master_) == 0);
    stream_ = std::fopen(ptsname(master_), "w");
    REQUIRE(stream_ != nullptr);
    winsize size{24, columns, 0, 0};
    REQUIRE(ioctl(fileno(stream_), TIOCSWINSZ, &size) == 0);
  }
  ~PseudoTerminal() {
    std::fclose(stream_);
    close(master_);
  }
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  std::FILE* stream() { return stream_; }
  /// All that was written so far.
  const std::string& written() {
    char buffer[4096];
    for (ssize_t n = 0; (n = read(master_, buffer, sizeof buffer)) > 0;) written_.append(buffer, static_cast<Index>(n));
    return written_;
  }
  /// What a user sees in the one line that is drawn: what came after the last wiping or return to its start.
  std::string visible() {
    std::string line = written().substr(written().find_last_of('\r') + 1);
    if (line.ends_with("\x1b[K")) line.resize(line.size() - 3);
    return line;
  }
  auto drawings() { return std::count(written().begin(), written().end(), '\r'); }

 private:
  int master_;
  std::FILE* stream_ = nullptr;
  std::string written_;
};

std::string contents(std::FILE* file) {
  std::string out;
  std::rewind(file);
  for (int c = 0; (c = std::fgetc(file)) != EOF;) out += static_cast<char>(c);
  return out;
}

/// Sets a variable of the environment for the length of a test.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    const char* before = std::getenv(name);
    had_ = before != nullptr;
    if (had_) before_ = before;
    value ? setenv(name, value, 1) : unsetenv(name);
  }
  ~Environment() { had_ ? setenv(name_, before_.c_str(), 1) : unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  bool had_ = false;
  std::string before_;
};

}  // namespace

TEST_CASE("durations read as people write them") {
  CHECK(format_duration(0) == "0ms");
  CHECK(format_duration(1e20) == "?");
  CHECK(format_duration(0.0352) == "35ms");
  CHECK(format_duration(0.0999) == "0.1s");
  CHECK(format_duration(4.23) == "4.2s");
  CHECK(format_duration(9.96) == "10s");
  CHECK(format_duration(59.4) == "59s");
  CHECK(format_duration(59.7) == "1m 00s");
  CHECK(format_duration(125) == "2m 05s");
  CHECK(format_duration(3599.8) == "1h 00m");
  CHECK(format_duration(3720) == "1h 02m");
  CHECK(format_duration(86399) == "1d 00h");
  CHECK(format_duration(3 * 86400 + 4 * 3600) == "3d 04h");
  CHECK(format_duration(-1) == "?");
  CHECK(format_duration(std::numeric_limits<double>::infinity()) == "?");
  CHECK(format_duration(std::numeric_limits<double>::quiet_NaN()) == "?");
}

TEST_CASE("counts read as people write them") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(12345) == "12,345");
  CHECK(format_count(999'999) == "999,999");
  CHECK(format_count(1'000'000) == "1.0M");
  CHECK(format_count(4'149'999) == "4.1M");
  CHECK(format_count(4'150'000) == "4.2M");
  CHECK(format_count(999'949'999) == "999.9M");
  CHECK(format_count(999'950'000) == "1.0B");
  CHECK(format_count(2'500'000'000) == "2.5B");
}

TEST_CASE("a progress line shows the share, the times and the text") {
  // 30 of 120 took 20 s, so the other 90 take 60 s.
  const std::string line = progress_line(30, 120, 20, "loss 1.234", 100);
  CHECK(line.starts_with(" 25% ▕█████"));
  CHECK(line.find("▏ 20s, 1m 00s left  loss 1.234") != std::string::npos);
  CHECK(progress_line(0, 120, 3, "", 80).find("3.0s, ? left") != std::string::npos);
  CHECK(progress_line(120, 120, 3, "", 80).starts_with("100% ▕████████████████▏ 3.0s, 0ms left"));
  CHECK(progress_line(999, 1000, 3, "", 80).starts_with(" 99% "));  // not done before it is done
  CHECK(progress_line(130, 120, 3, "", 80).starts_with("100% "));
  CHECK(progress_line(0, 0, 3, "", 80).starts_with("100% "));
}

TEST_CASE("a progress line is shorter than the terminal is wide and holds no line break") {
  const std::string text = "a sample:\n\tto be\r\nor not\x7f to be, that is the question";
  for (Index width = 0; width <= 120; ++width) {
    const std::string line = progress_line(7, 19, 1e5, text, width);
    CHECK(display_width(line) <= (width == 0 ? 0 : width - 1));
    CHECK(line.find_first_of("\n\r\t\x7f") == std::string::npos);
  }
}

TEST_CASE("progress is drawn on a terminal and leaves its line clean") {
  PseudoTerminal terminal(80);
  {
    Progress progress(10, false, terminal.stream());
    CHECK(terminal.written().empty());
    progress.update(5, "loss 0.5");
    CHECK(terminal.visible().starts_with(" 50% "));
    CHECK(terminal.visible().ends_with("loss 0.5"));
    progress.clear();
    CHECK(terminal.visible().empty());
    progress.update(6, "loss 0.4");
    CHECK(terminal.visible().starts_with(" 60% "));
  }
  CHECK(terminal.visible().empty());
  CHECK(terminal.written().ends_with("\r\x1b[K"));
}

TEST_CASE("an exception wipes the progress line on its way") {
  PseudoTerminal terminal(80);
  const auto fail = [&] {
    Progress progress(10, false, terminal.stream());
    progress.update(1);
    throw std::runtime_error("out of luck");
  };
  CHECK_THROWS_AS(fail(), std::runtime_error);
  CHECK(terminal.drawings() == 2);
  CHECK(terminal.visible().empty());
}

TEST_CASE("a finished progress stays silent") {
  PseudoTerminal terminal(80);
  Progress progress(10, false, terminal.stream());
  progress.update(1);
  progress.finish();
  const std::string written = terminal.written();
  progress.update(2);
  progress.finish();
  CHECK(terminal.written() == written);
}

TEST_CASE("progress is redrawn at most ten times a second") {
  PseudoTerminal terminal(80);
  Progress progress(1'000'000, false, terminal.stream());
  const Stopwatch stopwatch;
  for (Index i = 0; i < 20'000; ++i) progress.update(i);
  CHECK(static_cast<double>(terminal.drawings()) <= 1 + stopwatch.seconds() / 0.1);
  const auto before = terminal.drawings();
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  progress.update(500'000);
  CHECK(terminal.drawings() == before + 1);
  CHECK(terminal.visible().starts_with(" 50% "));
}

TEST_CASE("no progress is written to a file, nor when quiet") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  {
    Progress progress(10, false, file);
    progress.update(5, "loss");
  }
  CHECK(contents(file).empty());
  std::fclose(file);

  PseudoTerminal terminal(80);
  {
    Progress progress(10, true, terminal.stream());
    progress.update(5, "loss");
  }
  CHECK(terminal.written().empty());
}

TEST_CASE("a stopwatch measures and restarts") {
  Stopwatch stopwatch;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(stopwatch.seconds() >= 0.02);
  CHECK(stopwatch.seconds() < 10);
  const double before = stopwatch.seconds();
  stopwatch.restart();
  CHECK(stopwatch.seconds() < before);
}

TEST_CASE("what a stream can do") {
  PseudoTerminal terminal(57);
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  const Environment term("TERM", "xterm");
  CHECK(is_terminal(terminal.stream()));
  CHECK_FALSE(is_terminal(file));
  CHECK(terminal_width(terminal.stream()) == 57);
  {
    const Environment columns("COLUMNS", "99");
    CHECK(terminal_width(file) == 99);
    CHECK(terminal_width(terminal.stream()) == 57);
  }
  for (const char* useless : {"wide", "-3", "0", ""}) {
    const Environment columns("COLUMNS", useless);
    CHECK(terminal_width(file) == 80);
  }
  {
    const Environment no_color("NO_COLOR", nullptr);
    CHECK(colour_wanted(terminal.stream()));
    CHECK_FALSE(colour_wanted(file));
    const Environment dumb("TERM", "dumb");
    CHECK_FALSE(colour_wanted(terminal.stream()));
  }
  {
    const Environment no_color("NO_COLOR", "1");
    CHECK_FALSE(colour_wanted(terminal.stream()));
  }
  {
    const Environment no_color("NO_COLOR", "");  // empty counts as unset
    CHECK(colour_wanted(terminal.stream()));
  }
  std::fclose(file);
}

TEST_CASE("styles wrap a text, or leave it alone") {
  CHECK(bold("x", true) == "\x1b[1mx\x1b[0m");
  CHECK(dim("x", true) == "\x1b[2mx\x1b[0m");
  CHECK(red("x", true) == "\x1b[31mx\x1b[0m");
  CHECK(green("x", true) == "\x1b[32mx\x1b[0m");
  CHECK(colour_256("x", 208, true) == "\x1b[38;5;208mx\x1b[0m");
  for (const std::string& plain :
       {bold("x", false), dim("x", false), red("x", false), green("x", false), colour_256("x", 208, false)}) {
    CHECK(plain == "x");
  }
}

TEST_CASE("a word is shaded by its weight") {
  CHECK(shade("good", 0.8, false) == "good(+0.8)");
  CHECK(shade("bad", -0.25, false) == "bad(-0.2)");
  CHECK(shade("best", 7, false) == "best(+1.0)");
  CHECK(shade("worst", -7, false) == "worst(-1.0)");
  CHECK(shade("good", 1, true) == "\x1b[38;5;16;48;5;46mgood\x1b[0m");
  CHECK(shade("good", 0.1, true) == "\x1b[38;5;16;48;5;194mgood\x1b[0m");
  CHECK(shade("bad", -1, true) == "\x1b[38;5;16;48;5;196mbad\x1b[0m");
  CHECK(shade("bad", -0.5, true) == "\x1b[38;5;16;48;5;210mbad\x1b[0m");
  for (const bool coloured : {false, true}) {
    CHECK(shade("the", 0.04, coloured) == "the");
    CHECK(shade("the", -0.04, coloured) == "the");
    CHECK(shade("the", std::numeric_limits<double>::quiet_NaN(), coloured) == "the");
  }
}

TEST_CASE("code points are read from UTF-8, malformed bytes one by one") {
  const auto reads = [](std::string_view text, char32_t value, Index bytes) {
    const CodePoint c = first_code_point(text);
    return c.value == value && c.bytes == bytes;
  };
  CHECK(reads("a", 'a', 1));
  CHECK(reads("éa", 0xE9, 2));
  CHECK(reads("€", 0x20AC, 3));
  CHECK(reads("😀", 0x1F600, 4));
  for (const char* malformed : {"\x80", "\xC3", "\xC3(", "\xE2\x82", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80",
                                "\xF4\x90\x80\x80", "\xF0\x80\x80\xAF", "\xFF"}) {
    CAPTURE(malformed);
    CHECK(reads(malformed, 0xFFFD, 1));
  }
}

TEST_CASE("widths count columns, not bytes") {
  CHECK(display_width("") == 0);
  CHECK(display_width("naïve – ☃") == 9);
  CHECK(display_width("e\xCC\x81") == 1);  // e and a combining accent
  CHECK(display_width("序列模型") == 8);
  CHECK(display_width("😀") == 2);
  CHECK(display_width("\x1b[38;5;16mab\x1b[0m") == 2);
  CHECK(pad_right("é", 3) == "é  ");
  CHECK(pad_left("é", 3) == "  é");
  CHECK(pad_left("long", 3) == "long");
}

TEST_CASE("a clipped text fits and keeps its colours closed") {
  CHECK(clip_to_width("abcdef", 6) == "abcdef");
  CHECK(clip_to_width("abcdef", 5) == "abcd…");
  CHECK(clip_to_width("abcdef", 1) == "…");
  CHECK(clip_to_width("abcdef", 0).empty());
  CHECK(clip_to_width("序列模型", 6) == "序列…");  // three wide characters would leave no room for the dots
  CHECK(clip_to_width("\x1b[1mabcdef\x1b[0m", 3) == "\x1b[1mab…\x1b[0m");
}
