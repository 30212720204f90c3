#include <unroll/report/edit_distance.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <unroll/report/text_width.h>

namespace unroll {
namespace {

std::vector<Id> code_points(std::string_view text) {
  std::vector<Id> codes;
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    codes.push_back(static_cast<Id>(c.value));
    text.remove_prefix(c.bytes);
  }
  return codes;
}

template <class Sequence>
Index length_of(const Sequence& sequence) {
  if constexpr (std::is_same_v<Sequence, std::string>) {
    return code_points(sequence).size();
  } else {
    return sequence.size();
  }
}

template <class Sequence>
ErrorRate rate(const char* caller, const std::vector<Sequence>& hypotheses, const std::vector<Sequence>& references) {
  require(hypotheses.size() == references.size(), "{}: {} hypotheses for {} references", caller, hypotheses.size(),
          references.size());
  ErrorRate sum;
  for (Index i = 0; i < references.size(); ++i)
    sum += {edit_distance(hypotheses[i], references[i]), length_of(references[i])};
  return sum;
}

}  // namespace

Index edit_distance(std::span<const Id> a, std::span<const Id> b) {
  const auto n = static_cast<std::ptrdiff_t>(a.size());
  const auto m = static_cast<std::ptrdiff_t>(b.size());
  const auto slide = [&](std::ptrdiff_t i, std::ptrdiff_t diagonal) {
    while (i < n && i + diagonal < m && a[static_cast<Index>(i)] == b[static_cast<Index>(i + diagonal)]) ++i;
    return i;
  };
  // furthest[k + d] is the greatest i such that d edits make b[0 … i + k) of a[0 … i); −1 on diagonals out of reach.
  std::vector<std::ptrdiff_t> furthest{slide(0, 0)};
  for (std::ptrdiff_t d = 0;; ++d) {
    if (std::abs(m - n) <= d && furthest[static_cast<Index>(m - n + d)] == n) return static_cast<Index>(d);
    std::vector<std::ptrdiff_t> next(static_cast<Index>(2 * d + 3), -1);
    const std::ptrdiff_t e = d + 1;
    for (std::ptrdiff_t k = std::max(-e, -n); k <= std::min(e, m); ++k) {
      const auto before = [&](std::ptrdiff_t diagonal) {
        return std::abs(diagonal) <= d ? furthest[static_cast<Index>(diagonal + d)] : -1;
      };
      const std::ptrdiff_t substituted = before(k) < 0 ? -1 : before(k) + 1;
      const std::ptrdiff_t deleted = before(k + 1) < 0 ? -1 : before(k + 1) + 1;
      const std::ptrdiff_t inserted = before(k - 1);
      const std::ptrdiff_t i = std::min({std::max({substituted, deleted, inserted}), n, m - k});
      if (i >= 0 && i + k >= 0) next[static_cast<Index>(k + e)] = slide(i, k);
    }
    furthest = std::move(next);
  }
}

Index edit_distance(std::string_view a, std::string_view b) {
  return edit_distance(std::span<const Id>(code_points(a)), std::span<const Id>(code_points(b)));
}

Index edit_distance(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::unordered_map<std::string_view, Id> ids;
  const auto ids_of = [&](const std::vector<std::string>& words) {
    std::vector<Id> sequence;
    for (const std::string& word : words)
      sequence.push_back(ids.try_emplace(word, static_cast<Id>(ids.size())).first->second);
    return sequence;
  };
  return edit_distance(std::span<const Id>(ids_of(a)), std::span<const Id>(ids_of(b)));
}

ErrorRate character_error_rate(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references) {
  return rate("character_error_rate", hypotheses, references);
}

ErrorRate word_error_rate(const std::vector<std::vector<std::string>>& hypotheses,
                          const std::vector<std::vector<std::string>>& references) {
  return rate("word_error_rate", hypotheses, references);
}

ErrorRate id_error_rate(const std::vector<std::vector<Id>>& hypotheses,
                        const std::vector<std::vector<Id>>& references) {
  return rate("id_error_rate", hypotheses, references);
}

}  // namespace unroll
