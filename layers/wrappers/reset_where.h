#pragma once

#include <unroll/layers/wrappers/wraps.h>

namespace unroll {

/// A cell that starts anew in the middle of a batch: where the last feature of x exceeds 1/2, the state of that
/// sequence is the zero state before the step (as Haiku's ResetCore, for episodes that end at different times). Nothing
/// of the old state is left, not even NaN. The mask travels with the input, so it is scanned and streamed like it, in
/// reverse before the step that is then the first.
///   xs = with_resets(xs, resets)
/// It is the outermost of wrappers that look at the input or keep old states. Masks of VariationalDropout inside stay,
/// since they act on all inputs before the first step.
template <Cell C>
class ResetWhere : public detail::Wraps<C> {
 public:
  using typename detail::Wraps<C>::State;

  explicit ResetWhere(C cell) : detail::Wraps<C>{std::move(cell)} {}
  template <class... Options>
  ResetWhere(const Scope& p, Index in, Index hidden, const Options&... options)
      : detail::Wraps<C>{C(p, in, hidden, options...)} {}

  Begun<State> begin(const Tensor& xs, const State& s) const
    requires detail::has_begin<C>
  {
    const auto [x, resets] = parted(xs);
    auto begun = this->cell.begin(x, s);
    return {concat({begun.xs, resets}), std::move(begun.state)};
  }
  Tensor project(const Tensor& xs) const {
    const auto [x, resets] = parted(xs);
    return concat({unroll::project(this->cell, x), resets});
  }
  State step(const Tensor& z, const State& s) const {
    auto [x, resets] = parted(z);
    if (!any(resets.value())) return this->cell.step(std::move(x), s);
    const State start = map_fields(
        s,
        [&, &resets = resets](const Tensor& old, const Tensor& zero) {
          if (zero.size() == 0) return old;  // a mask that is not drawn yet
          Shape each = old.shape();
          for (Index axis = 1; axis < each.ndim(); ++axis) each.set(axis, 1);
          return pointwise(
              "ResetWhere", [](auto reset, auto zero, auto old) { return where(reset > 0.5, zero, old); },
              reshape(resets, each), zero, old);
        },
        this->cell.zero_state(z.dim(0)));
    return this->cell.step(std::move(x), start);
  }

 private:
  static std::array<Tensor, 2> parted(const Tensor& xs) {
    require(xs.ndim() > 0 && xs.dim(-1) > 1,
            "ResetWhere: the input is {}; its last feature says where to reset, the others are the cell's", xs.shape());
    const std::array<Index, 2> sizes{xs.dim(-1) - 1, 1};
    auto parts = split(xs, sizes);
    return {std::move(parts[0]), std::move(parts[1])};
  }
  static bool any(const Array& resets) {
    for (Index b = 0; b < resets.size(); ++b) {
      if (resets.flat(b) > 0.5) return true;
    }
    return false;
  }
};

/// xs with the mask as one more feature.  xs [T, B, I] and resets [T, B], or [B, I] and [B]
inline Tensor with_resets(const Tensor& xs, const Tensor& resets) {
  Shape shape = resets.shape();
  shape.append(1);
  bool fits = xs.ndim() == shape.ndim();
  for (Index axis = 0; fits && axis + 1 < shape.ndim(); ++axis) fits = xs.shape()[axis] == shape[axis];
  require(fits, "with_resets: the input is {} and the resets are {}; there must be one for each step and sequence",
          xs.shape(), resets.shape());
  return concat({xs, reshape(resets.dtype() == xs.dtype() ? resets : Tensor(resets.value().to(xs.dtype())), shape)});
}

}  // namespace unroll
