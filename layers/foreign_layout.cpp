#include <algorithm>
#include <numeric>
#include <set>

#include <unroll/layers/foreign_layout.h>

namespace unroll {
namespace {

/// A parameter's identity.
const ParamData* key(const Param& param) { return &param.data(); }

bool is_bias(Role role) { return role == Role::bias || role == Role::recurrent_bias; }

const char* name(Gate gate) {
  switch (gate) {
    case Gate::input:
      return "input gate";
    case Gate::forget:
      return "forget gate";
    case Gate::candidate:
      return "candidate";
    case Gate::output:
      return "output gate";
    case Gate::update:
      return "update gate";
    case Gate::reset:
      return "reset gate";
  }
  return "";
}

/// The columns of a gate.
struct Found {
  Param param;
  Index first;
};

std::optional<Found> find(const CellGates& cell, Role role, Gate gate, Index hidden) {
  for (const GateColumns& columns : cell.columns) {
    const auto at = std::ranges::find(columns.gates, gate);
    if (columns.role != role || at == columns.gates.end()) continue;
    return Found{columns.param, static_cast<Index>(at - columns.gates.begin()) * hidden};
  }
  return std::nullopt;
}

/// Calls f(index in ours, index in theirs) for every number of a link.
template <class F>
void for_each_number(const Link& link, F f) {
  const Array& ours = link.param.value();
  for (Index i = 0; i < ours.rows(); ++i) {
    for (Index k = 0; k < link.count; ++k) {
      f(i * ours.cols() + link.first + k, link.start + i * link.per_row + k * link.per_column);
    }
  }
}

void check_link(const Link& link, const Shape& theirs) {
  const Array& ours = link.param.value();
  if (ours.rows() == 0 || link.count == 0) return;
  const Index last = link.start + (ours.rows() - 1) * link.per_row + (link.count - 1) * link.per_column;
  require<UsageError>(link.first + link.count <= ours.cols() && last < theirs.size(),
                      "a link between '{}' {} and '{}' {} leads outside of them", link.param.name(), ours.shape(),
                      link.tensor, theirs);
}

Array in_f64(const Array& array) {
  const Array wide = array.to(f64);
  return wide.contiguous() ? wide : wide.copy();
}

/// Insertions, deletions and replacements from one name to the other.
Index edits(const std::string& a, const std::string& b) {
  std::vector<Index> row(b.size() + 1);
  std::iota(row.begin(), row.end(), Index{0});
  for (Index i = 0; i < a.size(); ++i) {
    Index diagonal = std::exchange(row[0], i + 1);
    for (Index j = 0; j < b.size(); ++j) {
      const Index replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// "; the nearest name there is …", if one is near. Of very many names none is looked for: a file can hold a million.
std::string nearest(const std::string& name, const std::vector<std::string>& others, const char* text) {
  constexpr Index most = 1000;
  if (others.size() > most) return "";
  const std::string* best = nullptr;
  Index fewest = 0;
  for (const std::string& other : others) {
    const Index shorter = std::min(name.size(), other.size()), longer = std::max(name.size(), other.size());
    if (2 * (longer - shorter) > longer) continue;
    const Index distance = edits(name, other);
    if (2 * distance > longer || (best != nullptr && distance >= fewest)) continue;
    best = &other, fewest = distance;
  }
  return best == nullptr ? "" : fmt::format("; {} '{}'", text, *best);
}

void check_names_and_shapes(const char* caller, const Arrays& theirs, const ForeignLayout& layout) {
  std::vector<std::string> missing, unknown;
  for (const auto& [tensor, shape] : layout.tensors) {
    if (!theirs.contains(tensor)) missing.push_back(tensor);
  }
  for (const auto& [tensor, array] : theirs) {
    if (!layout.tensors.contains(tensor)) unknown.push_back(tensor);
  }
  std::string misfits;
  for (const std::string& tensor : missing) {
    misfits += fmt::format("\n  '{}' {} is missing{}", tensor, layout.tensors.at(tensor),
                           nearest(tensor, unknown, "the nearest array is"));
  }
  for (const std::string& tensor : unknown) {
    misfits += fmt::format("\n  '{}' {} belongs to no module{}", tensor, theirs.at(tensor).shape(),
                           nearest(tensor, missing, "the nearest expected is"));
  }
  for (const auto& [tensor, shape] : layout.tensors) {
    const auto found = theirs.find(tensor);
    if (found != theirs.end() && found->second.shape() != shape) {
      misfits += fmt::format("\n  '{}' is {} and should be {}", tensor, found->second.shape(), shape);
    }
  }
  const auto names_bias = [](const std::string& tensor) { return tensor.find("bias") != tensor.npos; };
  if (std::ranges::any_of(missing, names_bias))
    misfits += "\n  (a module that has no biases is given as {…, {.bias = false}})";
  require<FileError>(misfits.empty(), "{}: the arrays do not fit the modules:{}", caller, misfits);
}

/// The layout's parameters, each once, in the order of its links.
std::vector<Param> params_of(const ForeignLayout& layout) {
  std::vector<Param> params;
  std::set<const ParamData*> seen;
  const auto take = [&](const Param& param) {
    if (seen.insert(key(param)).second) params.push_back(param);
  };
  for (const Link& link : layout.links) take(link.param);
  for (const Param& param : layout.zero) take(param);
  return params;
}

/// Fills their tensors with values(param) of each link; `once`: every number of ours goes to one place.
template <class Values>
Arrays to_foreign(const ForeignLayout& layout, bool once, Values values) {
  Arrays theirs;
  std::map<std::string, Dtype> dtypes;
  for (const auto& [tensor, shape] : layout.tensors) theirs[tensor] = Array::zeros(shape, f64);
  std::map<const ParamData*, Array> ours;
  std::set<std::pair<const ParamData*, Index>> written;
  for (const Link& link : layout.links) {
    check_link(link, theirs.at(link.tensor).shape());
    dtypes[link.tensor] = link.param.dtype();
    if (!written.emplace(key(link.param), link.first).second && once) continue;
    Array& source = ours[key(link.param)];
    if (!source.defined()) source = in_f64(values(link.param));
    const double* from = source.data<double>();
    double* to = theirs.at(link.tensor).writable<double>();
    for_each_number(link, [&](Index our, Index their) { to[their] = link.sign * from[our]; });
  }
  for (const auto& [tensor, dtype] : dtypes) theirs[tensor] = theirs[tensor].to(dtype);
  return theirs;
}

}  // namespace

void ForeignLayout::add(const std::string& tensor, const Param& param, bool transposed) {
  const Shape& shape = param.shape();
  const Index cols = param.value().cols();
  ForeignLayout one;
  one.tensors[tensor] = transposed ? Shape{shape[1], shape[0]} : shape;
  one.links.push_back({param, 0, cols, tensor, 0, transposed ? 1 : cols, transposed ? shape[0] : 1});
  add(one);
}

void ForeignLayout::add(const ForeignLayout& other) {
  std::set<const ParamData*> here;
  for (const Param& param : params_of(*this)) here.insert(key(param));
  for (const Param& param : params_of(other)) {
    require<UsageError>(!here.contains(key(param)), "parameter '{}' is given twice", param.name());
  }
  for (const auto& [tensor, shape] : other.tensors) {
    require<UsageError>(tensors.emplace(tensor, shape).second, "two modules have a tensor '{}'", tensor);
  }
  links.insert(links.end(), other.links.begin(), other.links.end());
  zero.insert(zero.end(), other.zero.begin(), other.zero.end());
}

Index hidden_of(const CellGates& cell) {
  std::optional<Index> hidden;
  for (const GateColumns& columns : cell.columns) {
    const bool projects = columns.role == Role::projection;
    const Index size = projects ? columns.param.value().rows() : columns.param.value().cols();
    const Index gates = projects ? 1 : columns.gates.size();
    if (!hidden && gates > 0) hidden = size / gates;
    require<UsageError>(hidden && gates * *hidden == size,
                        "gates: '{}' is {}, which is not {} blocks of {} units, as other parameters of the cell are",
                        columns.param.name(), columns.param.shape(), gates, hidden.value_or(0));
  }
  require<UsageError>(hidden.has_value(), "gates: the cell names no parameter");
  return *hidden;
}

ForeignLayout cell_layout(const CellGates& cell, const CellPlaces& theirs) {
  const Index hidden = hidden_of(cell);
  ForeignLayout layout;
  for (Index k = 0; k < theirs.gates.size(); ++k) {
    if (!theirs.gates[k]) continue;
    const Gate gate = *theirs.gates[k];
    const auto link = [&](const std::optional<Found>& ours, const GatePlaces& places, const char* what) {
      require<UsageError>(ours.has_value(), "gates: the cell has no {} of the {}", what, name(gate));
      layout.links.push_back({ours->param, ours->first, hidden, places.tensor, places.start + k * places.per_gate,
                              places.per_input, places.per_unit, gate == Gate::update ? -1.0 : 1.0});
    };
    link(find(cell, Role::input, gate, hidden), theirs.input, "input weights");
    link(find(cell, Role::recurrent, gate, hidden), theirs.recurrent, "recurrent weights");
    const auto bias = find(cell, Role::bias, gate, hidden), second = find(cell, Role::recurrent_bias, gate, hidden);
    for (Index i = 0; i < theirs.biases.size(); ++i) link(i == 1 && second ? second : bias, theirs.biases[i], "bias");
  }
  std::set<const ParamData*> linked;
  for (const Link& link : layout.links) linked.insert(key(link.param));
  for (const GateColumns& columns : cell.columns) {
    if (is_bias(columns.role) && !linked.contains(key(columns.param))) layout.zero.push_back(columns.param);
  }
  return layout;
}

void load_foreign(const char* caller, const Arrays& theirs, const ForeignLayout& layout) {
  check_names_and_shapes(caller, theirs, layout);
  std::map<const ParamData*, Array> values;
  std::set<std::pair<const ParamData*, Index>> filled;
  for (const Link& link : layout.links) {
    check_link(link, theirs.at(link.tensor).shape());
    Array& value = values[key(link.param)];
    if (!value.defined()) value = Array::zeros(link.param.shape(), f64);
    const Array source = in_f64(theirs.at(link.tensor));
    const double* from = source.data<double>();
    double* to = value.writable<double>();
    const bool first = filled.emplace(key(link.param), link.first).second;
    for_each_number(link, [&](Index our, Index their) {
      const double x = link.sign * from[their];
      if (first) {
        to[our] = x;
      } else if (x != 0) {  // −0 stays what it is
        to[our] += x;
      }
    });
  }
  for (const Param& param : layout.zero) values[key(param)] = Array::zeros(param.shape(), f64);
  for (const Param& param : params_of(layout)) values[key(param)] = values[key(param)].to(param.dtype());
  for (const Param& param : params_of(layout)) param.set(std::move(values[key(param)]));
}

Arrays to_foreign(const ForeignLayout& layout) {
  for (const Param& param : layout.zero) {
    for (Index i = 0; i < param.value().size(); ++i) {
      require<UsageError>(param.value().flat(i) == 0, "'{}' is not zero, and there is no bias to hold it",
                          param.name());
    }
  }
  return to_foreign(layout, true, [](const Param& param) { return param.value(); });
}

Arrays to_foreign(const ForeignLayout& layout, const Grads& grads) {
  return to_foreign(layout, false, [&](const Param& param) {
    return grads.contains(param) ? grads[param] : Array::zeros(param.shape(), param.dtype());
  });
}

}  // namespace unroll
