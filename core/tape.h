// The tape: a flat list of what was computed, in order. Backward is one reversed loop; nothing recurses.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include <unroll/core/fast_paths.h>
#include <unroll/core/gemm.h>
#include <unroll/core/grads.h>
#include <unroll/core/tensor.h>
#include <unroll/core/threads.h>

#if defined(__AVX512F__)
#define UNROLL_ABI simd512
#elif defined(__AVX__)
#define UNROLL_ABI simd256
#else
#define UNROLL_ABI simd128
#endif

namespace unroll {
namespace detail {
struct Note;
struct Notes;
}  // namespace detail

// A program compiled for registers of another width than the library's must not link: its fused loops would lay out and
// read vectors differently.
inline namespace UNROLL_ABI {

class Tape;

/// What backward runs at a node: pulls the node's gradient back to the inputs. Lives in the tape's arena.
struct Rule {
  void (*run)(Rule*, Tape&, NodeId) = nullptr;
  void (*destroy)(Rule*) = nullptr;
};

/// Records every op from its construction to the end of its scope, on this thread.
///
///     { Tape tape; Tensor loss = …; Grads grads = tape.backward(loss); }
///
/// Tapes nest: the inner one treats the outer one's tensors as constants. (All but the tapes of `recomputed`, whose
/// gradients go on into the outer one's.)
class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Marks a tensor, so that the gradients hold one for it: `x = tape.watch(x)`, then `grads[x]`. A constant becomes a
  /// leaf; an interior tensor stays what it is.
  Tensor watch(const Tensor& x);

  /// The gradients of a scalar. Runs once: what the rules kept is freed on the way.
  /// Errors: `loss` has more than one element, was not recorded here, or backward has already run.
  Grads backward(const Tensor& loss);
  /// The gradients of Σ cotangent ∘ y.  cotangent has the shape of y.
  Grads backward(const Tensor& y, const Array& cotangent);

  /// Recorded nodes so far.
  Index size() const { return count_; }

  /// The innermost tape of this thread, or null.
  static Tape* current() { return current_; }

  // What ops and rules are written with; record.h is the comfortable way in.

  /// The node of a tensor on this tape: `no_node` for constants and for an outer tape's tensors.
  /// Errors: its tape has ended.
  NodeId find(const char* op, const Tensor& x);
  /// A parameter as a tensor: a leaf, or a constant when it is frozen.
  Tensor parameter(const Param& param);
  NodeId add(const char* op, const Shape& shape, Dtype dtype);
  Tensor tensor(Array value, NodeId node) const { return {std::move(value), serial_, node}; }
  /// `by_rows`: the gradient is a sum over the rows of one matrix or two, the last first (see `give_product`).
  void use(NodeId node, bool by_rows = false) {
    Node& x = at(node);
    x.uses++;
    if (by_rows) x.uses_by_rows++;
  }
  template <class R>
  void rule(NodeId node, R&& rule, int outputs = 1);
  /// Declares `node` a view of `parent` from (row, col) of its matrix view. With `covers`, the views declared with it
  /// tile the parent exactly, and only the first of them may count as a use of it.
  void view(NodeId node, NodeId parent, Index row, Index col, bool covers);
  /// `node` is a sum with this operand: while possible the sum's gradient is written where the operand's will be.
  void forwards_to(NodeId node, NodeId operand) { at(node).forward = operand; }

  bool has_grad(NodeId node) const { return at(node).grad.defined(); }
  const Array& grad(NodeId node) const { return at(node).grad; }
  /// Where to write the gradient of a node.
  Dest dest(NodeId node) { return dest(node, 0); }
  /// No other node's gradient shares memory with what `dest` would return, as that of overlapping slices may.
  bool alone(NodeId node) const {
    const Node& x = at(node);
    if (x.link != no_node) return home(x).alone(x.link);
    return x.parent == no_node || x.watched || writes_in_place(x);
  }
  /// The gradient of a node, which keeps none.
  Array take_grad(NodeId node) { return std::move(at(node).grad); }
  /// Hands over (adds to) the gradient of a node; `grad` has the node's shape. May keep `grad` itself; with `own`
  /// nobody else reads or writes its elements any more, so that further gradients may be added to it in place.
  void give(NodeId node, Array grad, bool own = false);
  /// The same for a gradient of the broadcast shape: sums over the broadcast axes first. That of one row for all adds
  /// the rows of `grad`, the last first.
  void give_broadcast(NodeId node, Array grad);
  /// Adds aᵀ g to the gradient of the matrix `node`, gathered with all other such pairs and done in one product. That
  /// adds up over blocks of `product_block` rows of all pairs together, counted from the last row of the first pair
  /// given: so the bits depend on the rows alone, not on how they were cut into pairs.
  void give_product(NodeId node, Array a, Array g);
  /// Adds row i of g to row ids[i] of the gradient of the matrix `node`: those of all uses are gathered, and a
  /// parameter that has no other gradient gets one of the rows that were used.
  void give_rows(NodeId node, PooledList<Id> ids, Array g);
  const Shape& shape_of(NodeId node) const { return at(node).shape; }

  // For observers (core/observer.h).
  bool owns(const Tensor& x) const { return x.tape() == serial_ && x.recorded(); }
  /// What is noted about a node; made at the first call.
  detail::Note& note(NodeId node);
  /// Backward keeps this node's gradient apart from those it is a part of.
  void keep_apart(NodeId node) { at(node).watched = true; }

 private:
  friend struct Recomputation;
  friend class TiledInput;
  struct Links;
  struct Node {
    Array grad;
    Rule* rule = nullptr;
    const char* op = nullptr;
    Shape shape;
    Dtype dtype = f32;
    std::int32_t uses = 0;
    NodeId parent = no_node;         // of a view
    NodeId forward = no_node;        // of a sum
    NodeId link = no_node;           // the node that this one stands for, on the outer tape or (`alias`) on this one
    std::uint32_t row = 0, col = 0;  // of a view in its parent
    std::int32_t pairs = -1;         // gathered products, an index into the memory's lists
    std::int32_t rows = -1;          // gathered rows, the same
    std::int32_t outputs = 1;
    std::int32_t uses_by_rows = 0;  // among the uses
    bool covers = false, zero_first = false, adds = false, watched = false, further_output = false, alias = false;
    bool untouched = false;  // its gradient has a place, and nothing is written there yet
    bool result = false;  // of a part that is computed again; with a parent: a view of something outside of that part
  };
  struct Pair {
    Array a, g;
  };
  /// The pairs of one matrix, in the order in which they came, and the sum of those that are multiplied already.
  struct Products {
    std::vector<Pair> pairs;
    Index rows = 0;  // of all pairs
    Array sum;
    void clear();
  };
  struct Rows {
    PooledList<Id> ids;
    Array g;
  };
  struct Leaf {
    ParamData* data;
    Param param;
    NodeId node;
  };
  struct Memory;
  static constexpr Index chunk = 512;  // nodes to a chunk, so that nodes never move

  Node& at(NodeId id) { return chunks_[static_cast<Index>(id) / chunk][static_cast<Index>(id) % chunk]; }
  const Node& at(NodeId id) const { return chunks_[static_cast<Index>(id) / chunk][static_cast<Index>(id) % chunk]; }
  bool writes_in_place(const Node& view) const {
    return view.covers && at(view.parent).uses == 1 && (fast_paths() || at(view.parent).alias);
  }
  /// The uses of a node, or of the tensor whose part it is.
  std::int32_t& uses_of(NodeId id) {
    Node& x = at(id);
    return x.parent != no_node && at(x.parent).alias ? at(at(x.parent).link).uses : x.uses;
  }
  /// Its gradient waits for the second run, where it is a view; otherwise it is written where that belongs, in either
  /// case as it would be if all were one tape.
  bool waits(const Node& result) {
    return result.watched || (result.covers && uses_of(result.parent) == 1 && fast_paths());
  }
  /// Where the node lives that a link stands for.
  Tape& home(const Node& link) { return link.alias ? *this : *outer_; }
  const Tape& home(const Node& link) const { return link.alias ? *this : *outer_; }
  explicit Tape(std::unique_ptr<Links> links);
  NodeId leaf(const Param& param);
  NodeId link(NodeId outer);
  void run_backward(Grads& grads);
  void* arena(Index bytes, Index alignment);
  Dest dest(NodeId id, int depth);
  Dest make_place(NodeId id, int depth);
  void make_places(NodeId id);
  bool forwards(const Node& x) const;
  bool stands_alone(const Node& x);
  void finish_view(NodeId id);
  void run_products(NodeId id);
  void settle_products(NodeId id);
  void run_rows(NodeId id);
  std::optional<RowGrad> take_rows(NodeId id);
  void report_gradient(NodeId id, const Param* param, RowGrad* rows);
  void report_rule(NodeId id);
  const detail::Note* find_note(NodeId id) const;
  void clear();

  std::unique_ptr<Memory> memory_;  // lent by the thread, so that the next tape finds it warm
  Node** chunks_ = nullptr;
  Index count_ = 0;
  std::uint64_t serial_;
  Tape* outer_;
  std::unique_ptr<Links> links_;  // of a tape whose gradients go on into the outer one's
  Grads* grads_ = nullptr;        // while backward runs
  bool done_ = false;
  FlushDenormals flush_;
  static thread_local Tape* current_;
};

template <class R>
void Tape::rule(NodeId node, R&& rule, int outputs) {
  using Body = std::decay_t<R>;
  struct Holder : Rule {
    explicit Holder(R&& r) : body(std::forward<R>(r)) {}
    Body body;
  };
  auto* holder = new (arena(sizeof(Holder), alignof(Holder))) Holder(std::forward<R>(rule));
  holder->run = [](Rule* self, Tape& tape, NodeId id) { static_cast<Holder*>(self)->body(tape, id); };
  holder->destroy = [](Rule* self) { static_cast<Holder*>(self)->~Holder(); };
  at(node).rule = holder;
  at(node).outputs = outputs;
  for (int i = 1; i < outputs; ++i) at(node + i).further_output = true;
}

}  // namespace UNROLL_ABI
}  // namespace unroll
