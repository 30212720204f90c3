// Pairs of texts for `translate`: generated dates, or a file; their tokens and ids.
#pragma once

#include <array>
#include <set>

#include <unroll/examples/program.h>

namespace translate {

using namespace program;

struct Pair {
  std::string source, target;
};

// ---- dates as people write them, and as ISO 8601 does

inline const std::array<const char*, 12> months{"January", "February", "March",     "April",   "May",      "June",
                                                "July",    "August",   "September", "October", "November", "December"};
inline const std::array<const char*, 7> weekdays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                 "Thursday", "Friday", "Saturday"};

inline bool is_leap(Index year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }
inline Index days_in(Index month, Index year) {
  constexpr std::array<Index, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}
/// Zeller's congruence, with Sunday as 0.
inline Index weekday(Index day, Index month, Index year) {
  const Index m = month < 3 ? month + 12 : month, y = month < 3 ? year - 1 : year;
  return (day + 13 * (m + 1) / 5 + y + y / 4 - y / 100 + y / 400 + 6) % 7;
}

inline std::string in_case(std::string text, Index kind) {
  for (char& c : text) {
    if (kind == 1) c = static_cast<char>(std::tolower(c));
    if (kind == 2) c = static_cast<char>(std::toupper(c));
  }
  return text;
}

inline Pair date(Random& random) {
  const Index year = 1950 + random.below(100), month = 1 + random.below(12),
              day = 1 + random.below(days_in(month, year));
  const std::string name = months[month - 1], week = weekdays[weekday(day, month, year)], brief = name.substr(0, 3);
  const char* ending = day / 10 == 1 ? "th" : day % 10 == 1 ? "st" : day % 10 == 2 ? "nd" : day % 10 == 3 ? "rd" : "th";
  const std::string text = [&] {
    switch (random.below(10)) {
      case 0:
        return fmt::format("{} {}, {}", name, day, year);
      case 1:
        return fmt::format("{} {} {}", day, brief, year);
      case 2:
        return fmt::format("{}, {} {}, {}", week, name, day, year);
      case 3:
        return fmt::format("{}{} of {} {}", day, ending, name, year);
      case 4:
        return fmt::format("{}/{}/{:02}", month, day, year % 100 >= 50 ? year - 1900 : year);
      case 5:
        return fmt::format("{}.{}.{}", day, month, year);
      case 6:
        return fmt::format("{} {}{}, {}", brief, day, ending, year);
      case 7:
        return fmt::format("{:02} {} {}", day, name, year);
      case 8:
        return fmt::format("{} {} {} {}", week.substr(0, 3), day, brief, year);
      default:
        return fmt::format("{}. {} {}", day, name, year);
    }
  }();
  return {in_case(text, random.below(3)), fmt::format("{:04}-{:02}-{:02}", year, month, day)};
}

// ---- files

/// A line is a source, a TAB or else a '_', and a target; blanks round both are dropped, and of an entry after a second
/// TAB nothing is read. Errors: FileError with the line where the separator or one of the two is missing.
inline std::vector<Pair> read_pairs(const std::string& path) {
  const auto trimmed = [](std::string_view text) {
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    return std::string(text);
  };
  const std::string all = read_text(path);
  std::vector<Pair> pairs;
  Index line = 0;
  for (std::string_view rest = all; !rest.empty();) {
    const Index end = std::min(rest.find('\n'), rest.size());
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++line;
    if (is_blank(text)) continue;
    const char separator = text.find('\t') != std::string_view::npos ? '\t' : '_';
    const Index cut = text.find(separator);
    require<FileError>(cut != std::string_view::npos,
                       "{}: line {}: expected a source, a TAB (or a _) and a target; there is no such separator", path,
                       line);
    const std::string_view after = text.substr(cut + 1);
    Pair pair{trimmed(text.substr(0, cut)), trimmed(separator == '\t' ? after.substr(0, after.find('\t')) : after)};
    require<FileError>(!pair.source.empty() && !pair.target.empty(), "{}: line {}: the {} is empty", path, line,
                       pair.source.empty() ? "source" : "target");
    pairs.push_back(std::move(pair));
  }
  require<FileError>(!pairs.empty(), "{}: there is no pair in it", path);
  return pairs;
}

// ---- tokens and ids

using Words = std::vector<std::string>;

inline Words tokens_of(const std::string& text, bool by_words) {
  return by_words ? split_words(lower(text)) : characters(text);
}

struct Examples {
  std::vector<Words> sources, targets;
  std::vector<std::string> texts;  // of the sources
  Index size() const { return sources.size(); }
  void add(const Pair& pair, bool by_words) {
    sources.push_back(tokens_of(pair.source, by_words));
    targets.push_back(tokens_of(pair.target, by_words));
    texts.push_back(pair.source);
  }
};

/// The pairs in two parts by the hash of the source, so that no source of one part stands in the other.
struct Corpus {
  Examples train, test;
  std::map<std::string, std::vector<Words>> references;  // all targets of each source

  Corpus(const std::vector<Pair>& pairs, bool by_words, Index max_words) {
    std::vector<std::string> texts;
    for (const Pair& pair : pairs) texts.push_back(pair.source);
    const Split split = split_by_hash(texts);
    std::set<Index> held_out(split.test.begin(), split.test.end());
    std::set<std::string> asked;  // a source is tested once
    for (Index i = 0; i < pairs.size(); ++i) {
      Examples one;
      one.add(pairs[i], by_words);
      if (by_words && max_words > 0 && std::max(one.sources[0].size(), one.targets[0].size()) > max_words) continue;
      if (one.sources[0].empty() || one.targets[0].empty()) continue;
      references[pairs[i].source].push_back(one.targets[0]);
      if (!held_out.contains(i)) {
        train.add(pairs[i], by_words);
      } else if (asked.insert(pairs[i].source).second) {
        test.add(pairs[i], by_words);
      }
    }
    require<FileError>(train.size() > 0 && test.size() > 0, "there are too few pairs: {} to learn from, {} to test on",
                       train.size(), test.size());
  }
};

}  // namespace translate
