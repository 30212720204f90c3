// Training over a stream in which each batch goes on where the last one ended, by truncated backpropagation.
#pragma once

#include <deque>
#include <iterator>
#include <optional>
#include <utility>

#include <unroll/core/map_fields.h>
#include <unroll/core/ops.h>

namespace unroll {
namespace detail {

inline Index steps_in(const Ids& ids) { return ids.dim(0); }
inline Index steps_in(const Tensor& xs) { return xs.dim(0); }
inline Ids steps_between(const Ids& ids, Index from, Index to) {
  const Index batch = ids.dim(1);
  const auto at = [&](Index t) { return ids.begin() + static_cast<std::ptrdiff_t>(t * batch); };
  return {std::vector<Id>(at(from), at(to)), to - from, batch};
}
inline Tensor steps_between(const Tensor& xs, Index from, Index to) { return slice(xs, 0, from, to); }

}  // namespace detail

/// The bookkeeping of truncated backpropagation through time, BPTT(h; h') of Williams and Peng 1990: after every k1
/// steps, the errors of these go back through the last k2 ≥ k1 steps. It remembers the inputs that may be needed once
/// more and the states they started from; `stateful` is the comfortable way in.
///
/// Inputs are ids [T, B] or a tensor [T, B, …], a state anything that `map_fields` knows.
template <class State, class Input>
class BpttWindow {
 public:
  /// `through` is k2; 0 stands for k1, and then nothing is computed twice.
  explicit BpttWindow(Index through = 0) : through_(through) {}

  /// Starts anew from this state.
  void reset(const State& start) {
    pieces_.clear();
    last_ = detach(start);
  }
  /// The state before the next `steps` inputs. The k2 − `steps` steps before them are computed once more, by
  /// run(inputs, state) → State, on the tape in scope, with the parameters as they are now; without a tape none are.
  /// Errors: 0 < k2 < steps.
  template <class Run>
  State before(Index steps, Run&& run) {
    require<UsageError>(through_ == 0 || through_ >= steps,
                        "truncated backpropagation: through {} steps after every {}; it must be at least as many",
                        through_, steps);
    Index known = 0;  // steps of the pieces
    for (const Piece& piece : pieces_) known += detail::steps_in(piece.inputs);
    const Index wanted = through_ > steps ? through_ - steps : 0;
    while (!pieces_.empty() && known - detail::steps_in(pieces_.front().inputs) >= wanted) {
      known -= detail::steps_in(pieces_.front().inputs);
      pieces_.pop_front();
    }
    require<UsageError>(last_.has_value(), "truncated backpropagation: there is no state to start from");
    if (pieces_.empty() || Tape::current() == nullptr) return *last_;
    State state = pieces_.front().start;
    Index skipped = known > wanted ? known - wanted : 0;  // of the first piece
    if (skipped > 0) {
      const Tape forgotten;
      state = detach(run(detail::steps_between(pieces_.front().inputs, 0, skipped), state));
    }
    for (Piece& piece : pieces_) {
      if (skipped == 0) {
        piece.start = detach(state);
        state = run(piece.inputs, state);
      } else {
        state = run(detail::steps_between(piece.inputs, skipped, detail::steps_in(piece.inputs)), state);
        skipped = 0;
      }
    }
    last_ = detach(state);
    return state;
  }
  /// These were the next inputs, and this is the state after them.
  void after(Input inputs, const State& last) {
    require<UsageError>(through_ == 0 || last_.has_value(),
                        "BpttWindow: there is no state before these inputs; reset comes first");
    if (through_ > 0) pieces_.push_back({std::move(inputs), std::move(*last_)});
    last_ = detach(last);
  }

 private:
  struct Piece {
    Input inputs;
    State start;
  };
  Index through_;
  std::deque<Piece> pieces_;  // the latest inputs, in order
  std::optional<State> last_;
};

struct StatefulOptions {
  /// Backpropagate through so many steps, those of the batch and some before it (k2 of BpttWindow); 0: those of the
  /// batch.
  Index through = 0;
};

/// The state that a loop over `stateful` batches carries: give it to the model, and assign the state after the batch.
template <class Model>
class Carried {
 public:
  using State = typename Model::State;

  /// The state before the batch, cut off from whatever came before the window of backpropagation.
  operator State() {
    return window_.before(inputs_->dim(0),
                          [&](const Ids& ids, const State& state) { return (*model_)(ids, state).last; });
  }
  /// The state after the batch. No tape remembers it.
  Carried& operator=(const State& last) {
    window_.after(*inputs_, last);
    given_ = true;
    return *this;
  }

 private:
  template <class, class>
  friend class Stateful;
  Carried(const Model& model, const StatefulOptions& options) : model_(&model), window_(options.through) {}

  void enter(const Ids& inputs, bool first) {
    first = first || inputs_ == nullptr;
    require<UsageError>(
        given_ || inputs_ == nullptr,
        "stateful: the state after a batch was not handed on; end the loop's body with `state = last;`");
    require<UsageError>(
        first || inputs.dim(1) == lanes_,
        "stateful: a batch of {} lanes goes on where one of {} ended; only one that is `first` may start "
        "anew",
        inputs.dim(1), lanes_);
    if (first) window_.reset(model_->zero_state(inputs.dim(1)));
    inputs_ = &inputs;
    lanes_ = inputs.dim(1);
    given_ = false;
  }

  const Model* model_;
  BpttWindow<State, Ids> window_;
  const Ids* inputs_ = nullptr;
  Index lanes_ = 0;
  bool given_ = false;
};

/// A range of batches, each with the state to start it from; see `stateful`.
template <class Batches, class Model>
class Stateful {
 public:
  using Batch = std::decay_t<decltype(*std::declval<const Batches&>().begin())>;
  struct Item {
    Batch batch;
    Carried<Model> state;
  };

  Stateful(Batches batches, const Model& model, const StatefulOptions& options)
      : batches_(std::move(batches)), item_{{}, Carried<Model>(model, options)} {}

  class Iterator {
   public:
    explicit Iterator(Stateful& range) : range_(&range), at_(range.batches_.begin()) {
      range.item_.state.inputs_ = nullptr;
      enter();
    }
    Item& operator*() const { return range_->item_; }
    Iterator& operator++() {
      ++at_;
      enter();
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return at_ == range_->batches_.end(); }

   private:
    void enter() {
      if (*this == std::default_sentinel) return;
      range_->item_.batch = *at_;
      range_->item_.state.enter(range_->item_.batch.ids, range_->item_.batch.first);
    }
    Stateful* range_;
    decltype(std::declval<const Batches&>().begin()) at_;
  };
  /// One pass; a second one begins anew.
  Iterator begin() { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  const Batches batches_;
  Item item_;
};

/// Batches that go on where the last one ended (a `Stream`, or any range of what has `ids` [T, B] and `first`), each
/// with the model's state: carried from batch to batch in every lane, zero where a batch is `first` (the first of a
/// pass always is), and cut off from the tape. The model has a `State`, `zero_state(lanes)` and model(ids, state),
/// whose result has the state after the ids as `last`, and must outlive the loop.
///
///     for (auto& [batch, state] : stateful(stream(ids, {.lanes = 32, .steps = 64}), model)) {
///       Tape tape;
///       auto [logits, last] = model(batch.ids, state);
///       adam.step(params, clip(tape.backward(cross_entropy(logits, batch.targets, Reduce::per_token)), 1.0));
///       state = last;
///     }
///
/// With `{.through = 256}` the errors of each batch go back through 256 steps, at the price of computing those before
/// the batch once more. Errors: the state was not handed on; `through` less than the batch's steps; another number of
/// lanes in the middle of a stream.
template <class Batches, class Model>
Stateful<Batches, Model> stateful(Batches batches, const Model& model, const StatefulOptions& options = {}) {
  return {std::move(batches), model, options};
}
template <class Batches, class Model>
Stateful<Batches, Model> stateful(Batches batches, const Model&& model, const StatefulOptions& options = {}) = delete;

}  // namespace unroll
