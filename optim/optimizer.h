// What all optimizers share: which parameters a step touches, and what is remembered about each of them.
#pragma once

#include <array>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <unroll/core/grads.h>
#include <unroll/core/params.h>
#include <unroll/optim/pieces.h>
#include <unroll/optim/state.h>

namespace unroll {

/// What a group of parameters has of its own; what is not given stays what it is.
struct GroupOptions {
  std::optional<double> rate_factor =
      {};  // of the rate of each step, whether it is the option or comes from a schedule
  std::optional<double> weight_decay = {};
};

/// Any optimizer; `std::unique_ptr<Optimizer>` holds one that is chosen at run time. It serves one set of parameters.
///
/// A table of which a step used some rows only (an embedding) is updated as if the gradient of the others were the zero
/// that it is: momentum, decay and Adam's moments go on moving them, and the step costs as much as the table is large.
/// With the option `lazy_rows` a row that was not used keeps its value and its moments, as in PyTorch's SparseAdam, and
/// the step costs what the used rows cost. Where both are the same (Sgd without momentum and decay) it always does.
/// What counts steps (`/steps`, the corrections of Adam's bias) counts those of the whole table.
///
/// A new one names its moments, checks its options, and says in `update` what happens to one parameter.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Updates every parameter in `params` that has a gradient and is not frozen; all others, and their moments, stay as
  /// they are. Moments follow a parameter that was converted by `params.to(dtype)`.
  /// Errors: the parameters of an earlier step are not among these; a gradient's shape or dtype is not its parameter's;
  /// a group without parameters (the names that exist are listed). After an error, and when there is no memory for the
  /// moments (std::bad_alloc), no parameter and no moment has changed.
  void step(Params& params, const Grads& grads) { step(params, grads, common_.rate); }
  /// The same at another rate, from a schedule. Errors: it is negative or not finite.
  void step(Params& params, const Grads& grads, double rate);

  /// Gives all parameters whose name the glob describes (see core/glob.h) options of their own, from the next step on:
  ///
  ///     adam.group("*.b", {.weight_decay = 0}).group("lm.embedding.*", {.rate_factor = 0.1});
  ///
  /// Where groups overlap, the last one that gives an option decides it. Returns the optimizer. Groups are no part of
  /// the saved state, just as options are not. Errors: a negative or infinite option; see also `step`.
  Optimizer& group(std::string glob, const GroupOptions& options);

  /// What to save, so that training goes on from it bit for bit. For every parameter `<parameter>/steps`, the number of
  /// its updates (f64, of shape []), and once there were any, each moment in the parameter's shape, such as
  /// `lm.cell.wx/first_moment`, or as one number (f64, of shape []).
  OptimizerState state(const Params& params) const;
  /// Takes over what `state` gave for parameters of these names and shapes; f32 and f64 are converted into each other.
  /// Errors: an entry is missing, unknown or ill-shaped; then nothing has changed.
  void restore(const Params& params, OptimizerState state);

 protected:
  /// What every optimizer is told.
  struct Common {
    double rate, weight_decay;
    bool decay_matrices_only, lazy_rows;
    bool decoupled_decay = false;  // taken from w itself (Loshchilov and Hutter, 2019) instead of added to g
  };
  /// What is remembered of each parameter.
  struct Moment {
    std::string name;
    double start = 0;     // before the first update
    bool number = false;  // one number in f64, instead of an array in the parameter's shape and dtype
  };
  Optimizer(std::string name, std::vector<Moment> moments, const Common& options);
  Optimizer(const Optimizer&) = default;
  Optimizer& operator=(const Optimizer&) = default;

  /// What one update sees: one parameter, its gradient and its moments, all contiguous and of one dtype.
  struct Update {
    Array& value;
    const Array& grad;
    std::span<Array> moments;  // in the order they were named in
    Index number;              // 1 in the parameter's first update
    double rate;
    double decay;                // what is added to g, times w; 0 where the decay is decoupled
    double keep;                 // of w before the step: 1 − rate · decay where it is, else 1
    const PooledList<Id>* rows;  // null, or those that the gradient has and that alone are updated
  };
  /// Throws nothing: value and moments can be written to as they are.
  virtual void update(const Update& update) const = 0;

  /// Errors: not 0 ≤ `value` < `limit`.
  void require_option(const char* option, double value, double limit = std::numeric_limits<double>::infinity()) const;

  /// Calls f(w, g, m…) for every element that is updated, with references to its value and its first `moments` moments
  /// and its gradient; `make(T())` gives f for the dtype.
  template <Index moments, class Make>
  static void each_element(const Update& update, Make make) {
    dispatch(update.value.dtype(), [&]<class T>(T) {
      [&]<std::size_t... k>(std::index_sequence<k...>) {
        const auto f = make(T());
        T* w = update.value.writable<T>();
        const T* g = update.grad.data<T>();
        const std::array<T*, moments> m{update.moments[k].template writable<T>()...};
        in_pieces(update, [&](Index i, Index j, Index n) { loop(n, f, w + i, g + j, (m[k] + i)...); });
      }(std::make_index_sequence<moments>());
    });
  }
  /// Factors in the dtype they are needed in.
  template <class T, class... Numbers>
  static std::array<T, sizeof...(Numbers)> factors(Numbers... numbers) {
    return {static_cast<T>(numbers)...};
  }

 private:
  struct Slot {
    Param param;
    Index steps = 0;
    std::vector<Array> moments;
    GroupOptions own = {};
  };
  struct Group {
    std::string glob;
    GroupOptions options;
  };

  template <class F, class T, class... M>
  static void loop(Index n, F f, T* __restrict w, const T* __restrict g, M* __restrict... m) {
    for (Index i = 0; i < n; ++i) f(w[i], g[i], m[i]...);
  }
  /// Calls `piece(i, j, count)` for pieces that cover what is updated, from element i of the value and the moments and
  /// element j of the gradient on.
  template <class F>
  static void in_pieces(const Update& update, F piece) {
    const Index size = update.grad.size();
    if (update.rows == nullptr) return detail::in_pieces(size, [&](Index i, Index n) { piece(i, i, n); });
    const Index width = update.grad.cols(), rows = update.rows->size();
    const Index each = std::max<Index>(1, detail::piece_length / std::max<Index>(1, width));
    parallel_for((rows + each - 1) / each,
                 [&](Index p) {
                   for (Index r = p * each; r < std::min(rows, (p + 1) * each); ++r) {
                     piece(static_cast<Index>((*update.rows)[r]) * width, r * width, width);
                   }
                 },
                 size >= 8 * detail::piece_length);
  }
  void require_same(const Params& params) const;
  void take_in(const Params& params);
  Array start(const Moment& moment, const Array& value) const;

  std::string name_;
  std::vector<Moment> moments_;
  Common common_;
  std::vector<Slot> slots_;  // in the order of the parameters
  std::vector<Group> groups_;
  bool groups_applied_ = true;  // to all slots
};

}  // namespace unroll
