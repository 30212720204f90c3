// Computing a part of a model twice, so that only its results are kept in memory until backward.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <unroll/core/tape.h>

namespace unroll {

/// What f returns, as if it had been computed here; but the tape keeps nothing of it except those results, and backward
/// calls f once more (Chen et al. 2016, "Training deep nets with sublinear memory cost"). Gradients have the same bits
/// as without, wherever f's results do not share memory with each other: they go from f's own tape straight into the
/// gradients of the parameters and tensors that f uses, in the same order.
///
///     const Tensor y = recomputed([=] { return std::vector{block(x)}; })[0];
///
/// f is called a second time with the same tensors, the same values of the parameters, the same random numbers of every
/// `Random`, the same `Evaluation`; it must not depend on anything else that changes, and what it captures must live
/// until backward. Without a tape in scope it is called once, and that is all.
/// Errors: in backward, f computed something else than before.
std::vector<Tensor> recomputed(std::function<std::vector<Tensor>()> f);

namespace detail {

/// How one tensor of the outer tape, or a parameter, was used so far by the part that is being computed.
struct LinkUse {
  NodeId node;  // on the outer tape
  std::int32_t uses, by_rows;
};

/// The same for a function that is told whether it is called again; and when it has been called once and `accept`
/// says no, nothing has happened but what it did to others.
using Part = std::function<std::vector<Tensor>(bool again)>;
std::optional<std::vector<Tensor>> recomputed(Part f, const std::function<bool()>& accept = {});

/// The uses by the part that is being computed on this thread, in order of first use; none outside of a part.
std::vector<LinkUse> link_uses();

}  // namespace detail

inline namespace UNROLL_ABI {

/// A tensor whose parts along the first axis are inputs of one part of a computation each: their gradients become its
/// gradient with the bits that it would have as a whole.
class TiledInput {
 public:
  explicit TiledInput(const Tensor& x);
  /// x[from … to).  Each element belongs to one part; parts that are not asked for have a gradient of zero.
  Tensor part(Index from, Index to);
  /// Whether a node is one of the parts'.
  bool is_part(NodeId node) const;
  /// Whether a node is x or a view of it, but not one of the parts'.
  bool contains(NodeId node) const;
  /// Takes note of what a part of the computation uses beside its part of x: that may be x once more.
  void note(const std::vector<detail::LinkUse>& uses);
  /// Takes back the parts made so far, which nothing uses.
  void drop();

 private:
  Tensor x_;
  NodeId of_ = no_node, alias_ = no_node;
  std::vector<NodeId> parts_;
};

}  // namespace UNROLL_ABI
}  // namespace unroll
