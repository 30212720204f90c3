// A tensor in the place of a parameter, for as long as a scope lasts.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <unroll/core/params.h>

namespace unroll {

/// While it lives, the parameter used as a tensor on this thread is `tensor`: weights that are dropped, normalised,
/// quantised or given from outside, in a layer that knows nothing of it.
///
///     const Substitute normalised(cell.wh, cell.wh * gain / sqrt(sum(cell.wh * cell.wh, {0}, true)));
///
/// Where `tensor` is recorded, gradients go through it into whatever it was made of, the parameter itself say; the
/// products with it are gathered into one, as with a parameter. The parameter's own value, shape and name stay what
/// they are. The latest of several counts, and is made from what the earlier one gave. Movable, so that a function may
/// return one or many.
class Substitute {
 public:
  /// `by` says who put it there, for `active`. Errors: another shape or dtype than the parameter's.
  Substitute(const Param& param, Tensor tensor, const void* by = nullptr);

  /// What stands for the parameter on this thread, or null.
  static const Tensor* find(const ParamData& param);
  /// Whether something that `by` put there lives on this thread.
  static bool active(const void* by);
  /// Puts in place once more, after these have ended, what now lives on this thread.
  static std::function<std::vector<Substitute>()> again();

 private:
  struct Entry;
  struct Unlink {
    void operator()(Entry* entry) const;
  };
  std::unique_ptr<Entry, Unlink> entry_;
  static thread_local Entry* latest_;
};

}  // namespace unroll
