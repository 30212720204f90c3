// What the tape tells observers during backward.
#include <unroll/core/tape_memory.h>

namespace unroll {
inline namespace UNROLL_ABI {

detail::Note& Tape::note(NodeId id) {
  if (memory_->notes == nullptr) memory_->notes = std::make_unique<detail::Notes>();
  return memory_->notes->of[id];
}

/// A gradient is complete when the reversed loop arrives at its node: all that used the value came before.
void Tape::report_gradient(NodeId id, const Param* param, RowGrad* rows) {
  Node& x = at(id);
  Array& grad = rows != nullptr ? rows->values : x.grad;
  if (!grad.defined()) return;
  const detail::GradientOf of{
      serial_, id, x.op, x.shape, param, find_note(id), rows != nullptr ? &rows->rows : nullptr};
  detail::each_observer([&](detail::Observer& o) { o.gradient(of, grad); });
}

void Tape::report_rule(NodeId id) {
  const detail::Note* note = find_note(id);
  if (note == nullptr) return;
  const detail::GradientOf from{serial_, id, at(id).op, at(id).shape, nullptr, note, nullptr};
  for (Index k = 0; k < note->inputs.size(); ++k) {
    const NodeId input = note->inputs[k].node;
    if (input == no_node || !at(input).grad.defined()) continue;
    const Param* param = nullptr;
    for (const Leaf& leaf : memory_->leaves) param = leaf.node == input ? &leaf.param : param;
    const detail::GradientOf of{serial_, input, at(input).op, at(input).shape, param, find_note(input), nullptr};
    detail::each_observer([&](detail::Observer& o) { o.passed(from, k, of, at(input).grad); });
  }
}

const detail::Note* Tape::find_note(NodeId id) const {
  if (memory_->notes == nullptr) return nullptr;
  const auto found = memory_->notes->of.find(id);
  return found == memory_->notes->of.end() ? nullptr : &found->second;
}

}  // namespace UNROLL_ABI
}  // namespace unroll
