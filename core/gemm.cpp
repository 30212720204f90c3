#include <cblas.h>

#include <unroll/core/fast_paths.h>
#include <unroll/core/gemm.h>
#include <unroll/core/packed_copies.h>
#include <unroll/core/threads.h>

namespace unroll {

namespace {

using packed::Base;
using packed::Operand;
using packed::Tile;

/// Rows of a are taken in groups of nearly equal size, so that 32 rows go as 6 6 5 5 5 5 and not as 6 6 6 6 6 2.
template <class T>
struct RowGroups {
  Index rows, count;
  explicit RowGroups(Index m) : rows(m), count((m + Tile<T>::rows - 1) / Tile<T>::rows) {}
  Index begin(Index g) const { return g * rows / count; }
};

/// c [M, n] = base + a [M, K] times one panel, all of K, with the panel's blocks `block(k0)`.
template <class T, class Block>
void panel_product(Index m, Index k, const T* a, Index a_row, T* c, Index c_row, Index n, Base<T> base, Block block) {
  const RowGroups<T> groups(m);
  for (Index k0 = 0; k0 < k; k0 += packed::depth) {
    const Index kc = std::min(packed::depth, k - k0);
    const T* p = block(k0, kc);
    for (Index g = 0; g < groups.count; ++g) {
      const Index r = groups.begin(g), rows = groups.begin(g + 1) - r;
      packed::micro_rows<T, false>(rows, kc, a + r * a_row + k0, a_row, p, c + r * c_row, c_row, n, base.at(r, 0));
    }
    base = {c, c_row};
  }
}

/// Work below which a second thread costs more than it saves: handing over takes a microsecond or two, and what it has
/// written must come from its cache.
constexpr double parallel_flops = 1.5e6;

template <class F>
void tiles_for(double flops, Index tiles, F&& f) {
  if (flops < parallel_flops) {
    for (Index i = 0; i < tiles; ++i) f(i);
  } else {
    parallel_for(tiles, f, flops >= 10 * parallel_flops);
  }
}

/// A product of at most so many rows is likely one step's: the next step will want the same packed matrix.
constexpr Index keep_rows = 256;

/// From so many rows on it pays to pack a matrix that is used once (measured for 32 to 256 rows of it by 64 columns).
constexpr Index pack_rows = 3;

constexpr Index block_rows = 192;  // rows of a whose block of `depth` columns stays in the second-level cache

/// c = base + a w through a packed w. Tiles: blocks of rows by groups of panels.
template <class T>
void product_packed(Index m, Index n, Index k, const T* a, Index a_row, const T* w, T* c, Index c_row, Base<T> base) {
  constexpr Index panel = Tile<T>::panel;
  const Index panels = (n + panel - 1) / panel;
  const Index row_tiles = (m + block_rows - 1) / block_rows;
  const Index group = row_tiles > 1 ? panels : std::max<Index>(1, panels / 8);
  const Index groups = (panels + group - 1) / group;
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  tiles_for(flops, row_tiles * groups, [&](Index tile) {
    const Index r0 = tile / groups * block_rows, rows = std::min(block_rows, m - r0);
    const Index p0 = tile % groups * group, p1 = std::min(panels, p0 + group);
    for (Index p = p0; p < p1; ++p) {
      const Index n0 = p * panel;
      panel_product<T>(rows, k, a + r0 * a_row, a_row, c + r0 * c_row + n0, c_row, std::min(panel, n - n0),
                       base.at(r0, n0), [&](Index k0, Index kc) { return w + packed::block_offset<T>(k0, kc, n0, n); });
    }
  });
}

/// Memory for the length of a scope.
struct Scratch {
  explicit Scratch(Index bytes) : Scratch(Buffer::make(bytes)) {}
  explicit Scratch(Buffer* made) : buffer(made) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (buffer != nullptr) buffer->release();
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(buffer->data());
  }
  Buffer* buffer;
};

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

/// Where registers are 512 bits wide our own kernel runs at 98 % of the machine's peak on every large product (257
/// GFLOP/s where OpenBLAS 0.3.21 reaches 245 as SkylakeX and 125 as Zen, which it takes the newest AMD processors for).
/// Where they are narrower, the large ones go to OpenBLAS.
constexpr bool prefer_blas() { return UNROLL_VECTOR_BYTES < 64; }

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

/// c = base, for a product without anything to add or one that is added in place.
template <class T>
void copy_base(Base<T> base, T* c, Index rows, Index cols, Index stride) {
  if (base.data == c) return;
  for (Index r = 0; r < rows; ++r) {
    if (base.data == nullptr) {
      std::fill_n(c + r * stride, cols, T{0});
    } else {
      std::copy_n(base.data + r * base.row, cols, c + r * stride);
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
  const T* panels = only ? nullptr : packed::panels_of<T>(w, transposed, large && m <= keep_rows);
  Scratch once(nullptr);
  if (panels == nullptr && (large || transposed || (only && m >= pack_rows))) {
    once.buffer = transposed ? packed::pack_all<T>({w.raw<T>(), 1, w.stride()}, k, n)
                             : packed::pack_all<T>({w.raw<T>(), w.stride(), 1}, k, n);
    panels = once.as<T>();
  }
  if (panels != nullptr) {
    product_packed<T>(m, n, k, x, a.stride(), panels, c, c_row, base);
  } else {
    product_direct<T>(m, n, k, x, a.stride(), w.raw<T>(), w.stride(), c, c_row, base);
  }
}

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

/// c [k, n] (+)= aᵀ b over the rows of both: strips of rows of a are laid out as micro-tiles, panels of b as blocks.
template <class T>
void product_tn(const Array& a, const Array& b, const Dest& dest) {
  if (prefer_blas() && (a.stride() < a.cols() || b.stride() < b.cols())) return product_tn<T>(a.copy(), b.copy(), dest);
  using K = Tile<T>;
  static_assert(product_block == packed::depth);
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
  const RowBlocks blocks(rows);
  const Index strips = (m + K::rows - 1) / K::rows, panels = (n + K::panel - 1) / K::panel;
  // All of aᵀ as micro-tiles [rows, 6], one strip after the other within each block of rows.
  const Scratch strip_memory(strips * K::rows * rows * sizeof(T));
  T* strip = strip_memory.as<T>();
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(rows);
  tiles_for(flops, blocks.count(), [&](Index block) {
    const Index r0 = blocks.begin(block), r1 = r0 + blocks.size(block);
    T* first = strip + r0 * strips * K::rows;
    constexpr Index few = 16;  // rows at a time: what is read and what is written stay in the first-level cache
    for (Index q = r0; q < r1; q += few) {
      for (Index s = 0; s < strips; ++s) {
        const Index width = std::min(K::rows, m - s * K::rows);
        for (Index r = q; r < std::min(r1, q + few); ++r) {
          const T* from = a.raw<T>() + r * a.stride() + s * K::rows;
          T* to = first + (s * (r1 - r0) + (r - r0)) * K::rows;
          if (width == K::rows) {
            std::memcpy(to, from, K::rows * sizeof(T));
          } else {
            std::fill(std::copy_n(from, width, to), to + K::rows, T{0});
          }
        }
      }
    }
  });
  tiles_for(flops, panels, [&](Index p) {
    const Index n0 = p * K::panel, width = std::min(K::panel, n - n0);
    const Scratch block_memory(packed::depth * K::panel * sizeof(T));
    T* panel = block_memory.as<T>();
    for (Index i = 0; i < blocks.count(); ++i) {
      const Index r0 = blocks.begin(i), count = blocks.size(i);
      packed::pack_block(b.raw<T>(), b.stride(), Index{1}, r0, count, n0, n, panel);
      for (Index s = 0; s < strips; ++s) {
        const T* tile = strip + r0 * strips * K::rows + s * count * K::rows;
        T* to = c + s * K::rows * c_row + n0;
        const Base<T> base = dest.add || i > 0 ? Base<T>{to, c_row} : Base<T>{};
        packed::micro_rows<T, true>(std::min(K::rows, m - s * K::rows), count, tile, 0, panel, to, c_row, width, base);
      }
    }
  });
}

}  // namespace

namespace {

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
void multiply_tn(const Array& a, const Array& b, const Dest& c) {
  dispatch(a.dtype(), [&]<class T>(T) { product_tn<T>(a, b, c); });
}

}  // namespace unroll
