// Gradients that the tape gathers over all uses of a matrix, to compute them at once: products, and rows of a table.
#include <algorithm>
#include <span>

#include <unroll/core/tape_memory.h>

namespace unroll {
inline namespace UNROLL_ABI {

void Tape::give_product(NodeId id, Array a, Array g) {
  if (id == no_node) return;
  Memory& m = *memory_;
  Node& x = at(id);
  if (x.link != no_node && fast_paths()) return home(x).give_product(x.link, std::move(a), std::move(g));
  require(x.shape.ndim() == 2 && x.shape[0] == a.cols() && x.shape[1] == g.cols() && a.rows() == g.rows() &&
              a.dtype() == x.dtype && g.dtype() == x.dtype,
          "outer: aᵀ dy of {} {} and {} {} is no gradient of {} {} (the result of '{}')", name(a.dtype()), a.shape(),
          name(g.dtype()), g.shape(), name(x.dtype), x.shape, x.op);
  if (!fast_paths()) return multiply_tn(a, g, dest(id));
  if (x.pairs < 0) {
    if (m.products.size() == m.products_in_use) m.products.emplace_back();
    x.pairs = static_cast<std::int32_t>(m.products_in_use++);
  }
  Products& all = m.products[static_cast<Index>(x.pairs)];
  all.rows += a.rows();
  all.pairs.push_back({std::move(a), std::move(g)});
}

void Tape::give_rows(NodeId id, PooledList<Id> ids, Array g) {
  if (id == no_node) return;
  Memory& m = *memory_;
  Node& x = at(id);
  if (x.link != no_node) return home(x).give_rows(x.link, std::move(ids), std::move(g));
  if (x.rows < 0) {
    if (m.rows.size() == m.rows_in_use) m.rows.emplace_back();
    x.rows = static_cast<std::int32_t>(m.rows_in_use++);
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

/// Matrices one above the other, the last one first, as one: as they lie if they follow each other in memory, else
/// copied together.
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

Array rows_of(const Array& a, Index from, Index count) { return a.part(from, 0, {count, a.cols()}); }

/// Σ aᵀ g over pairs that were given the last first.
template <class Pair>
void multiply_pairs(std::span<const Pair> pairs, Index rows, Dest dest) {
  if (pairs.empty()) return;
  if (rows < 1024 * pairs.size()) {
    const Array a = gathered(pairs, rows, [](const Pair& p) -> const Array& { return p.a; });
    const Array g = gathered(pairs, rows, [](const Pair& p) -> const Array& { return p.g; });
    return multiply_tn(a, g, dest);
  }
  // Large ones need not be copied together: whole blocks are multiplied where they lie, and only those which belong to
  // two pairs are put together.
  std::vector<Pair> block;
  Index missing = product_block;
  const auto multiply = [&] {
    multiply_pairs<Pair>(block, product_block - missing, dest);
    dest.add = true;
    block.clear();
    missing = product_block;
  };
  for (const Pair& pair : pairs) {
    Index left = pair.a.rows();
    const auto take = [&](Index count) {
      left -= count;
      return Pair{rows_of(pair.a, left, count), rows_of(pair.g, left, count)};
    };
    if (!block.empty()) {
      const Index count = std::min(missing, left);
      block.push_back(take(count));
      missing -= count;
      if (missing == 0) multiply();
    }
    if (const Index whole = left / product_block * product_block; whole > 0) {
      const Pair body = take(whole);
      multiply_tn(body.a, body.g, dest);
      dest.add = true;
    }
    if (left > 0) {
      missing -= left;
      block.push_back(take(left));
    }
  }
  if (!block.empty()) multiply();
}

}  // namespace

/// What is there besides products comes first: so the bits do not depend on when they were multiplied.
void Tape::run_products(NodeId id) {
  Products& all = memory_->products[static_cast<Index>(at(id).pairs)];
  const std::span<const Pair> pairs(all.pairs);
  if (all.sum.defined()) {
    multiply_pairs(pairs, all.rows, {all.sum, true});
    give(id, std::move(all.sum), true);
  } else if (const Dest d = dest(id); !d.add) {
    multiply_pairs(pairs, all.rows, d);
  } else {
    const Array sum = Array::uninitialised(d.into.shape(), d.into.dtype());
    multiply_pairs(pairs, all.rows, {sum, false});
    write(d, sum);
  }
  all.clear();
}

/// Multiplies the whole blocks among the pairs that have come so far, and lets go of what they were part of.
void Tape::settle_products(NodeId id) {
  const Node& x = at(id);
  if (x.link != no_node) return home(x).settle_products(x.link);
  if (x.pairs < 0) return;
  Products& all = memory_->products[static_cast<Index>(x.pairs)];
  const Index keep = all.rows % product_block;
  std::vector<Pair> kept;
  Index missing = keep;
  for (Index i = all.pairs.size(); i-- > 0 && missing > 0;) {  // the first rows
    Pair& pair = all.pairs[i];
    const Index count = std::min(missing, pair.a.rows()), left = pair.a.rows() - count;
    kept.insert(kept.begin(), {rows_of(pair.a, 0, count).copy(), rows_of(pair.g, 0, count).copy()});
    pair = {rows_of(pair.a, count, left), rows_of(pair.g, count, left)};
    missing -= count;
  }
  std::erase_if(all.pairs, [](const Pair& pair) { return pair.a.rows() == 0; });
  if (all.rows > keep) {
    const bool add = all.sum.defined();
    if (!add) all.sum = Array::uninitialised(x.shape, x.dtype);
    multiply_pairs(std::span<const Pair>(all.pairs), all.rows - keep, {all.sum, add});
  }
  all.pairs = std::move(kept);
  all.rows = keep;
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
  // As large as the largest number of rows: the next step's, of other words, finds this one's memory. Made before a
  // place is marked, since without memory for it none may stay marked.
  const Array whole = Array::uninitialised({ids.size(), x.shape[1]}, x.dtype);
  for (const Rows& rows : all) {
    for (const Id row : rows.ids) {
      if (std::exchange(m.places[static_cast<Index>(row)], 0) < 0) ids[used++] = row;
    }
  }
  std::sort(ids.begin(), ids.begin() + used);
  for (Index i = 0; i < used; ++i) m.places[static_cast<Index>(ids[i])] = static_cast<Id>(i);
  const Array values = whole.part(0, 0, {used, x.shape[1]});
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
