// A translation word by word, from counts: what an encoder–decoder has to beat.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// For each word the word that most probably translates it, by IBM's first model (P. Brown et al., "The Mathematics of
/// Statistical Machine Translation", 1993): expectation maximisation of t(f | e), each word f of a target being the
/// translation of one word e of its source, or of none, wherever it stands.
class WordTranslation {
 public:
  using Words = std::vector<std::string>;

  /// Errors: UsageError for no pairs, other than as many targets as sources, or no iteration.
  static WordTranslation fit(const std::vector<Words>& sources, const std::vector<Words>& targets,
                             Index iterations = 5);

  /// Each word's translation in its place; words never seen stay as they are, and those that most probably translate
  /// into nothing are left out.
  Words translate(const Words& source) const;

 private:
  std::map<std::string, std::string> best_;  // "" for nothing
};

}  // namespace unroll
