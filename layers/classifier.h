#pragma once

#include <unroll/layers/embedding.h>
#include <unroll/layers/linear.h>
#include <unroll/layers/stack.h>

namespace unroll {

/// How the outputs of all steps become one vector.
enum class Pool {
  last,      ///< the output after the last step; of a bidirectional layer, after each direction's last one
  mean,      ///< over the valid steps
  max,       ///< over the valid steps, feature by feature
  mean_max,  ///< both, side by side
};

struct ClassifierOptions {
  Pool pool = Pool::last;
  double embedding_dropout = 0;  ///< one mask for all steps
  double output_dropout = 0;     ///< before the last product
};

/// Many to one: ids [T, B] with their lengths → logits [B, classes].
class Classifier {
 public:
  /// `encoder` is any cell or layer over [T, B, embed]. For two classes, one logit (classes = 1) is enough.
  Classifier(const Scope& p, Index vocabulary, Index embed, AnyLayer encoder, Index classes,
             const ClassifierOptions& options = {});

  /// lengths [B], or empty when all sequences have T steps.
  Tensor operator()(const Ids& ids, const std::vector<Index>& lengths) const {
    return from_embedded(embed(ids), lengths);
  }
  /// The two halves of it, for what happens between them (watching the embedded words, say).
  Tensor embed(const Ids& ids) const { return embedding_(ids); }
  Tensor from_embedded(const Tensor& xs, const std::vector<Index>& lengths) const;

  /// The layers it is made of.
  const Embedding& embedding() const { return embedding_; }
  const AnyLayer& encoder() const { return encoder_; }
  const Linear& head() const { return head_; }

 private:
  Tensor pooled(const Tensor& xs, const std::vector<Index>& lengths) const;

  Embedding embedding_;
  AnyLayer encoder_;
  Dropout embedding_dropout_, output_dropout_;
  Pool pool_;
  Linear head_;
};

}  // namespace unroll
