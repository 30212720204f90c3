#include <atomic>
#include <cstdlib>
#include <memory>

#include <unroll/core/broadcast.h>
#include <unroll/core/tape_memory.h>

namespace unroll {
inline namespace UNROLL_ABI {
namespace {

std::atomic<std::uint64_t> next_serial{1};

}  // namespace

thread_local Tape* Tape::current_ = nullptr;

thread_local std::vector<std::unique_ptr<Tape::Memory>> Tape::Memory::spare;

Tape::Tape() : Tape(nullptr) {}

Tape::Tape(std::unique_ptr<Links> links)
    : serial_(next_serial.fetch_add(1)), outer_(current_), links_(std::move(links)) {
  if (Memory::spare.empty()) {
    memory_ = std::make_unique<Memory>();
  } else {
    memory_ = std::move(Memory::spare.back());
    Memory::spare.pop_back();
  }
  chunks_ = memory_->chunks.data();
  current_ = this;
}

Tape::~Tape() {
  clear();
  current_ = outer_;
  try {
    Memory::spare.push_back(std::move(memory_));
  } catch (const std::bad_alloc&) {}  // the memory ends with the tape
}

void Tape::clear() {
  for (Index i = count_; i-- > 0;) {
    Node& node = at(static_cast<NodeId>(i));
    if (node.rule != nullptr) node.rule->destroy(std::exchange(node.rule, nullptr));
    node.grad = Array();
  }
  for (Index i = 0; i < memory_->products_in_use; ++i) memory_->products[i].clear();
  for (Index i = 0; i < memory_->rows_in_use; ++i) memory_->rows[i].clear();
  memory_->products_in_use = memory_->rows_in_use = 0;
  if (!memory_->leaves.empty()) {
    memory_->leaves.clear();
    std::fill(memory_->leaf_table.begin(), memory_->leaf_table.end(), 0u);
  }
  memory_->block = memory_->used = 0;
  memory_->notes.reset();
  count_ = 0;
}

void* Tape::arena(Index bytes, Index alignment) {
  Memory& m = *memory_;
  alignment = std::max<Index>(alignment, 16);
  bytes = (bytes + 15) / 16 * 16;
  require<UsageError>(bytes + alignment <= Memory::block_bytes, "a rule of {} bytes is too large for the tape", bytes);
  m.used = (m.used + alignment - 1) / alignment * alignment;
  if (m.blocks.empty() || m.used + bytes > Memory::block_bytes) {
    const Index next = m.blocks.empty() ? 0 : m.block + 1;
    if (next == m.blocks.size()) {
      std::unique_ptr<std::byte, decltype(&std::free)> block(
          static_cast<std::byte*>(std::aligned_alloc(64, Memory::block_bytes)), std::free);
      if (block == nullptr) throw std::bad_alloc();
      m.blocks.push_back(block.get());
      block.release();
    }
    m.block = next;
    m.used = 0;
  }
  void* at = m.blocks[m.block] + m.used;
  m.used += bytes;
  return at;
}

NodeId Tape::find(const char* op, const Tensor& x) {
  if (x.tape() == serial_) return x.node();
  if (x.tape() == 0) return no_node;
  if (links_ != nullptr) {
    const NodeId there = outer_->find(op, x);
    return there == no_node ? no_node : link(there);
  }
  for (const Tape* tape = outer_; tape != nullptr; tape = tape->outer_) {
    if (x.tape() == tape->serial_) return no_node;
  }
  throw UsageError(fmt::format(
      "{}: a tensor of shape {} was recorded on a tape that has ended; detach(x) keeps its value", op, x.shape()));
}

NodeId Tape::add(const char* op, const Shape& shape, Dtype dtype) {
  if (count_ % chunk == 0 && count_ / chunk == memory_->chunks.size()) {
    std::unique_ptr<Node[]> nodes(new Node[chunk]);
    memory_->chunks.push_back(nodes.get());
    nodes.release();
    chunks_ = memory_->chunks.data();
  }
  const auto id = static_cast<NodeId>(count_++);
  std::destroy_at(&at(id));
  Node& node = *std::construct_at(&at(id));
  node.op = op;
  node.shape = shape;
  node.dtype = dtype;
  return id;
}

NodeId Tape::leaf(const Param& param) {
  Memory& m = *memory_;
  ParamData* data = &param.data();
  const Index capacity = m.leaf_table.size();
  Index s = Memory::slot(data, capacity);
  for (; m.leaf_table[s] != 0; s = (s + 1) & (capacity - 1)) {
    const Leaf& leaf = m.leaves[m.leaf_table[s] - 1];
    if (leaf.data == data) return leaf.node;
  }
  const NodeId id = add("parameter", data->value.shape(), data->value.dtype());
  m.leaves.push_back({data, param, id});
  m.leaf_table[s] = static_cast<std::uint32_t>(m.leaves.size());
  if (m.leaves.size() * 2 > capacity) m.rehash(capacity * 2);
  if (detail::observed()) [[unlikely]]
    detail::each_observer([&](detail::Observer& o) { o.used(param); });
  return id;
}

Tensor Tape::parameter(const Param& param) {
  if (links_ == nullptr) return param.frozen() ? Tensor(param.value()) : tensor(param.value(), leaf(param));
  const Tensor& outside = links_->parameter(*outer_, param);
  const NodeId there = outer_->find("parameter", outside);
  return there == no_node ? Tensor(outside.value()) : tensor(outside.value(), link(there));
}

Tensor Tape::watch(const Tensor& x) {
  require<UsageError>(!done_, "watch: backward has already run on this tape");
  NodeId id = find("watch", x);
  if (id != no_node && at(id).link != no_node) {  // it is the outer tape's, and so is its gradient
    if (!outer_->done_) outer_->watch(Tensor(x.value(), outer_->serial_, at(id).link));
    return tensor(x.value(), id);
  }
  if (id == no_node) id = add("watched", x.shape(), x.dtype());
  at(id).watched = true;
  return tensor(x.value(), id);
}

void Tape::view(NodeId node, NodeId parent, Index row, Index col, bool covers) {
  Node& v = at(node);
  v.parent = parent;
  v.row = static_cast<std::uint32_t>(row);
  v.col = static_cast<std::uint32_t>(col);
  v.covers = covers;
}

/// So many nodes may each wait for the place of the next one's gradient before a chain of them is counted as long.
constexpr int most_nested = 50;

Dest Tape::dest(NodeId id, int depth) {
  Node& x = at(id);
  if (!x.grad.defined()) {
    if (depth < most_nested) return make_place(id, depth);
    make_places(id);
  }
  return {x.grad, !std::exchange(x.untouched, false)};
}

/// Makes the places of a long chain from its far end, so that nothing recurses, however long it is.
void Tape::make_places(NodeId id) {
  std::vector<NodeId> chain;
  for (NodeId next = no_node; id != no_node && !at(id).grad.defined(); id = next) {
    const Node& x = at(id);
    chain.push_back(id);
    next = x.link != no_node ? (x.alias ? x.link : no_node)
           : forwards(x)     ? x.forward
           : stands_alone(x) ? no_node
                             : x.parent;
  }
  for (; !chain.empty(); chain.pop_back()) {
    Node& x = at(chain.back());
    x.adds = make_place(chain.back(), most_nested).add;
    x.untouched = !x.adds;
  }
}

/// Whether the gradient of the sum x is written where its operand's will be.
bool Tape::forwards(const Node& x) const {
  if (x.forward == no_node || x.watched) return false;
  const Node& operand = at(x.forward);
  return operand.parent != no_node && operand.uses == 1 && !operand.watched &&
         (!operand.grad.defined() || operand.untouched) && writes_in_place(operand);
}
bool Tape::stands_alone(const Node& x) { return x.parent == no_node || x.watched || (x.result && waits(x)); }

// A view's gradient is a part of its parent's. When one covering set of views is all that uses the parent, each view
// sets its part; otherwise the parent is zeroed first and everybody adds. A watched tensor has a gradient of its own.
Dest Tape::make_place(NodeId id, int depth) {
  Node& x = at(id);
  if (x.link != no_node) {
    Dest d = home(x).dest(x.link, depth + 1);
    const bool viewed = x.covers && (at(x.link).uses != 1 || !fast_paths());  // see TiledInput::note
    if ((x.zero_first || viewed) && !d.add) {
      zero_fill(d.into);
      d.add = true;
    }
    x.grad = d.into;
    return d;
  }
  if (forwards(x)) {
    const Dest d = dest(x.forward, depth + 1);
    if (!d.add) {
      x.grad = d.into;
      return d;
    }
  }
  if (stands_alone(x)) {
    x.grad = Array::uninitialised(x.shape, x.dtype);
    return {x.grad, false};
  }
  Node& parent = at(x.parent);
  const bool in_place = writes_in_place(x);
  if (!parent.grad.defined() || parent.untouched) {
    const Dest d = dest(x.parent, depth + 1);
    parent.adds = d.add;
    if (!d.add && (!in_place || parent.zero_first)) zero_fill(d.into);
  }
  x.grad = parent.grad.part(x.row, x.col, x.shape);
  return {x.grad, parent.adds || !in_place};
}

void Tape::finish_view(NodeId id) {
  Node& x = at(id);
  Node& parent = at(x.parent);
  if (x.watched && x.grad.defined()) {  // its gradient was kept apart: pass it on
    const Array own = std::exchange(x.grad, Array());
    x.watched = false;
    write(dest(id), own);
  } else if (!x.grad.defined() && writes_in_place(x)) {  // nobody used it: its part of the parent's gradient is zero
    if (!parent.grad.defined()) {
      parent.zero_first = true;
    } else if (!parent.adds) {
      zero_fill(parent.grad.part(x.row, x.col, x.shape));
    }
  }
}

void Tape::give(NodeId id, Array g, bool own) {
  if (id == no_node) return;
  Node& x = at(id);
  if (x.link != no_node) return home(x).give(x.link, std::move(g), own);
  require(g.shape() == x.shape && g.dtype() == x.dtype,
          "a rule returned a gradient {} {} for an input {} {} (the result of '{}')", name(g.dtype()), g.shape(),
          name(x.dtype), x.shape, x.op);
  if (x.grad.defined() && x.grad.same_place(g)) return;
  const bool own_memory = (x.parent == no_node || x.watched) && fast_paths();
  if (!x.grad.defined() && own_memory && x.forward == no_node && (own || x.uses == 1 || g.reusable())) {
    x.grad = std::move(g);
    return;
  }
  write(dest(id), g);
}

void Tape::give_broadcast(NodeId id, Array g) {
  if (id == no_node) return;
  const Shape& shape = at(id).shape;
  if (shape.rows() == 1 && shape.cols() == g.cols() && g.rows() != 1) return write_row_sum(dest(id), g);
  give(id, g.shape() == shape ? std::move(g) : sum_to(g, shape));
}

Grads Tape::backward(const Tensor& loss) {
  require(
      loss.defined() && loss.size() == 1,
      "backward: the loss has shape {}; only a scalar has a gradient (reduce it with sum or mean, or pass a cotangent)",
      loss.shape());
  return backward(loss, Array::full(loss.shape(), loss.dtype(), 1));
}

Grads Tape::backward(const Tensor& y, const Array& cotangent) {
  require<UsageError>(!done_, "backward: it has already run on this tape; record the computation again");
  require<UsageError>(this == current_, "backward: another tape is in scope");
  const NodeId last = find("backward", y);
  require<UsageError>(last != no_node,
                      "backward: the loss does not depend on any parameter or watched tensor recorded on this tape");
  require(cotangent.shape() == y.shape() && cotangent.dtype() == y.dtype(),
          "backward: the cotangent is {} {} and the tensor {} {}", name(cotangent.dtype()), cotangent.shape(),
          name(y.dtype()), y.shape());
  if (detail::observed()) [[unlikely]]
    detail::settle_observers();
  Grads grads;
  use(last);
  give(last, cotangent.copy());
  run_backward(grads);
  return grads;
}

/// The reversed loop, from nodes that have been given gradients.
void Tape::run_backward(Grads& grads) {
  done_ = true;
  grads_ = &grads;
  Memory& m = *memory_;
  Index leaf = m.leaves.size();
  for (auto i = static_cast<NodeId>(count_); i-- > 0;) {
    Node& x = at(i);
    if (x.link != no_node) {  // all of its gradient is where it belongs
      x.grad = Array();
      continue;
    }
    const bool is_leaf = leaf > 0 && m.leaves[leaf - 1].node == i;
    const bool by_rows = is_leaf && !(detail::observed() && detail::gradient_wanted(m.leaves[leaf - 1].data->name));
    std::optional<RowGrad> rows = by_rows ? take_rows(i) : std::nullopt;
    if (x.pairs >= 0) run_products(i);
    if (x.rows >= 0 && !rows) run_rows(i);
    if (detail::observed()) [[unlikely]]
      report_gradient(i, is_leaf ? &m.leaves[leaf - 1].param : nullptr, rows ? &*rows : nullptr);
    if (x.watched) {
      // Nothing adds to it any more; but a part of something larger would keep all of that alive.
      Array grad = x.grad.defined() ? x.grad : Array::zeros(x.shape, x.dtype);
      grads.insert_watched(serial_, i, grad.whole() ? std::move(grad) : grad.copy());
    }
    if (is_leaf) {
      --leaf;
      const Param& param = m.leaves[leaf].param;
      if (rows) {
        grads.insert(param, std::move(*rows));
      } else if (x.grad.defined()) {
        grads.insert(param, std::move(x.grad));
      }
    } else if (x.parent != no_node && !x.result) {
      finish_view(i);
    } else if (x.further_output) {
      continue;  // its gradient waits for the rule, which sits on the first output
    } else if (x.rule != nullptr) {
      bool reached = false;
      for (NodeId k = 0; k < x.outputs; ++k) reached = reached || at(i + k).grad.defined();
      if (reached) x.rule->run(x.rule, *this, i);
      if (reached && detail::observed()) [[unlikely]]
        report_rule(i);
      x.rule->destroy(std::exchange(x.rule, nullptr));
      for (NodeId k = 1; k < x.outputs; ++k) at(i + k).grad = Array();
    }
    x.grad = Array();
  }
  grads_ = nullptr;
}

}  // namespace UNROLL_ABI
}  // namespace unroll
