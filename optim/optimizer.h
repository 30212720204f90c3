// What all optimizers share: which parameters a step touches, and what is remembered about each of them.
#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <unroll/core/grads.h>
#include <unroll/core/params.h>
#include <unroll/core/threads.h>

namespace unroll {

/// What an optimizer remembers, as named arrays, which a checkpoint holds as they are. For every parameter
/// `<parameter>/steps`, the number of its updates (f64, of shape []), and once there were any, each moment in the
/// parameter's shape: `lm.cell.wx/first_moment`, say.
using OptimizerState = std::map<std::string, Array>;

/// Any optimizer; `std::unique_ptr<Optimizer>` holds one that is chosen at run time. It serves one set of parameters.
///
/// A table of which a step used some rows only (an embedding) is updated as if the gradient of the others were the zero
/// that it is: momentum, decay and Adam's moments go on moving them, and the step costs as much as the table is large.
/// With the option `lazy_rows` a row that was not used keeps its value and its moments, as in PyTorch's SparseAdam, and
/// the step costs what the used rows cost. Where both are the same (Sgd without momentum and decay) it always does.
///
/// A new one names its moments, checks its options, and says in `update` what happens to one parameter.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Updates every parameter in `params` that has a gradient and is not frozen; all others, and their moments, stay as
  /// they are. Moments follow a parameter that was converted by `params.to(dtype)`.
  /// Errors: the parameters of an earlier step are not among these; a gradient's shape or dtype is not its parameter's.
  void step(Params& params, const Grads& grads) { step(params, grads, common_.rate); }
  /// The same at another rate, from a schedule. Errors: it is negative or not finite.
  void step(Params& params, const Grads& grads, double rate);

  /// What to save, so that training goes on from it bit for bit.
  OptimizerState state(const Params& params) const;
  /// Takes over what `state` gave for parameters of these names and shapes; f32 and f64 are converted into each other.
  /// Errors: an entry is missing, unknown or ill-shaped; then nothing has changed.
  void restore(const Params& params, OptimizerState state);

 protected:
  /// What every optimizer is told.
  struct Common {
    double rate, weight_decay;
    bool decay_matrices_only, lazy_rows;
  };
  Optimizer(std::string name, std::vector<std::string> moments, const Common& options);
  Optimizer(const Optimizer&) = default;
  Optimizer& operator=(const Optimizer&) = default;

  /// What one update sees: one parameter, its gradient and its moments, all contiguous and of one dtype.
  struct Update {
    Array& value;
    const Array& grad;
    std::span<Array> moments;  // in the order of their names; zeros before the first update
    Index number;              // 1 in the parameter's first update
    double rate;
    double decay;                // the weight decay that applies to this parameter
    const PooledList<Id>* rows;  // null, or those that the gradient has and that alone are updated
  };
  virtual void update(const Update& update) const = 0;

  /// Errors: not 0 ≤ `value` < `limit`.
  void require_option(const char* option, double value, double limit = std::numeric_limits<double>::infinity()) const;

  /// Calls `piece(i, j, count)` for pieces that cover what is updated, from element i of the value and the moments and
  /// element j of the gradient on; on all threads when there are several pieces.
  template <class F>
  static void in_pieces(const Update& update, F piece) {
    constexpr Index length = 1 << 15;
    const Index size = update.grad.size();
    if (update.rows == nullptr) {
      parallel_for((size + length - 1) / length,
                   [&](Index p) { piece(p * length, p * length, std::min(length, size - p * length)); },
                   size >= 8 * length);
      return;
    }
    const Index width = update.grad.cols(), rows = update.rows->size();
    const Index each = std::max<Index>(1, length / std::max<Index>(1, width));
    parallel_for((rows + each - 1) / each,
                 [&](Index p) {
                   for (Index r = p * each; r < std::min(rows, (p + 1) * each); ++r) {
                     piece(static_cast<Index>((*update.rows)[r]) * width, r * width, width);
                   }
                 },
                 size >= 8 * length);
  }

 private:
  struct Slot {
    Param param;
    Index steps = 0;
    std::vector<Array> moments;
  };
  void require_same(const Params& params) const;

  std::string name_;
  std::vector<std::string> moments_;
  Common common_;
  std::vector<Slot> slots_;  // in the order of the parameters
};

}  // namespace unroll
