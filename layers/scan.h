// Running a cell over time.
#pragma once

#include <unroll/layers/scan_checkpointed.h>

namespace unroll {
namespace detail {

template <class C>
Scanned<typename C::State> scan_dense(const C& cell, const Tensor& xs, typename C::State state, bool reverse) {
  std::vector<Tensor> outputs;
  outputs.reserve(xs.dim(0));
  ScanFrame frame(xs.dim(0), xs.dim(1), reverse);
  std::vector<Tensor> zs = steps_of(project(cell, reverse ? flip(xs, 0) : xs));
  OutputBlock block(places_for<C>(zs.size()));
  auto last = run_steps(cell, std::move(zs), std::move(state), block, 0, outputs, &frame);
  frame.end();
  const Tensor all = stack(outputs);
  return {named("outputs", reverse ? flip(all, 0) : all), std::move(last)};
}

template <class C>
Scanned<typename C::State> scan_ragged(const C& cell, const Tensor& xs, typename C::State state,
                                       const ScanOptions& options) {
  const Index steps = xs.dim(0), batch = xs.dim(1), width = xs.size() / std::max<Index>(1, steps * batch);
  const Packing packing = pack(options, steps, batch);
  const Index hidden = packing.sizes.empty() ? output(cell, state).dim(-1) : 0;
  if (!packing.sorted) {
    state = map_fields(state, [&](const Tensor& x) { return reordered(x, packing.order); });
  }
  RaggedRun<typename C::State> run{std::move(state), batch, {}, {}};
  const Tensor flat = reshape(xs, {steps * batch, width});
  if (packing.sizes.empty()) {  // nobody reads anything
  } else if (options.checkpoint_every > 0 && Tape::current() != nullptr) {
    run_checkpointed(cell, flat, packing, options, batch, run);
  } else {
    ScanFrame frame(steps, batch, options.reverse, packing.tokens);
    run_steps(cell, split(project(cell, rows(flat, packing.tokens)), packing.sizes, 0), run, &frame);
  }
  auto last = list_fields(run.state);
  for (Index field = 0; field < last.size(); ++field) {
    std::vector<Tensor> pieces{last[field]};
    for (Index i = run.ended.size(); i-- > 0;) pieces.push_back(run.ended[i][field]);
    if (pieces.size() > 1) last[field] = concat(pieces, 0);
    if (!packing.sorted) last[field] = reordered(last[field], packing.back);
  }
  auto& outputs = run.outputs;
  outputs.push_back(Tensor::zeros({1, outputs.empty() ? hidden : outputs.back().dim(-1)}, xs.dtype()));  // not read
  return {named("outputs", rows(concat(outputs, 0), packing.places)), with_fields(run.state, last)};
}

}  // namespace detail

/// Runs a cell (or a layer that scans itself, such as Stack and Bidirectional) over xs [T, B, I] from an initial state.
/// Errors: the shape of xs, lengths, a mask or an initial state that do not fit.
template <class C>
Scanned<typename C::State> scan(const C& cell, const Tensor& xs, typename C::State state,
                                const ScanOptions& options = {}) {
  detail::check_scan(xs, options);
  detail::check_start(xs, state);
  if constexpr (requires { cell.scan(xs, state, options); }) {
    return cell.scan(xs, state, options);
  } else {
    static_assert(Cell<C>, "scan needs a cell: a State, zero_state(batch) and step(x, state)");
    [[maybe_unused]] const auto weights = substitutes(cell);
    auto start = begin(cell, xs, std::move(state));
    if (!options.lengths.empty() || options.mask.defined()) {
      return detail::scan_ragged(cell, start.xs, std::move(start.state), options);
    }
    if (options.checkpoint_every > 0 && Tape::current() != nullptr) {
      return detail::scan_checkpointed(cell, start.xs, std::move(start.state), options);
    }
    return detail::scan_dense(cell, start.xs, std::move(start.state), options.reverse);
  }
}

/// The same from the zero state.
template <class C>
Scanned<typename C::State> scan(const C& cell, const Tensor& xs, const ScanOptions& options = {}) {
  detail::check_scan(xs, options);
  return scan(cell, xs, cell.zero_state(xs.dim(1)), options);
}

/// The state after every step, from the zero state.
template <Cell C>
std::vector<typename C::State> scan_states(const C& cell, const Tensor& xs) {
  detail::check_scan(xs, {});
  std::vector<typename C::State> states;
  [[maybe_unused]] const auto weights = substitutes(cell);
  auto start = begin(cell, xs, cell.zero_state(xs.dim(1)));
  detail::ScanFrame frame(xs.dim(0), xs.dim(1), false);
  for (const Tensor& z : unstack(project(cell, start.xs))) {
    frame.next(xs.dim(1));
    states.push_back(start.state = cell.step(z, start.state));
  }
  return states;
}

}  // namespace unroll
