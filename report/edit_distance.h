// How many edits lie between two sequences, and the error rates made of them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// The fewest insertions, deletions and substitutions of one item that make `b` of `a` (V. Levenshtein 1966), found by
/// the furthest place on each diagonal for 0, 1, 2 … edits (E. Ukkonen 1985): with d edits, time n + d² on average and
/// at most d min(n, m), and memory d beside the sequences.
Index edit_distance(std::span<const Id> a, std::span<const Id> b);
/// Over the code points of two texts. A byte that is not UTF-8 counts as U+FFFD.
Index edit_distance(std::string_view a, std::string_view b);
/// Over words.
Index edit_distance(const std::vector<std::string>& a, const std::vector<std::string>& b);

/// Edits per item of the reference, Σ dᵢ / Σ nᵢ over all pairs of a corpus: above 1 if much is inserted. 0/0 is NaN.
struct ErrorRate {
  Index edits = 0;
  Index length = 0;  ///< of the references

  double value() const { return static_cast<double>(edits) / static_cast<double>(length); }
  ErrorRate& operator+=(const ErrorRate& other) {
    edits += other.edits;
    length += other.length;
    return *this;
  }
  bool operator==(const ErrorRate&) const = default;
};

/// CER: edits of code points from each hypothesis to its reference. Errors: ShapeError for two lengths.
ErrorRate character_error_rate(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references);
/// WER: edits of words; each text is the list of its words. Errors: ShapeError for two lengths.
ErrorRate word_error_rate(const std::vector<std::vector<std::string>>& hypotheses,
                          const std::vector<std::vector<std::string>>& references);
/// Edits of ids. Errors: ShapeError for two lengths.
ErrorRate id_error_rate(const std::vector<std::vector<Id>>& hypotheses, const std::vector<std::vector<Id>>& references);

}  // namespace unroll
