#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <map>
#include <numeric>

#include <unroll/core/error.h>
#include <unroll/data/abc_lengths.h>

namespace unroll {

using detail::bar_of, detail::longest_note;

Index detail::bar_of(std::string_view meter) {
  Index over = 0, under = 0;
  const char* end = meter.data() + meter.size();
  const auto [slash, no_over] = std::from_chars(meter.data(), end, over);
  if (no_over != std::errc() || slash == end || *slash != '/' || over > longest_note) return whole_note;
  const auto [rest, no_under] = std::from_chars(slash + 1, end, under);
  if (no_under != std::errc() || rest != end || under == 0) return whole_note;
  return std::max<Index>(1, whole_note * over / under);
}

std::string to_abc(const Tune& tune) {
  constexpr std::array<const char*, 12> names{"C", "^C", "D", "^D", "E", "F", "^F", "G", "^G", "A", "^A", "B"};
  std::string text = fmt::format("X:1\nT:{}\nM:{}\nL:1/8\nK:C\n", tune.title, tune.meter);
  const Index bar = bar_of(tune.meter);
  Index filled = 0, bars = 0;
  std::map<std::string, std::string> accidentals;  // in force, by letter and octave
  for (const Note& n : tune.notes) {
    require<UsageError>(n.pitch == rest || (n.pitch >= 0 && n.pitch <= 127),
                        "to_abc: a pitch of {}; it must be 0 … 127", n.pitch);
    require<UsageError>(n.duration > 0 && n.duration <= longest_note, "to_abc: a duration of {}; it must be 1 … {}",
                        n.duration, longest_note);
    if (n.pitch == rest) {
      text += 'z';
    } else {
      std::string pitch = names[static_cast<Index>(n.pitch % 12)], sign;
      if (pitch[0] == '^') sign = "^", pitch.erase(0, 1);
      const int octave = n.pitch / 12;
      if (octave >= 6) pitch[0] = static_cast<char>(std::tolower(pitch[0]));
      pitch += octave >= 6 ? std::string(static_cast<Index>(octave - 6), '\'')
                           : std::string(static_cast<Index>(5 - octave), ',');
      std::string& before = accidentals[pitch];
      if (sign != before) text += sign.empty() ? "=" : sign;
      before = sign;
      text += pitch;
    }
    const Index divisor = std::gcd(n.duration, whole_note / 8), over = n.duration / divisor,
                under = whole_note / 8 / divisor;
    if (over != 1) text += fmt::format("{}", over);
    if (under != 1) text += fmt::format("/{}", under);
    filled += n.duration;
    if (filled % bar == 0) {
      text += ++bars % 4 == 0 ? "|\n" : "|";
      accidentals.clear();
    }
  }
  if (text.back() != '\n') text += "|\n";
  return text;
}

}  // namespace unroll
