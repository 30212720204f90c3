#pragma once

#include <unroll/layers/scan.h>
#include <unroll/layers/wrappers/wraps.h>

namespace unroll {

/// The outputs of any cell through a linear map, of which the recurrence sees nothing.
///   y = output(cell) W
/// So layers of different cells and sizes may have outputs of one width. (ProjectedLstm is the LSTM whose recurrence
/// goes through the map.)
template <Cell C>
class Projected : public detail::Wraps<C> {
 public:
  using typename detail::Wraps<C>::State;

  Param w;  // [H, P]

  Projected(const Scope& p, C cell, Index width)
      : detail::Wraps<C>{std::move(cell)}, w(p("w", {output_size(this->cell), width}, glorot)) {}

  Index size() const { return w.dim(1); }
  /// No framework has such a layer.
  std::optional<LayerGates> gates() const { return std::nullopt; }
  Tensor output(const State& s) const { return matmul(unroll::output(this->cell, s), w); }
  /// One product for all steps.
  Scanned<State> scan(const Tensor& xs, const State& s, const ScanOptions& options) const {
    auto scanned = unroll::scan(this->cell, xs, s, options);
    return {matmul(scanned.outputs, w), std::move(scanned.last)};
  }
};

}  // namespace unroll
