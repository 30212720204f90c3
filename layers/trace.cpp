#include <algorithm>

#include <unroll/layers/trace.h>

namespace unroll {

const Array* Trace::find(std::string_view name) const {
  const auto it = std::find_if(values_.begin(), values_.end(), [&](const auto& value) { return value.first == name; });
  return it == values_.end() ? nullptr : &it->second;
}

const Array& Trace::operator[](std::string_view name) const {
  if (const Array* found = find(name)) return *found;
  std::string known;
  for (const auto& [each, value] : values_) known += (known.empty() ? "" : ", ") + each;
  throw UsageError(fmt::format("trace: there is no '{}'; there are: {}", name, known));
}

namespace detail {

void Tracer::named(const NamedValue& e) {
  if (e.place.nested) return;
  const Index step = e.place.in == Place::In::step ? e.place.step + 1 : 0;
  const Index count = ++occurrences_[{e.name, step}];
  const std::string name = count == 1 ? e.name : fmt::format("{}#{}", e.name, count);
  const auto [at, is_new] = index_.try_emplace(name, all_.size());
  if (is_new) all_.push_back({name, {}});
  all_[at->second].pieces.push_back({e.value.copy(), e.place});
}

/// The pieces of all steps as one array [T, B, …], or [T, …] when they have no axis of sequences.
Array Tracer::joined(const Named& named) {
  using In = Place::In;
  const auto has_rows = [](const Piece& piece) {
    const Shape& s = piece.value.shape();
    return piece.place.has_rows(s.ndim(), s.ndim() > 0 ? s[0] : 0, s.ndim() > 1 ? s[1] : 0);
  };
  const Piece& first = named.pieces.front();
  const bool by_rows = std::all_of(named.pieces.begin(), named.pieces.end(), has_rows);
  // The axes behind those of time and sequences.
  const auto rest = [&](const Piece& piece) {
    const Shape& s = piece.value.shape();
    const bool both = piece.place.in == In::projection && !piece.place.ragged;
    return by_rows ? Shape(s.begin() + (both ? 2 : 1), s.end()) : s;
  };
  if (first.place.in == In::nothing || (first.place.in == In::projection && !by_rows)) return first.value;
  Shape shape{first.place.steps};
  if (by_rows) shape.append(first.place.batch);
  for (const auto extent : rest(first)) shape.append(extent);
  const Array all = Array::zeros(shape, first.value.dtype());
  for (const Piece& piece : named.pieces) {
    require(rest(piece) == rest(first) && piece.place.steps == first.place.steps,
            "trace: '{}' is {} at one step and {} at another", named.name, first.value.shape(), piece.value.shape());
    const Index rows = shape[0] * (by_rows ? shape[1] : 1), width = all.size() / std::max<Index>(1, rows);
    const Array to = all.reshaped({rows, width});
    const Index t = piece.place.reverse ? piece.place.steps - 1 - piece.place.step : piece.place.step;
    const Array from = piece.value.reshaped({by_rows ? piece.value.size() / std::max<Index>(1, width) : 1, width});
    for (Index r = 0; r < from.rows(); ++r) {
      write({to.part(by_rows ? piece.place.row(r) : t, 0, {1, width}), false}, from.part(r, 0, {1, width}));
    }
  }
  return all;
}

Trace Tracer::trace() const {
  Trace trace;
  for (const Named& named : all_) trace.values_.emplace_back(named.name, joined(named));
  return trace;
}

}  // namespace detail
}  // namespace unroll
