// BLEU, the usual score of translations.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// BLEU-4 (K. Papineni, S. Roukos, T. Ward and W.-J. Zhu, "BLEU: a Method for Automatic Evaluation of Machine
/// Translation", ACL 2002), in [0, 1]:
///   BLEU = B · exp(¼ Σ ln pₙ), n = 1 … 4      B = min(1, exp(1 − r / c))
///   pₙ = Σ min(count in the hypothesis, greatest count in one reference) / Σ count in the hypothesis, over all n-grams
/// with c the length of the hypotheses and r that of the references, for each hypothesis the one closest in length (the
/// shorter of two). Both are summed over the corpus. A pₙ without matches, or 0/0 because no hypothesis is so long,
/// makes BLEU 0, as do empty hypotheses.
struct Bleu {
  double score = 0;
  std::array<double, 4> precisions{};  ///< pₙ; 0/0 is 0
  double brevity_penalty = 0;          ///< B
  Index length = 0;                    ///< c
  Index reference_length = 0;          ///< r

  /// "BLEU 31.62 (precisions 75.0 50.0 25.0 10.7, brevity penalty 0.931, length 27 for 29)", in hundredths as usual.
  std::string to_string() const;
};

/// Over a whole corpus: `references[i]` are those of `hypotheses[i]`, as lists of words.
/// Errors: ShapeError for two lengths; UsageError for a hypothesis without references.
Bleu corpus_bleu(const std::vector<std::vector<std::string>>& hypotheses,
                 const std::vector<std::vector<std::vector<std::string>>>& references);
/// The same over ids.
Bleu corpus_bleu(const std::vector<std::vector<Id>>& hypotheses,
                 const std::vector<std::vector<std::vector<Id>>>& references);

/// Of one sentence, smoothed by adding one to matches and counts of the n-grams with n > 1 (C.-Y. Lin and F. Och,
/// "ORANGE", COLING 2004): a sentence without a common 4-gram is not simply 0. Not to be averaged in place of
/// `corpus_bleu`. Errors: UsageError without references.
Bleu sentence_bleu(const std::vector<std::string>& hypothesis, const std::vector<std::vector<std::string>>& references);
/// The same over ids.
Bleu sentence_bleu(const std::vector<Id>& hypothesis, const std::vector<std::vector<Id>>& references);

}  // namespace unroll
