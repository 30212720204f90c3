// All inner values of a scan, by name.
#pragma once

#include <concepts>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <unroll/layers/scan.h>

namespace unroll {

namespace detail {
class Tracer;
}

/// What `trace` returns: arrays by name, in the order in which the names first occurred.
class Trace {
 public:
  /// Of the traced scan, [T, B, H].
  Array outputs;

  /// Errors: there is no such name (those that exist are listed).
  const Array& operator[](std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// Pairs of a name and its array.
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  Index size() const { return values_.size(); }

 private:
  friend class detail::Tracer;
  const Array* find(std::string_view name) const;
  std::vector<std::pair<std::string, Array>> values_;
};

namespace detail {

/// Collects what gets a name while it lives.
class Tracer final : Observer {
 public:
  /// Everything so far. Errors: a name whose shapes differ between time steps.
  Trace trace() const;

 private:
  /// One value, and where in [T·B] its rows belong.
  struct Piece {
    Array value;
    Place place;
  };
  struct Named {
    std::string name;
    std::vector<Piece> pieces;
  };

  void named(const NamedValue& e) override;
  bool wants_inner_names() const override { return true; }
  static Array joined(const Named& named);

  std::vector<Named> all_;
  std::map<std::string, Index, std::less<>> index_;             // of a name in all_
  std::map<std::pair<std::string, Index>, Index> occurrences_;  // of a name at one step
};

}  // namespace detail

/// Runs a cell or a layer over xs [T, B, I] as `scan` does and returns all inner values, whole sequences of them:
///
///     const Trace t = trace(lstm, xs);                     t["f"]   the forget gate [T, B, H]
///     const Trace t = trace(stack, xs, {.lengths = …});    t["0.f"], t["1.c"]; of a Bidirectional t["forward.f"]
///
/// There are the values that the cell names with `named`, in steps, projections and pointwise lambdas; the tensors of
/// the state after each step, by State::names (of states inside it too) or else as "state.0", "state.1", …; and each
/// layer's "outputs". All are [T, B, …] at the times of the input, also of a reversed scan; beyond a sequence's end,
/// and at steps without the value, they are zero. What has no axis of sequences is [T, …]; what was named outside of
/// the steps stays as it was. A name that occurs several times in one step is "f", "f#2", "f#3", … Scans inside a step
/// are left out. Values alone: needs no tape.
template <class C>
Trace trace(const C& cell, const Tensor& xs, const typename C::State& state, const ScanOptions& options = {}) {
  const detail::Tracer tracer;
  const Array outputs = scan(cell, xs, state, options).outputs.value();
  Trace result = tracer.trace();
  result.outputs = outputs;
  return result;
}
/// The same from the zero state.
template <class C>
  requires requires { typename C::State; }
Trace trace(const C& cell, const Tensor& xs, const ScanOptions& options = {}) {
  detail::check_scan(xs, options);
  return trace(cell, xs, cell.zero_state(xs.dim(1)), options);
}
/// What is named while f() runs: a whole model's forward pass. `outputs` stays empty.
template <std::invocable F>
Trace trace(F&& f) {
  const detail::Tracer tracer;
  f();
  return tracer.trace();
}

}  // namespace unroll
