#include <algorithm>

#include <unroll/layers/scan.h>

namespace unroll::detail {

Tensor reordered(const Tensor& x, const Ids& order) {
  return reshape(rows(reshape(x, {x.dim(0), x.size() / x.dim(0)}), order), x.shape());
}

std::vector<Tensor> steps_of(Tensor xs) {
  std::vector<Tensor> steps = unstack(xs);
  xs = Tensor();
  if (fast_paths() && steps[0].value().buffer()->holders() == steps.size()) {
    for (Tensor& x : steps) x.lend();
  }
  return steps;
}

Tensor OutputBlock::keep(Index t, const Tensor& h) {
  if (!block_.defined()) {
    Shape shape{count_};
    for (const auto extent : h.shape()) shape.append(extent);
    block_ = Array::uninitialised(shape, h.dtype());
  }
  const Shape each(block_.shape().begin() + 1, block_.shape().end());
  if (h.shape() != each || h.dtype() != block_.dtype() || !fast_paths()) return h;
  const Array place = block_.part(t * each.rows(), 0, each);
  write({place, false}, h.value());
  return Tensor(place, h.tape(), h.node());
}

Tensor compact(const Tensor& x) { return x.value().whole() ? x : Tensor(x.value().copy(), x.tape(), x.node()); }

void ProjectionCheck::before() {
  before_ = link_uses();
  drawn_ = DrawLog::drawn();
}

void ProjectionCheck::after() {
  after_ = link_uses();
  drawn_ = DrawLog::drawn() - drawn_;
}

bool ProjectionCheck::by_rows(const std::vector<LinkUse>& at_the_end, const TiledInput* input) const {
  if (drawn_ > 0) return false;
  const auto used = [](const std::vector<LinkUse>& uses, NodeId node) {
    const auto found = std::find_if(uses.begin(), uses.end(), [&](const LinkUse& use) { return use.node == node; });
    return found == uses.end() ? LinkUse{node, 0, 0} : *found;
  };
  for (const LinkUse& use : at_the_end) {
    if (input != nullptr && input->is_part(use.node)) continue;
    if (input != nullptr && input->contains(use.node)) return false;  // the steps see more of the input
    const LinkUse from = used(before_, use.node), to = used(after_, use.node);
    const auto uses = to.uses - from.uses;
    if (uses > 0 && (to.by_rows - from.by_rows < uses || use.uses > to.uses)) return false;
  }
  return true;
}

}  // namespace unroll::detail
