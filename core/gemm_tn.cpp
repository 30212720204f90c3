// Products aᵀ b over many rows: the gradients of weights.
#include <unroll/core/gemm_parts.h>

namespace unroll {
namespace {

using namespace detail;

/// The blocks of the rows of a product aᵀ b, in the order in which they are added: see `multiply_tn`.
class RowBlocks {
 public:
  explicit RowBlocks(Index rows) : rows_(rows), count_((rows + product_block - 1) / product_block) {}
  Index count() const { return count_; }
  Index begin(Index i) const { return i + 1 < count_ ? rows_ - (i + 1) * product_block : 0; }
  Index size(Index i) const { return rows_ - i * product_block - begin(i); }

 private:
  Index rows_, count_;
};

/// aᵀ b as it is defined, the last row first.
template <class T>
void product_tn_plain(const Array& a, const Array& b, const Dest& dest) {
  if (!dest.add) zero_fill(dest.into);
  for (Index r = a.rows(); r-- > 0;) {
    const T *x = a.raw<T>() + r * a.stride(), *y = b.raw<T>() + r * b.stride();
    for (Index i = 0; i < a.cols(); ++i) {
      T* c = dest.into.raw<T>() + i * dest.into.stride();
      for (Index j = 0; j < b.cols(); ++j) c[j] += x[i] * y[j];
    }
  }
}

/// Rows [r0, r1) of a, m columns wide, as micro-tiles [units, 6], one strip after the other; turned where a format
/// wants rows of units.
template <class F>
void pack_strips(const Array& a, Index r0, Index r1, typename Tile<F>::Unit* to) {
  if constexpr (Tile<F>::unit_step > 1) return Tile<F>::pack_turned(a, r0, r1, to);
  using K = Tile<F>;
  using T = typename K::Out;
  using Unit = typename K::Unit;
  constexpr Index few = 16;  // units at a time: what is read and what is written stay in the first-level cache
  const Index m = a.cols(), strips = (m + K::rows - 1) / K::rows, depth = packed::units<F>(r1 - r0);
  const Scratch scratch(K::per_unit == 1 ? nullptr : Buffer::make(few * m * sizeof(Unit)));
  for (Index u0 = 0; u0 < depth; u0 += few) {
    const Index count = std::min(few, depth - u0);
    const Unit* from = nullptr;
    Index from_row = m;
    if constexpr (K::per_unit == 1) {
      from = a.raw<T>() + (r0 + u0) * a.stride(), from_row = a.stride();
    } else {
      Unit* pairs = scratch.as<Unit>();
      for (Index u = 0; u < count; ++u) {
        const Index r = r0 + 2 * (u0 + u);
        const T* x = a.raw<T>() + r * a.stride();
        K::pair_rows(x, r + 1 < r1 ? x + a.stride() : nullptr, m, pairs + u * m);
      }
      from = pairs;
    }
    for (Index s = 0; s < strips; ++s) {
      const Index width = std::min(K::rows, m - s * K::rows);
      for (Index u = 0; u < count; ++u) {
        const Unit* x = from + u * from_row + s * K::rows;
        Unit* out = to + (s * depth + u0 + u) * K::rows;
        if (width == K::rows) {
          std::memcpy(out, x, K::rows * sizeof(Unit));
        } else {
          std::fill(std::copy_n(x, width, out), out + K::rows, Unit{});
        }
      }
    }
  }
}

/// c [k, n] (+)= aᵀ b over the rows of both: strips of rows of a are laid out as micro-tiles, panels of b as blocks.
template <class F, class T>
void product_tn_packed(const Array& a, const Array& b, const Dest& dest) {
  using K = Tile<F>;
  using Unit = typename K::Unit;
  const Index rows = a.rows(), m = a.cols(), n = b.cols();
  T* c = dest.into.raw<T>();
  const Index c_row = dest.into.stride();
  const RowBlocks blocks(rows);
  const Index strips = (m + K::rows - 1) / K::rows, panels = (n + K::panel - 1) / K::panel;
  // All of aᵀ, block of rows after block; the units of a block begin where those of as many rows would.
  static_assert(product_block % (K::per_unit * K::unit_step) == 0);
  const Index most = packed::row_units<F>(rows);
  const Scratch strip_memory(strips * K::rows * most * sizeof(Unit));
  Unit* strip = strip_memory.as<Unit>();
  const auto strips_of = [&](Index r0) { return strip + packed::row_units<F>(r0) * strips * K::rows; };
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(rows);
  tiles_for(flops, blocks.count(), [&](Index block) {
    const Index r0 = blocks.begin(block);
    pack_strips<F>(a, r0, r0 + blocks.size(block), strips_of(r0));
  });
  tiles_for(flops, panels, [&](Index p) {
    const Index n0 = p * K::panel, width = std::min(K::panel, n - n0);
    [[maybe_unused]] const typename K::Session session;
    const Scratch block_memory(packed::units<F>(product_block) * K::panel * sizeof(Unit));
    Unit* panel = block_memory.as<Unit>();
    for (Index i = 0; i < blocks.count(); ++i) {
      const Index r0 = blocks.begin(i), depth = packed::units<F>(blocks.size(i));
      const Index row = packed::row_units<F>(blocks.size(i));
      packed::pack_block<typename K::Stored>(b.raw<T>(), b.stride(), Index{1}, r0, blocks.size(i), n0, n, panel);
      for (Index s = 0; s < strips; ++s) {
        const Unit* tile = strips_of(r0) + s * row * K::rows;
        T* to = c + s * K::rows * c_row + n0;
        const Base<T> base = dest.add || i > 0 ? Base<T>{to, c_row} : Base<T>{};
        packed::micro_rows<F, K::unit_step == 1>(std::min(K::rows, m - s * K::rows), depth, tile, row, panel, to, c_row,
                                                 width, base);
      }
    }
  });
}

/// c [k, n] (+)= aᵀ b over the rows of both.
template <class T>
void product_tn(const Array& a, const Array& b, const Dest& dest) {
  if (prefer_blas() && (a.stride() < a.cols() || b.stride() < b.cols())) return product_tn<T>(a.copy(), b.copy(), dest);
  const Index rows = a.rows(), m = a.cols(), n = b.cols();
  T* c = dest.into.raw<T>();
  const Index c_row = dest.into.stride();
  if (rows == 0) {
    if (!dest.add) copy_base<T>({}, c, m, n, c_row);
    return;
  }
  if (!fast_paths()) return product_tn_plain<T>(a, b, dest);
  if (prefer_blas() && std::min(rows, product_block) * m * n > Index{1} << 20) {
    constexpr Index width = 256;
    const Index first = rows > product_block ? rows % product_block : 0;  // an incomplete block is a case of its own
    parallel_for((n + width - 1) / width, [&](Index tile) {
      const Index n0 = tile * width, count = std::min(rows, product_block);
      for (Index r1 = rows; r1 > first; r1 -= count) {
        blas_gemm(true, false, m, std::min(width, n - n0), count, a.raw<T>() + (r1 - count) * a.stride(), a.stride(),
                  b.raw<T>() + (r1 - count) * b.stride() + n0, b.stride(), c + n0, c_row, dest.add || r1 < rows);
      }
    });
    if (first > 0) product_tn<T>(a.part(0, 0, {first, m}), b.part(0, 0, {first, n}), {dest.into, true});
    return;
  }
  if constexpr (std::same_as<T, float> && packed::has_bf16) {
    if (wants_bf16(rows, m, n)) {
      return in_bf16_format([&]<class F>(F) { product_tn_packed<F, T>(a, b, dest); });
    }
  }
  product_tn_packed<T, T>(a, b, dest);
}

}  // namespace

void multiply_tn(const Array& a, const Array& b, const Dest& c) {
  dispatch(a.dtype(), [&]<class T>(T) { product_tn<T>(a, b, c); });
}

}  // namespace unroll
