// Losses that are a sum over elements, each a function of a few numbers.
#pragma once

#include <unroll/core/ops/loss.h>

namespace unroll::detail {

/// How the elements of a loss belong to tokens: `elements` consecutive ones to each, of which `counted` divide a mean.
struct Layout {
  Tokens tokens;
  Index elements, counted;

  /// Every element is one: [T, B, ...], or [N].
  static Layout of_elements(const char* op, const Shape& shape, const std::vector<Index>& lengths);
  /// The last axis belongs together: [T, B, V], or [N, V].
  static Layout of_rows(const char* op, const Shape& shape, const std::vector<Index>& lengths);

  /// The first run of tokens from `begin` on that all lie within their sequences: [first, last), empty at `end`.
  std::pair<Index, Index> run(Index begin, Index end) const {
    if (tokens.lengths.empty()) return {begin, end};
    while (begin < end && !tokens.within(begin)) ++begin;
    Index last = begin;
    while (last < end && tokens.within(last)) ++last;
    return {begin, last};
  }
};

/// k Σ f₀(x, …) over the elements within the sequences. f takes one Lane of each input and returns an array of Lanes:
/// the loss, and its derivatives by the first W inputs; the other inputs are constants. All have one shape.
template <std::size_t W, std::size_t N, class F>
Tensor element_loss(const char* op, const F& f, const std::array<Tensor, N>& inputs, Reduce reduce,
                    const Layout& layout) {
  const double scale =
      loss_scale(op, reduce, static_cast<double>(layout.tokens.count() * layout.counted), layout.tokens.batch);
  const Shape& shape = inputs[0].shape();
  const Dtype dtype = inputs[0].dtype();
  std::array<Array, N> x;
  for (std::size_t k = 0; k < N; ++k) {
    same_dtype(op, dtype, inputs[k].dtype());
    x[k] = inputs[k].value().contiguous() ? inputs[k].value() : inputs[k].value().copy();
  }
  std::array<Array, W> dx;
  for (std::size_t k = 0; k < W; ++k) {
    if (!wanted(op, inputs[k])) continue;
    dx[k] = layout.tokens.lengths.empty() ? Array::uninitialised(shape, dtype) : Array::zeros(shape, dtype);
  }
  double loss = 0;
  dispatch(dtype, [&]<class T>(T) {
    using V = xsimd::batch<T>;
    const Index tile = std::max<Index>(1, fused::tile_elements / std::max<Index>(1, layout.elements));
    loss = sum_of_tiles(layout.tokens.size(), layout.elements, tile, [&](Index begin, Index end) {
      std::array<double, V::size> sums{};
      for (auto [first, last] = layout.run(begin, end); first < last; std::tie(first, last) = layout.run(last, end)) {
        for (Index c = first * layout.elements; c < last * layout.elements; c += V::size) {
          const Index n = last * layout.elements - c;
          const auto y = [&]<std::size_t... I>(std::index_sequence<I...>) {
            return f(Lane<T>(load(x[I].template raw<T>() + c, Index{1}, n))...);
          }(std::make_index_sequence<N>{});
          T buffer[V::size];
          y[0].v.store_unaligned(buffer);
          for (Index i = 0; i < V::size; ++i) sums[i] += i < n ? static_cast<double>(buffer[i]) : 0;
          for (std::size_t k = 0; k < W; ++k) {
            if (dx[k].defined()) store(dx[k].template raw<T>() + c, (y[k + 1] * scale).v, n);
          }
        }
      }
      double sum = 0;
      for (const double part : sums) sum += part;
      return sum;
    });
  });
  return [&]<std::size_t... K>(std::index_sequence<K...>) {
    return record(op, Array::full({}, dtype, loss * scale),
                  wrt(inputs[K], [op, dx = dx[K]](const Array& dy) { return scaled(op, dx, dy); })...);
  }(std::make_index_sequence<W>{});
}

}  // namespace unroll::detail
