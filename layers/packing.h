// Where the steps of a batch go whose sequences do not all read every step.
#pragma once

#include <vector>

#include <unroll/core/ops.h>

namespace unroll {

struct ScanOptions {
  /// The length of each sequence [B]; empty: all have T steps. A sequence's state stops changing at its end, outputs
  /// beyond it are zero, and what lies there is never read.
  std::vector<Index> lengths = {};
  /// From the last step to the first, each sequence from its own end; outputs stay in their places.
  bool reverse = false;
  /// Which steps each sequence reads, [T, B] of 0 and 1, as a comparison makes it; without a value: all. Where it is 0
  /// the state stays exactly what it was, the output is zero, and what lies there is never read. No gradient flows
  /// into it.
  Tensor mask = {};
  /// Where nothing is read, show the sequence's last output before (zero before the first) in place of zero: what Keras
  /// does unless told zero_output_for_mask=True.
  bool repeat_outputs = false;
  /// Keep the state at every so many steps only, and compute what lies between once more in backward: with √T, of a
  /// thousand steps' memory some sixty's are left, for about a third more time (Chen et al. 2016). 0: keep everything.
  /// Every bit of every value and gradient stays the same: see `recomputed` for what a cell must not do, and `Cell` for
  /// what `project` may.
  Index checkpoint_every = 0;
};

namespace detail {

/// Where the tokens of such a batch go: packed in time order, the sequences that read most first, without what is not
/// read.
struct Packing {
  Ids tokens;                // for each packed row, its row in [T·B]
  std::vector<Index> sizes;  // how many sequences are alive at each step
  Ids order;                 // for each packed sequence, its place in the batch
  Ids places;                // for each row of [T, B], the packed row that it shows, or the row after the last one
  Ids back;                  // for each place in the batch, its packed sequence
  bool sorted = true;        // the batch is in the packed order already
};
Packing pack(const ScanOptions& options, Index steps, Index batch);

void check_scan(const Tensor& xs, const ScanOptions& options);

}  // namespace detail
}  // namespace unroll
