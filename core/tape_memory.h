// What the parts of the tape's implementation share.
#pragma once

#include <cstdlib>
#include <unordered_map>
#include <vector>

#include <unroll/core/observer.h>
#include <unroll/core/tape.h>

namespace unroll {
inline namespace UNROLL_ABI {

/// What connects a tape to the outer one, into whose gradients its own go on.
struct Tape::Links {
  std::unordered_map<NodeId, NodeId> of;                    // for each node of the outer tape that is used, its link
  std::vector<NodeId> order;                                // the links
  std::unordered_map<const ParamData*, Tensor> parameters;  // as the first run found them
  bool again = false;                                       // it is not the first run

  const Tensor& parameter(Tape& outer, const Param& param);
};

inline void Tape::Products::clear() {
  pairs.clear();
  rows = 0;
  sum = Array();
}

/// What a tape needs and the next one can use again: nodes, the rules' arena, lists.
struct Tape::Memory {
  std::vector<Node*> chunks;
  std::vector<std::byte*> blocks;
  Index block = 0, used = 0;
  std::vector<Products> products;
  std::vector<std::vector<Rows>> rows;
  Index products_in_use = 0, rows_in_use = 0;
  std::vector<Id> places;  // of the rows of a table in its gradient, while that is being put together
  std::vector<Leaf> leaves;
  std::vector<std::uint32_t> leaf_table =
      std::vector<std::uint32_t>(64, 0);  // open addressing; 0 is empty, else index+1

  std::unique_ptr<detail::Notes> notes;  // while somebody observes

  static constexpr Index block_bytes = Index{1} << 16;
  static thread_local std::vector<std::unique_ptr<Memory>> spare;

  ~Memory() {
    for (Node* nodes : chunks) delete[] nodes;
    for (std::byte* bytes : blocks) std::free(bytes);
  }
  static Index slot(const ParamData* data, Index capacity) {
    return (reinterpret_cast<std::uintptr_t>(data) * 0x9e3779b97f4a7c15u >> 20) & (capacity - 1);
  }
  void rehash(Index capacity) {
    leaf_table.assign(capacity, 0);
    for (std::uint32_t i = 0; i < leaves.size(); ++i) {
      Index s = slot(leaves[i].data, capacity);
      while (leaf_table[s] != 0) s = (s + 1) & (capacity - 1);
      leaf_table[s] = i + 1;
    }
  }
};

}  // namespace UNROLL_ABI
}  // namespace unroll
