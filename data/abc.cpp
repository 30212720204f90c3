#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>

#include <unroll/core/error.h>
#include <unroll/data/abc_lengths.h>
#include <unroll/data/code_points.h>
#include <unroll/data/text.h>
#include <unroll/data/tune.h>

namespace unroll {

using detail::bar_of, detail::longest_note;

namespace {

constexpr std::array<int, 7> natural{9, 11, 0, 2, 4, 5, 7};  // of the letters A … G, in semitones above C

/// One line of ABC, read from left to right.
struct Cursor {
  std::string_view name, text;
  Index line;
  Index at = 0;

  bool done() const { return at >= text.size(); }
  char peek() const { return done() ? '\0' : text[at]; }
  bool take(char c) { return peek() == c ? (++at, true) : false; }
  template <class Test>
  std::string_view take_while(Test test) {
    const Index from = at;
    while (!done() && test(text[at])) ++at;
    return text.substr(from, at - from);
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw FileError(fmt::format("{}: line {}, column {}: {}", name, line, at + 1, what));
  }
  /// What stands here, as errors show it.
  std::string here() const {
    const Index bytes = decode_at(text, at).bytes;
    return bytes > 0 ? std::string(text.substr(at, bytes))
                     : fmt::format("\\x{:02X}", static_cast<unsigned char>(text[at]));
  }
};

bool digit(char c) { return c >= '0' && c <= '9'; }

Index number(Cursor& in, Index otherwise) {
  const std::string_view digits = in.take_while(digit);
  if (digits.empty()) return otherwise;
  if (digits.size() > 4) in.fail("a number of more than four digits");
  Index n = 0;
  for (const char c : digits) n = 10 * n + static_cast<Index>(c - '0');
  return n;
}

struct Fraction {
  Index over = 1, under = 1;
};
/// "3", "3/2", "/", "//" after a note.
Fraction length(Cursor& in) {
  Fraction f{number(in, 1), 1};
  while (in.take('/')) f.under *= digit(in.peek()) ? number(in, 2) : 2;
  if (f.over == 0 || f.under == 0 || f.under > 256) in.fail("a note cannot be so long");
  return f;
}

/// What K: says: the tonic, and by how many semitones each letter A … G is altered.
struct Key {
  int tonic = 0;
  std::array<int, 7> altered{};
};
Key key_of(Cursor in) {
  in.take_while([](char c) { return c == ' '; });
  if (in.done() || in.text.substr(in.at).starts_with("none")) return {};
  const char letter = in.peek();
  if (letter < 'A' || letter > 'G') in.fail(fmt::format("a key begins with a letter from A to G, not '{}'", in.here()));
  ++in.at;
  int shift = 0;
  if (in.take('#')) {
    shift = 1;
  } else if (in.take('b')) {
    shift = -1;
  }
  in.take_while([](char c) { return c == ' '; });
  std::string mode(in.take_while([](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }));
  for (char& c : mode) c = static_cast<char>(std::tolower(c));
  mode.resize(std::min<Index>(mode.size(), 3));
  // Each mode's sharps beside those of the major key on the same tonic.
  static const std::map<std::string, int> modes{{"", 0},     {"maj", 0},  {"ion", 0},  {"mix", -1},
                                                {"dor", -2}, {"m", -3},   {"min", -3}, {"aeo", -3},
                                                {"phr", -4}, {"loc", -5}, {"lyd", 1}};
  const auto found = modes.find(mode);
  if (found == modes.end()) in.fail(fmt::format("\"{}\" is no mode", mode));
  static const std::string fifths = "FCGDAEB";
  const int sharps = static_cast<int>(fifths.find(letter)) - 1 + 7 * shift + found->second;
  Key key{(natural[static_cast<Index>(letter - 'A')] + shift + 12) % 12, {}};
  for (int k = 0; k < std::abs(sharps); ++k) {
    const Index place = static_cast<Index>(sharps > 0 ? k % 7 : 6 - k % 7);
    key.altered[static_cast<Index>(fifths[place] - 'A')] += sharps > 0 ? 1 : -1;
  }
  return key;
}

/// What L: says.
Index unit_of(Cursor in) {
  in.take_while([](char c) { return c == ' '; });
  const Fraction f = length(in);
  const Index unit = whole_note * f.over / f.under;
  if (unit == 0) in.fail("a unit shorter than 1/96");
  return unit;
}

/// Reads the lines of a tune's body.
class Body {
 public:
  Body(Tune& tune, Key key, Index unit)
      : tune_(tune),
        key_(key),
        unit_(unit),
        compound_(tune.meter == "6/8" || tune.meter == "9/8" || tune.meter == "12/8") {}

  void set_key(Key key) { key_ = key; }
  void set_unit(Index unit) { unit_ = unit; }

  void read(Cursor& in) {
    while (!in.done()) {
      const char c = in.peek();
      if (c == '%') return;
      if (c == '"' || c == '!' || c == '+') {
        const char end = c;
        ++in.at;
        in.take_while([end](char d) { return d != end; });
        if (!in.take(end)) in.fail(fmt::format("there is no second {}", end));
      } else if (c == '{') {
        in.take_while([](char d) { return d != '}'; });
        if (!in.take('}')) in.fail("grace notes without }");
      } else if (c == '[' && in.at + 1 < in.text.size() &&
                 std::isalpha(static_cast<unsigned char>(in.text[in.at + 1])) != 0 && in.at + 2 < in.text.size() &&
                 in.text[in.at + 2] == ':') {
        field(in);
      } else if (c == '[' && in.at + 1 < in.text.size() && is_note(in.text[in.at + 1])) {
        chord(in);
      } else if (c == '|' || c == ':' || c == ']' || c == '[') {
        ++in.at;
        in.take_while([](char d) { return d == '|' || d == ':' || d == ']'; });
        in.take_while([](char d) { return digit(d) || d == ',' || d == '-'; });  // an ending's number
        accidentals_.clear();
      } else if (c == '(') {
        ++in.at;
        if (digit(in.peek())) tuplet(in);
      } else if (c == '>' || c == '<') {
        broken(in);
      } else if (c == '-') {
        ++in.at;
        tied_ = true;
      } else if (is_note(c)) {
        add(in, note(in));
      } else if (std::string_view(" \t).~HLMOPSTuvJR\\`y$").find(c) != std::string_view::npos) {
        ++in.at;
      } else {
        in.fail(fmt::format("'{}' is no part of a tune", in.here()));
      }
    }
  }

 private:
  static bool is_note(char c) {
    return (c >= 'A' && c <= 'G') || (c >= 'a' && c <= 'g') || c == '^' || c == '_' || c == '=' || c == 'z' || c == 'x';
  }

  Note note(Cursor& in) {
    std::optional<int> accidental;
    while (in.peek() == '^' || in.peek() == '_' || in.peek() == '=') {
      const char c = in.peek();
      accidental = c == '=' ? 0 : accidental.value_or(0) + (c == '^' ? 1 : -1);
      if (std::abs(*accidental) > 127) in.fail("a note beyond MIDI's range");
      ++in.at;
    }
    const char c = in.peek();
    if (!std::isalpha(static_cast<unsigned char>(c)) || !is_note(c)) in.fail("expected a note after the accidental");
    ++in.at;
    if (c == 'z' || c == 'x') return {rest, duration(in)};
    const bool high = c >= 'a';
    const Index letter = static_cast<Index>(std::toupper(c) - 'A');
    int octave = high ? 6 : 5;
    for (; in.peek() == '\'' || in.peek() == ','; ++in.at) {
      octave += in.peek() == '\'' ? 1 : -1;
      if (std::abs(octave) > 127) in.fail("a note beyond MIDI's range");
    }
    const auto here = std::pair(letter, octave);
    if (accidental) accidentals_[here] = *accidental;
    const auto set = accidentals_.find(here);
    const int pitch = 12 * octave + natural[letter] + (set != accidentals_.end() ? set->second : key_.altered[letter]);
    if (pitch < 0 || pitch > 127) in.fail("a note beyond MIDI's range");
    return {pitch, duration(in)};
  }

  Index duration(Cursor& in) {
    const Fraction f = length(in);
    Index over = f.over * unit_, under = f.under;
    if (stretched_ > 0) over *= tuplet_.over, under *= tuplet_.under, --stretched_;
    if (broken_.over != broken_.under) over *= broken_.over, under *= broken_.under, broken_ = {};
    return limited(in, (over + under / 2) / under);
  }

  /// At least one, and no number that grows without an end.
  static Index limited(const Cursor& in, Index duration) {
    if (duration > longest_note) in.fail("a note cannot be so long");
    return std::max<Index>(1, duration);
  }

  void chord(Cursor& in) {
    in.take('[');
    const Index stretched = stretched_;
    const Fraction broken = broken_;
    Note highest{rest, 0};
    while (!in.take(']')) {
      if (in.done() || !is_note(in.peek())) in.fail("notes that sound together end with ]");
      stretched_ = stretched, broken_ = broken;
      const Note n = note(in);
      if (n.pitch >= highest.pitch) highest = n;
    }
    const Fraction f = length(in);
    highest.duration = limited(in, highest.duration * f.over / f.under);
    add(in, highest);
  }

  /// [K:G] or [L:1/16] within a line; other fields change no note.
  void field(Cursor& in) {
    Cursor value = in;
    in.take_while([](char d) { return d != ']'; });
    value.text = in.text.substr(0, in.at);
    value.at += 3;
    const char letter = in.text[value.at - 2];
    if (letter == 'K') key_ = key_of(value);
    if (letter == 'L') unit_ = unit_of(value);
    in.take(']');
  }

  /// (3abc: three notes in the time of two, and so on; five, seven and nine in the time of three in a compound meter.
  void tuplet(Cursor& in) {
    const Index n = number(in, 3);
    if (n < 2 || n > 9) in.fail(fmt::format("a tuplet of {} notes", n));
    const Index odd = compound_ ? 3 : 2;
    const std::array<Index, 10> times{0, 0, 3, 2, 3, odd, 2, odd, 3, odd};
    Index q = times[n], r = n;
    if (in.take(':')) {
      q = number(in, q);
      if (in.take(':')) r = number(in, n);
    }
    if (q == 0) in.fail("a tuplet in no time");
    tuplet_ = {q, n};
    stretched_ = r;
  }

  /// a>b: the first half as long again, the second half as long.
  void broken(Cursor& in) {
    const char c = in.peek();
    const std::string_view marks = in.take_while([c](char d) { return d == c; });
    if (tune_.notes.empty() || marks.size() > 3) in.fail("a broken rhythm needs a note before it");
    const Index under = Index{1} << marks.size(), over = 2 * under - 1;
    Index& before = tune_.notes.back().duration;
    before = limited(in, before * (c == '>' ? over : 1) / under);
    broken_ = {c == '>' ? 1 : over, under};
  }

  void add(const Cursor& in, Note n) {
    if (tied_ && !tune_.notes.empty() && tune_.notes.back().pitch == n.pitch) {
      Index& duration = tune_.notes.back().duration;
      duration = limited(in, duration + n.duration);
    } else {
      tune_.notes.push_back(n);
    }
    tied_ = false;
  }

  Tune& tune_;
  Key key_;
  Index unit_;
  bool compound_;
  std::map<std::pair<Index, int>, int> accidentals_;  // of the bar
  Fraction broken_, tuplet_;
  Index stretched_ = 0;
  bool tied_ = false;
};

/// M: as "6/8"; C is 4/4, C| 2/2.
std::string meter_of(Cursor in) {
  in.take_while([](char c) { return c == ' '; });
  std::string meter(in.take_while([](char c) { return c != ' ' && c != '%'; }));
  if (meter == "C") return "4/4";
  if (meter == "C|") return "2/2";
  return meter;
}

/// The unit of a tune without L:.
Index default_unit(std::string_view meter) {
  const Index bar = bar_of(meter);
  return bar > 1 && 4 * bar < 3 * whole_note ? whole_note / 16 : whole_note / 8;
}

}  // namespace

std::vector<Tune> parse_abc(std::string_view text, std::string_view name) {
  std::vector<Tune> tunes;
  std::optional<Body> body;
  Key key;
  std::optional<Index> unit;
  Index line_number = 0;
  const auto finish = [&] {
    if (!tunes.empty() && tunes.back().notes.empty()) tunes.pop_back();
    body.reset();
  };
  while (!text.empty()) {
    const Index end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.starts_with('%')) continue;
    Cursor in{name, line, line_number};
    if (line.size() >= 2 && line[1] == ':' &&
        (std::isalpha(static_cast<unsigned char>(line[0])) != 0 || line[0] == '+')) {
      in.at = 2;
      switch (line[0]) {
        case 'X':
          finish();
          tunes.emplace_back();
          key = {};
          unit.reset();
          break;
        case 'T':
          if (!tunes.empty() && tunes.back().title.empty()) {
            in.take_while([](char c) { return c == ' '; });
            tunes.back().title = std::string(line.substr(in.at));
          }
          break;
        case 'M':
          if (!tunes.empty() && !body) tunes.back().meter = meter_of(in);
          break;
        case 'L':
          unit = unit_of(in);
          if (body) body->set_unit(*unit);
          break;
        case 'K':
          if (tunes.empty()) in.fail("a key before any tune: a tune begins with X:");
          key = key_of(in);
          if (body) {
            body->set_key(key);
          } else {
            tunes.back().tonic = key.tonic;
            body.emplace(tunes.back(), key, unit.value_or(default_unit(tunes.back().meter)));
          }
          break;
        default:
          break;
      }
      continue;
    }
    if (line.empty()) {
      finish();
      continue;
    }
    if (!body) {
      if (tunes.empty()) continue;  // a text before the first tune
      in.fail("notes before the key: a tune's head ends with K:");
    }
    body->read(in);
  }
  finish();
  require<FileError>(!tunes.empty(), "{}: there is no tune in ABC notation in it", name);
  return tunes;
}

std::vector<Tune> read_abc(const std::filesystem::path& path) { return parse_abc(read_text(path), path.string()); }

}  // namespace unroll
