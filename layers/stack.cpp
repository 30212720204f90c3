#include <algorithm>

#include <unroll/layers/stack.h>

namespace unroll {

Stack::Stack(std::vector<AnyLayer> layers_, std::optional<Dropout> between_)
    : layers(std::move(layers_)), between(std::move(between_)) {
  require<UsageError>(!layers.empty(), "Stack: there is no layer");
}

Stack::State Stack::zero_state(Index batch) const {
  State state;
  for (const auto& layer : layers) state.layers.push_back(layer.zero_state(batch));
  return state;
}

Stack::State Stack::step(const Tensor& x, const State& state) const {
  State next;
  check(state);
  Tensor y = x;
  for (Index i = 0; i < layers.size(); ++i) {
    if (i > 0 && between) y = (*between)(y);
    const NameScope scope(std::to_string(i));
    next.layers.push_back(layers[i].step(y, state.layers[i]));
    y = layers[i].output(next.layers[i]);
  }
  return next;
}

Tensor Stack::output(const State& state) const {
  check(state);
  return layers.back().output(state.layers.back());
}

/// Errors: it is the state of another stack.
void Stack::check(const State& state) const {
  require(state.layers.size() == layers.size(), "Stack: a state of {} layers for {} layers", state.layers.size(),
          layers.size());
}

std::vector<Substitute> Stack::substitutes() const {
  std::vector<Substitute> all;
  for (const auto& layer : layers) std::ranges::move(layer.substitutes(), std::back_inserter(all));
  return all;
}

std::optional<LayerGates> Stack::gates() const {
  LayerGates all;
  for (const auto& layer : layers) {
    const auto gates = layer.gates();
    if (!gates) return std::nullopt;
    all.insert(all.end(), gates->begin(), gates->end());
  }
  return all;
}

Scanned<Stack::State> Stack::scan(const Tensor& xs, const State& state, const ScanOptions& options) const {
  check(state);
  State last;
  Tensor ys = xs;
  for (Index i = 0; i < layers.size(); ++i) {
    if (i > 0 && between) ys = (*between)(ys);
    const NameScope scope(std::to_string(i));
    auto scanned = unroll::scan(layers[i], ys, state.layers[i], options);
    ys = scanned.outputs;
    last.layers.push_back(std::move(scanned.last));
  }
  return {ys, last};
}

}  // namespace unroll
