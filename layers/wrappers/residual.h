#pragma once

#include <unroll/layers/wrappers/wraps.h>

namespace unroll {

/// A residual connection around a cell (He et al. 2016; between recurrent layers Wu et al. 2016).
///   y = x + output(cell)
/// The cell's recurrence sees nothing of it. Errors: inputs that are not as wide as the outputs.
template <Cell C>
struct Residual {
  static_assert(!detail::takes_resets<C>, "the mask of resets is no part of x: write ResetWhere<Residual<...>>");

  struct State {
    typename C::State inner;
    Tensor y;  // [B, H]
  };

  C cell;

  explicit Residual(C cell) : cell(std::move(cell)) {}
  template <class... Options>
  Residual(const Scope& p, Index in, Index hidden, const Options&... options) : cell(p, in, hidden, options...) {}

  Index size() const { return output_size(cell); }
  State zero_state(Index batch) const {
    auto inner = cell.zero_state(batch);
    const Dtype dtype = detail::first_tensor(inner).dtype();
    return {std::move(inner), Tensor::zeros({batch, size()}, dtype)};
  }

  Begun<State> begin(const Tensor& xs, const State& s) const
    requires detail::has_begin<C>
  {
    check(xs);
    auto begun = cell.begin(xs, s.inner);
    return {concat({xs, begun.xs}), {std::move(begun.state), s.y}};
  }
  /// [x, what the cell makes of its inputs]
  Tensor project(const Tensor& xs) const {
    if constexpr (detail::has_begin<C>) {
      const auto [x, begun] = parted(xs);
      return concat({x, unroll::project(cell, begun)});
    } else {
      check(xs);
      return concat({xs, unroll::project(cell, xs)});
    }
  }
  template <std::same_as<Tensor>... Seen>
    requires detail::StepsWith<C, Seen...>
  State step(const Tensor& z, const State& s, const Seen&... seen) const {
    auto [x, inner] = parted(z);
    auto next = cell.step(std::move(inner), s.inner, seen...);
    Tensor y = x + unroll::output(cell, next);
    return {std::move(next), std::move(y)};
  }
  Tensor output(const State& s) const { return s.y; }
  std::vector<Substitute> substitutes() const { return unroll::substitutes(cell); }
  /// The weights are the bare cell's.
  std::optional<LayerGates> gates() const { return gates_of(cell); }

 private:
  void check(const Tensor& xs) const {
    require(xs.ndim() > 0 && xs.dim(-1) == size(),
            "Residual: the input is {} and the outputs have {} features; to be added they must be equally wide",
            xs.shape(), size());
  }
  std::array<Tensor, 2> parted(const Tensor& z) const {
    const std::array<Index, 2> sizes{size(), z.dim(-1) - size()};
    auto parts = split(z, sizes);
    return {std::move(parts[0]), std::move(parts[1])};
  }
};

}  // namespace unroll
