#pragma once

#include <unroll/core/ops.h>

namespace unroll {

/// A row of numbers for each id: the efficient equal of one_hot(ids)·E.   ids [T, B] or [N] → [T, B, size] or [N, size]
struct Embedding {
  Param table;

  Embedding(const Scope& p, Index ids, Index size, const Init& init = normal(0.1))
      : table(p("table", {ids, size}, init)) {}

  Tensor operator()(const Ids& ids) const { return rows(table, ids); }
};

}  // namespace unroll
