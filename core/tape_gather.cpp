// Gradients that the tape gathers over all uses of a matrix, to compute them at once: products, and rows of a table.
#include <algorithm>

#include <unroll/core/tape_memory.h>

namespace unroll {
inline namespace UNROLL_ABI {

void Tape::give_product(NodeId id, Array a, Array g) {
  if (id == no_node) return;
  Memory& m = *memory_;
  Node& x = at(id);
  require(x.shape.ndim() == 2 && x.shape[0] == a.cols() && x.shape[1] == g.cols() && a.rows() == g.rows() &&
              a.dtype() == x.dtype && g.dtype() == x.dtype,
          "outer: aᵀ dy of {} {} and {} {} is no gradient of {} {} (the result of '{}')", name(a.dtype()), a.shape(),
          name(g.dtype()), g.shape(), name(x.dtype), x.shape, x.op);
  if (!fast_paths()) return multiply_tn(a, g, dest(id));
  if (x.pairs < 0) {
    x.pairs = static_cast<std::int32_t>(m.pairs_in_use++);
    if (m.pairs.size() < m.pairs_in_use) m.pairs.emplace_back();
  }
  m.pairs[static_cast<Index>(x.pairs)].push_back({std::move(a), std::move(g)});
}

void Tape::give_rows(NodeId id, PooledList<Id> ids, Array g) {
  if (id == no_node) return;
  Memory& m = *memory_;
  Node& x = at(id);
  if (x.rows < 0) {
    x.rows = static_cast<std::int32_t>(m.rows_in_use++);
    if (m.rows.size() < m.rows_in_use) m.rows.emplace_back();
  }
  m.rows[static_cast<Index>(x.rows)].push_back({std::move(ids), std::move(g)});
}

namespace {

/// to[place(i)] += row i of g
template <class Place>
void scatter(const Array& to, const Array& g, Place place) {
  dispatch(g.dtype(), [&]<class T>(T) {
    const Index cols = g.cols();
    for (Index i = 0, n = g.rows(); i < n; ++i) {
      T* into = to.raw<T>() + static_cast<Index>(place(i)) * to.stride();
      const T* from = g.raw<T>() + i * g.stride();
      for (Index c = 0; c < cols; ++c) into[c] += from[c];
    }
  });
}

/// The arrays of all pairs as one matrix, in recorded order: as they lie if they follow each other in memory (they come
/// last first), else copied together.
template <class Pairs, class Get>
Array gathered(const Pairs& pairs, Index rows, Get get) {
  bool adjacent = true;
  for (Index i = 1; i < pairs.size() && adjacent; ++i) {
    const Array &later = get(pairs[i - 1]), &earlier = get(pairs[i]);
    adjacent = later.buffer() == earlier.buffer() && later.stride() == earlier.stride() &&
               later.same_place(earlier.part(earlier.rows(), 0, later.shape()));
  }
  const Array& first = get(pairs.back());
  if (adjacent) return first.part(0, 0, {rows, first.cols()});
  Array all = Array::uninitialised({rows, first.cols()}, first.dtype());
  Index row = 0;
  for (Index i = pairs.size(); i-- > 0;) {
    const Array& a = get(pairs[i]);
    write({all.part(row, 0, a.shape()), false}, a);
    row += a.rows();
  }
  return all;
}

}  // namespace

void Tape::run_products(NodeId id) {
  auto& pairs = memory_->pairs[static_cast<Index>(at(id).pairs)];
  Index rows = 0;
  for (const auto& pair : pairs) rows += pair.a.rows();
  if (pairs.size() > 1 && rows / pairs.size() >= 1024) {  // large enough one by one: no need to bring them together
    for (const auto& pair : pairs) multiply_tn(pair.a, pair.g, dest(id));
  } else {
    const Array a = gathered(pairs, rows, [](const Pair& p) -> const Array& { return p.a; });
    const Array g = gathered(pairs, rows, [](const Pair& p) -> const Array& { return p.g; });
    multiply_tn(a, g, dest(id));
  }
  pairs.clear();
}

void Tape::run_rows(NodeId id) {
  const Dest d = dest(id);
  if (!d.add) zero_fill(d.into);
  auto& all = memory_->rows[static_cast<Index>(at(id).rows)];
  for (const Rows& rows : all) {
    scatter(d.into, rows.g, [&](Index i) { return rows.ids[i]; });
  }
  all.clear();
}

/// The gathered rows of a parameter as its gradient, when nothing else adds to that.
std::optional<RowGrad> Tape::take_rows(NodeId id) {
  Memory& m = *memory_;
  const Node& x = at(id);
  if (!fast_paths() || x.rows < 0 || x.pairs >= 0 || x.watched || x.grad.defined()) return std::nullopt;
  auto& all = m.rows[static_cast<Index>(x.rows)];
  if (m.places.size() < x.shape[0]) m.places.resize(x.shape[0], -1);
  Index total = 0, used = 0;
  for (const Rows& rows : all) total += rows.ids.size();
  PooledList<Id> ids(std::min(total, x.shape[0]));
  for (const Rows& rows : all) {
    for (const Id row : rows.ids) {
      if (std::exchange(m.places[static_cast<Index>(row)], 0) < 0) ids[used++] = row;
    }
  }
  std::sort(ids.begin(), ids.begin() + used);
  for (Index i = 0; i < used; ++i) m.places[static_cast<Index>(ids[i])] = static_cast<Id>(i);
  // As large as the largest number of rows: the next step's, of other words, finds this one's memory.
  const Array values = Array::uninitialised({ids.size(), x.shape[1]}, x.dtype).part(0, 0, {used, x.shape[1]});
  zero_fill(values);
  for (const Rows& rows : all) {
    scatter(values, rows.g, [&](Index i) { return m.places[static_cast<Index>(rows.ids[i])]; });
  }
  for (Index i = 0; i < used; ++i) m.places[static_cast<Index>(ids[i])] = -1;
  ids.shorten(used);
  all.clear();
  return RowGrad{std::move(ids), values};
}

}  // namespace UNROLL_ABI
}  // namespace unroll
