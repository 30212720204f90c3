#include <algorithm>
#include <memory>

#include <unroll/core/evaluation.h>
#include <unroll/core/random.h>
#include <unroll/core/recompute.h>
#include <unroll/core/substitute.h>
#include <unroll/core/tape_memory.h>

namespace unroll {
inline namespace UNROLL_ABI {

/// A part of a computation: what it takes to run it again, and the rule that does so.
///
/// It runs on a tape of its own, whose leaves are links: they stand for nodes of the outer tape, and whatever is given
/// to a link goes to that node. So everything adds up in the same place and in the same order as if the part had been
/// recorded on the outer tape; what decides where a gradient is written, the number of uses, is kept equal too.
struct Recomputation {
  detail::Part f;
  std::uint64_t serial = 0;   // of the tape of the first run: what it made is found in the second one's gradients
  std::vector<NodeId> nodes;  // of the results on that tape, without links and repetitions
  std::vector<Index> places;  // of these among what f returns
  std::unordered_map<const ParamData*, Tensor> parameters;
  std::vector<Random::State> draws;
  bool evaluating = Evaluation::active();
  std::function<std::vector<Substitute>()> substitutes = Substitute::again();

  static std::optional<std::vector<Tensor>> first_run(detail::Part f, const std::function<bool()>& accept);
  void run_again(Tape& outer, NodeId self);

  /// Only the first of the parts of a tensor counts as a use of it, as one part of everything would.
  static bool counts(Tape& outer, NodeId id) {
    const Tape::Node& x = outer.at(id);
    return x.parent == no_node || !outer.at(x.parent).alias || x.row == 0;
  }
  /// A result that is a view of something outside.
  struct OutsideView {
    NodeId of = no_node;  // on the outer tape
    std::uint32_t row = 0, col = 0;
    bool covers = false;
  };
  static OutsideView outside_view(const Tape& inner, const Tape& outer, NodeId id) {
    OutsideView view;
    while (inner.at(id).link == no_node && inner.at(id).parent != no_node) {
      const Tape::Node& x = inner.at(id);
      view.row += x.row;
      view.col += x.col;
      view.covers = x.covers;
      id = x.parent;
    }
    view.of = inner.at(id).link;
    if (view.of == no_node) return view;
    if (const Tape::Node& of = outer.at(view.of); of.parent != no_node && outer.at(of.parent).alias) {
      view.row += of.row;
      view.of = outer.at(of.parent).link;
    }
    return view;
  }
  static std::vector<detail::LinkUse> link_uses(const Tape& tape) {
    std::vector<detail::LinkUse> all;
    if (tape.links_ == nullptr) return all;
    for (const NodeId id : tape.links_->order) {
      const Tape::Node& x = tape.at(id);
      all.push_back({x.link, x.uses, x.uses_by_rows});
    }
    return all;
  }
};

namespace {

/// While it lives, no observer of this thread is told anything: the first run told them.
class Unobserved {
 public:
  Unobserved() : before_(std::exchange(detail::observers, nullptr)) {}
  ~Unobserved() { detail::observers = before_; }
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;

 private:
  detail::Observer* before_;
};

struct RecomputationRule {
  std::shared_ptr<Recomputation> part;
  void operator()(Tape& outer, NodeId self) { part->run_again(outer, self); }
};

}  // namespace

NodeId Tape::link(NodeId outer) {
  if (const auto found = links_->of.find(outer); found != links_->of.end()) return found->second;
  const Node& there = outer_->at(outer);
  const NodeId id = add("link", there.shape, there.dtype);
  at(id).link = outer;
  links_->order.push_back(id);
  links_->of.emplace(outer, id);
  return id;
}

const Tensor& Tape::Links::parameter(Tape& outer, const Param& param) {
  const auto found = parameters.find(&param.data());
  if (found != parameters.end()) return found->second;
  require<UsageError>(!again, "recomputed: '{}' is used by the second run, but was not by the first", param.name());
  return parameters.emplace(&param.data(), outer.parameter(param)).first->second;
}

std::optional<std::vector<Tensor>> Recomputation::first_run(detail::Part f, const std::function<bool()>& accept) {
  Tape* outer = Tape::current();
  const auto part = std::make_shared<Recomputation>();
  part->f = std::move(f);
  std::vector<Tensor> results;
  std::vector<std::int32_t> uses;    // of `nodes`
  std::vector<OutsideView> outside;  // the same
  {
    Tape inner(std::make_unique<Tape::Links>());
    DrawLog log;
    results = part->f(false);
    if (accept && !accept()) {
      log.undo();
      return std::nullopt;
    }
    part->draws = log.notes();
    part->serial = inner.serial_;
    part->parameters = std::move(inner.links_->parameters);
    std::unordered_map<NodeId, Index> known;
    for (Index i = 0; i < results.size(); ++i) {
      Tensor& x = results[i];
      if (x.tape() != inner.serial_ || !x.recorded()) continue;
      const Tape::Node& node = inner.at(x.node());
      if (node.link != no_node) {  // passed through
        x = Tensor(x.value(), outer->serial_, node.link);
        continue;
      }
      const auto [found, fresh] = known.try_emplace(x.node(), part->nodes.size());
      if (fresh) {
        part->nodes.push_back(x.node());
        part->places.push_back(i);
        uses.push_back(node.uses);
        outside.push_back(outside_view(inner, *outer, x.node()));
      }
    }
    for (const detail::LinkUse& link : link_uses(inner)) {
      if (counts(*outer, link.node)) outer->uses_of(link.node) += link.uses;
    }
    const NodeId first = static_cast<NodeId>(outer->count_);
    for (Tensor& x : results) {
      if (x.tape() != inner.serial_ || !x.recorded()) continue;
      x = Tensor(x.value(), outer->serial_, first + static_cast<NodeId>(known.at(x.node())));
    }
  }
  if (part->nodes.empty()) return results;
  NodeId self = no_node;
  for (Index i = 0; i < part->nodes.size(); ++i) {
    const Tensor& x = results[part->places[i]];
    const NodeId id = outer->add("recomputed", x.shape(), x.dtype());
    Tape::Node& node = outer->at(id);
    node.uses = uses[i];
    node.result = true;
    if (outside[i].of != no_node) {
      node.parent = outside[i].of;
      node.row = outside[i].row;
      node.col = outside[i].col;
      node.covers = outside[i].covers;
    }
    if (i == 0) self = id;
  }
  outer->rule(self, RecomputationRule{part}, static_cast<int>(part->nodes.size()));
  return results;
}

void Recomputation::run_again(Tape& outer, NodeId self) {
  auto links = std::make_unique<Tape::Links>();
  links->parameters = parameters;
  links->again = true;
  Tape inner(std::move(links));
  inner.serial_ = serial;
  {
    const DrawLog same_numbers(draws);
    const Evaluation same_mode(evaluating);
    const std::vector<Substitute> same_weights = substitutes ? substitutes() : std::vector<Substitute>();
    const Unobserved told_already;
    const std::vector<Tensor> results = f(true);
    for (Index i = 0; i < nodes.size(); ++i) {
      const bool same = places[i] < results.size() && results[places[i]].tape() == serial &&
                        results[places[i]].node() == nodes[i] &&
                        inner.at(nodes[i]).shape == outer.at(self + static_cast<NodeId>(i)).shape;
      require<UsageError>(same,
                          "recomputed: the second run computed something else than the first; it may depend on nothing "
                          "that changes but parameters and the numbers of a Random");
    }
  }
  for (const NodeId id : inner.links_->order) inner.at(id).uses = outer.uses_of(inner.at(id).link);
  std::vector<Index> watched;
  for (Index i = 0; i < nodes.size(); ++i) {
    const Tape::Node& x = outer.at(self + static_cast<NodeId>(i));
    inner.at(nodes[i]).uses = x.uses;
    if (x.watched) {
      inner.at(nodes[i]).watched = true;
      watched.push_back(i);
    }
  }
  for (Index i = 0; i < nodes.size(); ++i) {
    const NodeId id = self + static_cast<NodeId>(i);
    const bool in_place = outer.at(id).parent != no_node && !outer.waits(outer.at(id));
    Array grad = outer.take_grad(id);
    if (grad.defined() && !in_place) inner.give(nodes[i], std::move(grad), true);
  }
  inner.run_backward(*outer.grads_);
  // What a watched result is given by the rest of the part belongs to its gradient too.
  for (const Index i : watched) {
    outer.grads_->move_watched(serial, nodes[i], outer.serial_, self + static_cast<NodeId>(i));
  }
  for (const NodeId id : inner.links_->order) outer.settle_products(inner.at(id).link);
}

}  // namespace UNROLL_ABI

namespace detail {

std::vector<LinkUse> link_uses() {
  const Tape* tape = Tape::current();
  return tape == nullptr ? std::vector<LinkUse>{} : Recomputation::link_uses(*tape);
}

std::optional<std::vector<Tensor>> recomputed(Part f, const std::function<bool()>& accept) {
  if (Tape::current() == nullptr) return f(false);
  return Recomputation::first_run(std::move(f), accept);
}

}  // namespace detail

inline namespace UNROLL_ABI {

TiledInput::TiledInput(const Tensor& x) : x_(x) {
  Tape* tape = Tape::current();
  if (tape == nullptr) return;
  of_ = tape->find("scan", x);
  if (of_ == no_node) return;
  alias_ = tape->add("scan", x.shape(), x.dtype());
  tape->at(alias_).link = of_;
  tape->at(alias_).alias = true;
  tape->at(alias_).uses = 1;
}

Tensor TiledInput::part(Index from, Index to) {
  Shape shape = x_.shape();
  const Index rows = shape.rows() / std::max<Index>(1, shape[0]);
  shape.set(0, to - from);
  Array value = x_.value().part(from * rows, 0, shape);
  if (of_ == no_node) return Tensor(std::move(value));
  Tape& tape = *Tape::current();
  const NodeId self = tape.add("scan", shape, x_.dtype());
  tape.view(self, alias_, from * rows, 0, true);
  parts_.push_back(self);
  return tape.tensor(std::move(value), self);
}

bool TiledInput::is_part(NodeId node) const { return std::find(parts_.begin(), parts_.end(), node) != parts_.end(); }

bool TiledInput::contains(NodeId node) const {
  const Tape& tape = *Tape::current();
  while (of_ != no_node && node != no_node && node != of_) node = tape.at(node).parent;
  return of_ != no_node && node == of_;
}

/// Whoever adds to a place of the gradient must find it set. So where not only the parts do, it is zero from the start;
/// views of x that one part hands to the next one add only if x is used otherwise too, and wait for that part if not.
void TiledInput::note(const std::vector<detail::LinkUse>& uses) {
  Tape& tape = *Tape::current();
  for (const detail::LinkUse& use : uses) {
    if (!contains(use.node)) continue;
    (tape.at(use.node).result ? tape.at(alias_).covers : tape.at(alias_).zero_first) = true;
  }
}

void TiledInput::drop() {
  for (const NodeId id : parts_) Tape::current()->at(id).parent = no_node;
  parts_.clear();
}

}  // namespace UNROLL_ABI

std::vector<Tensor> recomputed(std::function<std::vector<Tensor>()> f) {
  return *detail::recomputed([f = std::move(f)](bool) { return f(); });
}

}  // namespace unroll
