#pragma once

#include <memory>
#include <optional>

#include <unroll/layers/bidirectional.h>
#include <unroll/layers/dropout.h>

namespace unroll {

/// Any cell or layer behind one type, for networks whose shape is known at run time only. Its state is a list of the
/// wrapped layer's tensors.
class AnyLayer {
 public:
  struct State {
    std::vector<Tensor> parts;
  };

  template <class L>
    requires(!std::same_as<std::decay_t<L>, AnyLayer>)
  AnyLayer(L layer) : self_(std::make_shared<Model<L>>(std::move(layer))) {}

  /// Features of the output.
  Index size() const { return self_->size(); }
  State zero_state(Index batch) const { return self_->zero_state(batch); }
  Scanned<State> scan(const Tensor& xs, const State& state, const ScanOptions& options) const {
    return self_->scan(xs, state, options);
  }
  /// Errors: the layer is bidirectional, which needs the whole sequence.
  State step(const Tensor& x, const State& state) const { return self_->step(x, state); }
  Tensor output(const State& state) const { return self_->output(state); }
  std::vector<Substitute> substitutes() const { return self_->substitutes(); }
  /// The gates of the wrapped layer, if it says what they are.
  std::optional<LayerGates> gates() const { return self_->gates(); }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual Index size() const = 0;
    virtual State zero_state(Index batch) const = 0;
    virtual Scanned<State> scan(const Tensor& xs, const State& state, const ScanOptions& options) const = 0;
    virtual State step(const Tensor& x, const State& state) const = 0;
    virtual Tensor output(const State& state) const = 0;
    virtual std::vector<Substitute> substitutes() const = 0;
    virtual std::optional<LayerGates> gates() const = 0;
  };
  template <class L>
  struct Model final : Interface {
    explicit Model(L l) : layer(std::move(l)) {}
    /// Errors: it is the state of another layer.
    typename L::State own(const State& state) const {
      const auto like = layer.zero_state(1);
      const Index parts = detail::list_fields(like).size();
      require(state.parts.size() == parts, "AnyLayer: a state of {} tensors for a layer whose state has {}",
              state.parts.size(), parts);
      return detail::with_fields(like, state.parts);
    }
    Index size() const override { return output_size(layer); }
    State zero_state(Index batch) const override { return {detail::list_fields(layer.zero_state(batch))}; }
    Scanned<State> scan(const Tensor& xs, const State& state, const ScanOptions& options) const override {
      auto scanned = unroll::scan(layer, xs, own(state), options);
      return {scanned.outputs, {detail::list_fields(scanned.last)}};
    }
    State step([[maybe_unused]] const Tensor& x, [[maybe_unused]] const State& state) const override {
      if constexpr (Cell<L>) {
        return {detail::list_fields(advance(layer, x, own(state)))};
      } else {
        throw UsageError(
            "a bidirectional layer cannot run step by step: its backward half starts at the end of the sequence");
      }
    }
    Tensor output(const State& state) const override { return unroll::output(layer, own(state)); }
    std::vector<Substitute> substitutes() const override { return unroll::substitutes(layer); }
    std::optional<LayerGates> gates() const override { return gates_of(layer); }
    L layer;
  };
  std::shared_ptr<const Interface> self_;
};

/// Layers on top of each other, of different cells and sizes, with dropout between them (Zaremba et al. 2014). It is a
/// cell itself, unless a layer is bidirectional: it can be scanned, stepped and stacked.
struct Stack {
  struct State {
    std::vector<AnyLayer::State> layers;
  };

  std::vector<AnyLayer> layers;
  std::optional<Dropout> between;

  /// Errors: no layer.
  explicit Stack(std::vector<AnyLayer> layers, std::optional<Dropout> between = {});

  Index size() const { return layers.back().size(); }
  State zero_state(Index batch) const;
  State step(const Tensor& x, const State& state) const;
  Tensor output(const State& state) const;
  std::vector<Substitute> substitutes() const;
  /// Of all layers, if all say what they are.
  std::optional<LayerGates> gates() const;
  Scanned<State> scan(const Tensor& xs, const State& state, const ScanOptions& options) const;

 private:
  void check(const State& state) const;
};

}  // namespace unroll
