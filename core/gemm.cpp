#include <cblas.h>

#include <unroll/core/gemm_parts.h>

namespace unroll {
namespace detail {

void blas_gemm(bool ta, bool tb, Index m, Index n, Index k, const float* a, Index lda, const float* b, Index ldb,
               float* c, Index ldc, bool add) {
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, static_cast<blasint>(m),
              static_cast<blasint>(n), static_cast<blasint>(k), 1, a, static_cast<blasint>(lda), b,
              static_cast<blasint>(ldb), add ? 1.0f : 0.0f, c, static_cast<blasint>(ldc));
}
void blas_gemm(bool ta, bool tb, Index m, Index n, Index k, const double* a, Index lda, const double* b, Index ldb,
               double* c, Index ldc, bool add) {
  cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, static_cast<blasint>(m),
              static_cast<blasint>(n), static_cast<blasint>(k), 1, a, static_cast<blasint>(lda), b,
              static_cast<blasint>(ldb), add ? 1.0 : 0.0, c, static_cast<blasint>(ldc));
}

}  // namespace detail

namespace {

using namespace detail;

/// Rows of a are taken in groups of nearly equal size, so that 32 rows go as 6 6 5 5 5 5 and not as 6 6 6 6 6 2.
template <class T>
struct RowGroups {
  static constexpr Index step = Tile<T>::row_step;
  Index rows, steps, count;
  explicit RowGroups(Index m) : rows(m), steps((m + step - 1) / step), count((m + Tile<T>::rows - 1) / Tile<T>::rows) {}
  Index begin(Index g) const { return std::min(rows, g * steps / count * step); }
};

/// c [M, n] = base + a [M, K] times one panel, all of K, with the panel's blocks `block(k0)`; K and k0 in units.
template <class F, class Block>
void panel_product(Index m, Index k, const typename Tile<F>::Unit* a, Index a_row, typename Tile<F>::Out* c,
                   Index c_row, Index n, Base<typename Tile<F>::Out> base, Block block) {
  const RowGroups<F> groups(m);
  for (Index k0 = 0; k0 < k; k0 += packed::depth) {
    const Index kc = std::min(packed::depth, k - k0);
    const auto* p = block(k0, kc);
    for (Index g = 0; g < groups.count; ++g) {
      const Index r = groups.begin(g), rows = groups.begin(g + 1) - r;
      packed::micro_rows<F, false>(rows, kc, a + r * a_row + k0, a_row, p, c + r * c_row, c_row, n, base.at(r, 0));
    }
    base = {c, c_row};
  }
}

/// A product of at most so many rows is likely one step's: the next step will want the same packed matrix.
constexpr Index keep_rows = 256;

/// From so many rows on it pays to pack a matrix that is used once (measured for 32 to 256 rows of it by 64 columns).
constexpr Index pack_rows = 3;

constexpr Index block_rows = 192;  // rows of a whose block of `depth` columns stays in the second-level cache

/// Rows of an operand in units of a format: where they lie, or converted.
template <class F>
class UnitRows {
 public:
  using Unit = typename Tile<F>::Unit;
  UnitRows(const typename Tile<F>::Out* a, Index a_row, [[maybe_unused]] Index rows, [[maybe_unused]] Index k)
      : converted_(nullptr) {
    if constexpr (Tile<F>::per_unit == 1) {
      data_ = a, row_ = a_row;
    } else {
      const Index used = packed::units<F>(k);
      row_ = packed::row_units<F>(k);
      if (Tile<F>::row_step > 1 && row_ % 1024 == 0)
        row_ += Tile<F>::unit_step;  // else a tile's rows share a cache's set
      converted_.buffer = Buffer::make((rows + Tile<F>::spare_rows) * row_ * sizeof(Unit));
      Unit* to = converted_.template as<Unit>();
      for (Index r = 0; r < rows; ++r) {
        Tile<F>::pair_neighbours(a + r * a_row, k, to + r * row_);
        std::fill_n(to + r * row_ + used, row_ - used, Unit{});
      }
      data_ = to;
    }
  }
  const Unit* data() const { return data_; }
  Index row() const { return row_; }

 private:
  const Unit* data_;
  Index row_;
  Scratch converted_;
};

/// c = base + a w through a packed w. Tiles: blocks of rows by groups of panels.
template <class F>
void product_packed(Index m, Index n, Index k, const typename Tile<F>::Out* a, Index a_row,
                    const typename Tile<F>::Unit* w, typename Tile<F>::Out* c, Index c_row,
                    Base<typename Tile<F>::Out> base) {
  constexpr Index panel = Tile<F>::panel;
  const Index panels = (n + panel - 1) / panel, depth = packed::units<F>(k);
  const Index row_tiles = (m + block_rows - 1) / block_rows;
  const Index group = row_tiles > 1 ? panels : std::max<Index>(1, panels / 8);
  const Index groups = (panels + group - 1) / group;
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const auto multiply = [&](const UnitRows<F>& x, Index r0, Index rows, Index p0, Index p1) {
    [[maybe_unused]] const typename Tile<F>::Session session;
    for (Index p = p0; p < p1; ++p) {
      const Index n0 = p * panel;
      panel_product<F>(rows, depth, x.data(), x.row(), c + r0 * c_row + n0, c_row, std::min(panel, n - n0),
                       base.at(r0, n0), [&](Index k0, Index kc) { return w + packed::block_offset<F>(k0, kc, n0, n); });
    }
  };
  if (row_tiles == 1) {
    const UnitRows<F> x(a, a_row, m, k);
    tiles_for(flops, groups, [&](Index g) { multiply(x, 0, m, g * group, std::min(panels, (g + 1) * group)); });
  } else {
    tiles_for(flops, row_tiles, [&](Index tile) {
      const Index r0 = tile * block_rows, rows = std::min(block_rows, m - r0);
      multiply(UnitRows<F>(a + r0 * a_row, a_row, rows, k), r0, rows, 0, panels);
    });
  }
}

/// Products of few rows and a matrix used once: its rows are read where they lie. Adds up in the micro-kernel's order,
/// so that the first product with a matrix has the bits of all later ones.
template <class T>
void product_direct(Index m, Index n, Index k, const T* a, Index a_row, const T* w, Index w_row, T* c, Index c_row,
                    Base<T> base) {
  const Scratch scratch(n * sizeof(T));
  T* sums = scratch.as<T>();
  for (Index i = 0; i < m; ++i) {
    T* out = c + i * c_row;
    const T* old = base.at(i, 0).data;
    for (Index k0 = 0; k0 < k; k0 += packed::depth) {
      std::fill_n(sums, n, T{0});
      for (Index j = k0; j < std::min(k, k0 + packed::depth); ++j) {
        const T x = a[i * a_row + j];
        const T* row = w + j * w_row;
        for (Index q = 0; q < n; ++q) sums[q] += x * row[q];
      }
      for (Index q = 0; q < n; ++q) out[q] = old == nullptr ? sums[q] : old[q] + sums[q];
      old = out;
    }
  }
}

/// The product as it is defined, for comparison. (Not BLAS, which would start its threads in every program.)
template <class T>
void product_plain(Index m, Index n, Index k, Operand<T> a, Operand<T> b, T* c, Index c_row, Base<T> base) {
  copy_base(base, c, m, n, c_row);
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < k; ++j) {
      const T x = a.data[i * a.row + j * a.col];
      for (Index q = 0; q < n; ++q) c[i * c_row + q] += x * b.data[j * b.row + q * b.col];
    }
  }
}

/// The same through panels in a format: a kept copy of w, or with `pack` one for this product. False, and nothing is
/// done, without either.
template <class F, class T>
bool product_over_panels(const Array& a, const Array& w, bool transposed, const Array& into, Base<T> base, bool only,
                         bool at_once, bool pack = true) {
  using Stored = typename Tile<F>::Stored;
  const Index k = a.cols(), n = into.cols();
  const auto* panels = only ? nullptr : packed::panels_of<Stored>(w, transposed, at_once);
  Scratch once(nullptr);
  if (panels == nullptr) {
    if (!pack) return false;
    once.buffer = transposed ? packed::pack_all<Stored>({w.raw<T>(), 1, w.stride()}, k, n)
                             : packed::pack_all<Stored>({w.raw<T>(), w.stride(), 1}, k, n);
    panels = once.as<typename Tile<F>::Unit>();
  }
  product_packed<F>(a.rows(), n, k, a.raw<T>(), a.stride(), panels, into.raw<T>(), into.stride(), base);
  return true;
}

/// c [m, n] = base + a [m, k] w, where w is a stored matrix [k, n] or the transpose of a stored [n, k]; with `only`
/// that is used in no other product.
template <class T>
void product(const Array& a, const Array& w, bool transposed, const Array& into, Base<T> base, bool only = false) {
  if (prefer_blas() && (a.stride() < a.cols() || w.stride() < w.cols())) {  // rows that are one: BLAS knows no such
    return product<T>(a.copy(), w.copy(), transposed, into, base, only);
  }
  const Index m = a.rows(), k = a.cols(), n = into.cols();
  const T* x = a.raw<T>();
  T* c = into.raw<T>();
  const Index c_row = into.stride();
  if (m == 0 || n == 0) return;
  if (k == 0) return copy_base(base, c, m, n, c_row);
  const bool large = m >= 64 || m * n * k >= Index{1} << 22;
  if (!fast_paths()) {
    const Operand<T> plain = transposed ? Operand<T>{w.raw<T>(), 1, w.stride()} : Operand<T>{w.raw<T>(), w.stride(), 1};
    return product_plain<T>(m, n, k, {x, a.stride(), 1}, plain, c, c_row, base);
  }
  if (large && prefer_blas() && m > 2 * block_rows) {
    if (base.data != nullptr) copy_base(base, c, m, n, c_row);
    parallel_for((m + block_rows - 1) / block_rows, [&](Index tile) {
      const Index r = tile * block_rows;
      blas_gemm(false, transposed, std::min(block_rows, m - r), n, k, x + r * a.stride(), a.stride(), w.raw<T>(),
                w.stride(), c + r * c_row, c_row, base.data != nullptr);
    });
    return;
  }
  if constexpr (std::same_as<T, float> && packed::has_bf16) {
    if (wants_bf16(m, n, k)) {
      in_bf16_format(
          [&]<class F>(F) { product_over_panels<F>(a, w, transposed, into, base, only, large && m <= keep_rows); });
      return;
    }
  }
  const bool pack = large || transposed || (only && m >= pack_rows);
  if (!product_over_panels<T>(a, w, transposed, into, base, only, large && m <= keep_rows, pack))
    product_direct<T>(m, n, k, x, a.stride(), w.raw<T>(), w.stride(), c, c_row, base);
}

/// What is already there, when it is to be kept.
template <class T>
Base<T> base_of(const Dest& c) {
  return c.add ? Base<T>{c.into.raw<T>(), c.into.stride()} : Base<T>{};
}

}  // namespace

void multiply(const Array& a, const Array& b, const Dest& c) {
  dispatch(a.dtype(), [&]<class T>(T) { product<T>(a, b, false, c.into, base_of<T>(c)); });
}
void multiply_onto(const Array& base, const Array& a, const Array& b, const Array& c) {
  dispatch(a.dtype(), [&]<class T>(T) {
    product<T>(a, b, false, c, Base<T>{base.raw<T>(), base.ndim() == 1 ? 0 : base.stride()});
  });
}
void multiply_nt(const Array& a, const Array& b, const Dest& c) {
  dispatch(a.dtype(), [&]<class T>(T) { product<T>(a, b, true, c.into, base_of<T>(c)); });
}
void multiply_once(const Array& a, const Array& b, const Dest& c) {
  dispatch(a.dtype(), [&]<class T>(T) { product<T>(a, b, false, c.into, base_of<T>(c), true); });
}
void multiply_once_nt(const Array& a, const Array& b, const Dest& c) {
  dispatch(a.dtype(), [&]<class T>(T) { product<T>(a, b, true, c.into, base_of<T>(c), true); });
}

}  // namespace unroll
