// What all losses share: tokens and lengths, and how the losses of tokens become one number.
#pragma once

#include <unroll/core/ops.h>

namespace unroll::detail {

/// The tokens of a batch: [T, B, ...] is T steps of B sequences, [N] or [N, V] N sequences of one token.
struct Tokens {
  Index steps, batch;
  const std::vector<Index>& lengths;

  /// Errors under the name of the op: lengths that are not one for each sequence, or longer than there are steps.
  Tokens(const char* op, Index steps, Index batch, const std::vector<Index>& lengths);

  Index size() const { return steps * batch; }
  /// Token i lies within its sequence.
  bool within(Index i) const { return lengths.empty() || i / batch < lengths[i % batch]; }
  /// How many do.
  Index count() const;
};

/// What a sum of losses is multiplied by. `tokens` is their number, or the sum of their weights.
/// Errors under the name of the op: a mean over nothing.
double loss_scale(const char* op, Reduce reduce, double tokens, Index sequences);

inline Shape shape_of(const Ids& ids) {
  Shape shape;
  for (Index axis = 0; axis < ids.ndim(); ++axis) shape.append(ids.dim(axis));
  return shape;
}

/// The tape wants a gradient of x.
inline bool wanted(const char* op, const Tensor& x) {
  return Tape::current() != nullptr && Tape::current()->find(op, x) != no_node;
}

/// f(begin, end) summed over tiles of tokens: the same total for any number of threads.
template <class F>
double sum_of_tiles(Index tokens, Index elements_each, Index tile, const F& f) {
  const PooledList<double> parts((tokens + tile - 1) / tile);
  parallel_for(
      parts.size(), [&](Index i) { parts[i] = f(i * tile, std::min(tokens, (i + 1) * tile)); },
      tokens * elements_each >= Index{1} << 16);
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

/// "step 1, sequence 3"
std::string place_of(const Tokens& tokens, bool has_steps, Index i);

/// A gradient kept from the forward pass, times that of the loss.
inline Array scaled(const char* op, const Array& gradient, const Array& dy) {
  const double g = dy.item();
  return g == 1 ? gradient
                : map(
                      op, [g](auto v) { return v * g; }, gradient);
}

/// The classes of targets and what they weigh, for losses of ids.
struct ClassTargets {
  const Ids& ids;
  const Tokens& tokens;
  std::optional<Id> ignore;
  const std::vector<double>& weights;

  /// Token i counts: it lies within its sequence and is not ignored.
  bool counts(Index i) const { return tokens.within(i) && ids[i] != ignore; }
  double weight(Index i) const { return weights.empty() ? 1 : weights[static_cast<Index>(ids[i])]; }
  /// Σ of the weights of the tokens that count.
  double total() const;
  /// Errors under the name of the op: an id outside 0 … classes − 1 (where), weights that are not one for each class,
  /// negative or not finite.
  void check(const char* op, Index classes, bool has_steps) const;
};

/// Errors under the name of the op: a smoothing outside 0 … 1.
void check_smoothing(const char* op, double smoothing);
/// Errors under the name of the op: `weights` are neither none nor one number ≥ 0 for each class.
void check_class_weights(const char* op, const std::vector<double>& weights, Index classes);

}  // namespace unroll::detail
