// What the tests of the wrappers share.
#pragma once

#include <memory>
#include <optional>

#include <unroll/layers/stack.h>
#include <unroll/layers/wrappers.h>

#include "layer_testing.h"

namespace unroll::testing {

/// Any of our cells behind one type, with its projection, its step and what its recurrent products see: a wrapper is
/// compiled for this one cell and works on all.
class AnyCell {
 public:
  struct State {
    std::vector<Tensor> parts;
  };

  template <class C>
    requires(!std::same_as<C, AnyCell>)
  explicit AnyCell(C cell) : weights(detail::recurrent_weights(cell)) {
    if (weights.empty()) weights = {cell.wx};
    self_ = std::make_shared<Model<C>>(std::move(cell));
  }

  std::vector<Param> weights;  // of the recurrent products, or of the others where there are none

  Index size() const { return self_->size(); }
  State zero_state(Index batch) const { return {self_->zero_state(batch)}; }
  Tensor project(const Tensor& xs) const { return self_->project(xs); }
  State step(const Tensor& z, const State& s) const { return {self_->step(z, s.parts, nullptr)}; }
  State step(const Tensor& z, const State& s, const Tensor& seen) const { return {self_->step(z, s.parts, &seen)}; }

 private:
  using Parts = std::vector<Tensor>;
  struct Interface {
    virtual ~Interface() = default;
    virtual Index size() const = 0;
    virtual Parts zero_state(Index batch) const = 0;
    virtual Tensor project(const Tensor& xs) const = 0;
    virtual Parts step(const Tensor& z, const Parts& s, const Tensor* seen) const = 0;
  };
  template <class C>
  struct Model final : Interface {
    explicit Model(C c) : cell(std::move(c)) {}
    Index size() const override { return cell.size(); }
    Parts zero_state(Index batch) const override { return tensors_of(cell.zero_state(batch)); }
    Tensor project(const Tensor& xs) const override { return unroll::project(cell, xs); }
    Parts step(const Tensor& z, const Parts& s, const Tensor* seen) const override {
      const auto own = state_of(cell.zero_state(1), s);
      if (seen == nullptr) return tensors_of(cell.step(z, own));
      if constexpr (detail::has_seen<C>) {
        return tensors_of(cell.step(z, own, *seen));
      } else {
        return tensors_of(cell.step(z, detail::with_first(own, *seen)));
      }
    }
    C cell;
  };
  std::shared_ptr<const Interface> self_;
};

/// A layer whose random numbers start alike in every scan, which a tape records in any case: what is random is the same
/// function each time, and gradient checks see it as in training.
template <class L>
struct Repeated {
  using State = typename L::State;

  L layer;
  Random* random;
  Random::State start = random->state();

  Index size() const { return layer.size(); }
  State zero_state(Index batch) const { return layer.zero_state(batch); }
  Tensor output(const State& s) const { return unroll::output(layer, s); }
  Scanned<State> scan(const Tensor& xs, const State& s, const ScanOptions& options) const {
    random->restore(start);
    if (Tape::current() != nullptr) return unroll::scan(layer, xs, s, options);
    Tape tape;
    auto scanned = unroll::scan(layer, xs, s, options);
    return {detach(scanned.outputs), detach(scanned.last)};
  }
};

}  // namespace unroll::testing
