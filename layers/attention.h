// Attention: a weighted mean of a sequence, whose weights say how well each step fits a query.
#pragma once

#include <optional>
#include <vector>

#include <unroll/layers/cell.h>
#include <unroll/layers/wrappers/wraps.h>

namespace unroll {

/// How well a query q fits a key k, a step of the memory.
enum class Score {
  dot,  ///< qᵀ k / √size, which needs queries as wide as the memory (Luong et al. 2015, scaled as by Vaswani 2017)
  general,   ///< qᵀ W k (Luong et al. 2015)
  additive,  ///< vᵀ tanh(W q + U k) (Bahdanau et al. 2015)
};

/// What is attended to, prepared once for a batch of sequences; the fields of a decoder's State.
struct Memory {
  Tensor keys;    // [B, T, A]
  Tensor values;  // [B, T, V]
  Tensor mask;    // [B, T]: 0 at a sequence's steps, −∞ beyond its length
};

/// What attending gives: the weights sum to 1 over each sequence's steps and are 0 beyond its length.
struct Attended {
  Tensor context;  // [B, V]
  Tensor weights;  // [B, T]
};

/// context = Σ_t w_t values_t,   w = softmax over t of score(query, keys_t).
class Attention {
 public:
  /// `query` and `memory` are the widths of the queries and of the memory's steps; `size` is A, the width of the inner
  /// layer of additive attention (0: as wide as the query).
  /// Errors: UsageError for Score::dot where query and memory have different widths.
  Attention(const Scope& p, Score score, Index query, Index memory, Index size = 0);

  /// outputs [T, B, V] with the lengths of the sequences [B], or none when all have T steps. What lies beyond a
  /// sequence's length has no influence, whatever it is.
  Memory memory(const Tensor& outputs, const std::vector<Index>& lengths = {}) const;
  /// query [B, Q]
  Attended operator()(const Tensor& query, const Memory& memory) const;

  Score score() const { return score_; }
  /// V
  Index size() const { return width_; }

 private:
  Tensor scores(const Tensor& query, const Memory& memory) const;

  Score score_;
  Index query_, width_;
  Param wq_, wk_, v_;  // general: wk [V, Q]; additive: wq [Q, A], wk [V, A], v [A, 1]
};

/// A decoder that attends: any cell whose input at each step is [x, context], the context being what the step before
/// has attended to (the input feeding of Luong et al. 2015); its output is [h, context]. The memory is a part of the
/// State, so that scanning, stepping, beams and streaming work as for any cell.
///   s' = cell([x, context], s)   h' = output(s')   context' = attention(h', memory)
/// Without attention the context stays what it was at the start (Cho et al. 2014), and there is no memory.
template <Cell C>
struct AttentionCell {
  static_assert(!detail::takes_resets<C>, "the mask of resets is no part of [x, context]");

  struct State {
    typename C::State inner;
    Tensor context;
    Memory memory;
  };

  C cell;  // over [x, context]
  std::optional<Attention> attention;
  Index width;  // of the context

  AttentionCell(C cell, Attention attention)
      : cell(std::move(cell)), attention(std::move(attention)), width(this->attention->size()) {}
  AttentionCell(C cell, Index width) : cell(std::move(cell)), width(width) {}

  Index size() const { return output_size(cell) + width; }
  std::vector<Substitute> substitutes() const { return unroll::substitutes(cell); }
  Tensor output(const State& s) const { return concat({unroll::output(cell, s.inner), s.context}); }

  /// The state to begin with: the cell's own, and what is to be attended to.
  State start(typename C::State inner, Memory memory) const {
    const Tensor& values = memory.values;
    Tensor context = Tensor::zeros({values.dim(0), values.dim(2)}, values.dtype());
    return {std::move(inner), std::move(context), std::move(memory)};
  }
  /// The same with nothing to attend to: a memory of one step of zeros.
  State zero_state(Index batch) const {
    typename C::State inner = cell.zero_state(batch);
    const Dtype dtype = unroll::output(cell, inner).dtype();
    if (!attention) return {std::move(inner), Tensor::zeros({batch, width}, dtype), {}};
    return start(std::move(inner), attention->memory(Tensor::zeros({1, batch, width}, dtype)));
  }
  State step(const Tensor& x, const State& s) const {
    auto inner = advance(cell, concat({x, s.context}), s.inner);
    Tensor context = attention ? (*attention)(unroll::output(cell, inner), s.memory).context : s.context;
    return {std::move(inner), std::move(context), s.memory};
  }
};

}  // namespace unroll
