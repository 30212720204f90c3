#include <algorithm>

#include <unroll/layers/foreign.h>

namespace unroll {
namespace {

bool has(const CellGates& cell, Role role) {
  return std::ranges::any_of(cell.columns, [&](const GateColumns& columns) { return columns.role == role; });
}

/// The parameter of a role that has one.
const Param& param_of(const CellGates& cell, Role role) {
  return std::ranges::find(cell.columns, role, &GateColumns::role)->param;
}

/// Features of the cell's input.
Index inputs_of(const CellGates& cell) { return param_of(cell, Role::input).dim(0); }
/// Features of its last output.
Index outputs_of(const CellGates& cell) { return param_of(cell, Role::recurrent).dim(0); }

/// Errors of a module that another framework cannot have.
template <class... Args>
void require_module(bool ok, const char* framework, const ForeignModule& module, fmt::format_string<Args...> text,
                    Args&&... args) {
  if (!ok) {
    throw UsageError(
        fmt::format("{}: module '{}': {}", framework, module.name, fmt::format(text, std::forward<Args>(args)...)));
  }
}

void check_cell(const char* framework, const ForeignModule& module, const CellGates& cell) {
  require_module(cell.kind != CellKind::without_likeness, framework, module, "there is no such cell in {}", framework);
  require_module(!has(cell, Role::peephole), framework, module, "there is no LSTM with peepholes in {}", framework);
  require_module(has(cell, Role::input) && has(cell, Role::recurrent), framework, module,
                 "its gates() name no weights of the input or of the recurrence");
  require_module(!module.options.bias || has(cell, Role::bias), framework, module,
                 "its cell has no biases; give it as {{…, {{.bias = false}}}}");
}

/// Adds what is in a module; errors name it.
void add(ForeignLayout& all, const char* framework, const ForeignModule& module, const ForeignLayout& layout) {
  try {
    all.add(layout);
  } catch (const UsageError& error) { require_module(false, framework, module, "{}", error.what()); }
}

/// Linear of either framework.
ForeignLayout linear_layout(const Linear& linear, const std::string& weight, bool transposed, const std::string& bias,
                            const ForeignOptions& options) {
  ForeignLayout layout;
  layout.add(weight, linear.w, transposed);
  if (options.bias) {
    layout.add(bias, linear.b);
  } else {
    layout.zero.push_back(linear.b);
  }
  return layout;
}

// ---- PyTorch ----

GateOrder torch_order(CellKind kind) {
  if (kind == CellKind::rnn) return {Gate::candidate};
  if (kind == CellKind::lstm) return {Gate::input, Gate::forget, Gate::candidate, Gate::output};
  return {Gate::reset, Gate::update, Gate::candidate};
}

/// Weights are [gates · H, in]; there are two biases [gates · H].
ForeignLayout torch_cell(const CellGates& cell, const std::string& prefix, const std::string& suffix, bool bias) {
  const Index hidden = hidden_of(cell);
  const GateOrder gates = torch_order(cell.kind);
  const Index rows = gates.size() * hidden;
  const auto tensor = [&](const char* name) { return prefix + name + suffix; };
  const auto weight = [&](const char* name, Index in) { return GatePlaces{tensor(name), 0, hidden * in, 1, in}; };
  CellPlaces places{gates, weight("weight_ih", inputs_of(cell)), weight("weight_hh", outputs_of(cell)), {}};
  if (bias) {
    for (const char* name : {"bias_ih", "bias_hh"}) places.biases.push_back({tensor(name), 0, hidden, 0, 1});
  }
  ForeignLayout layout = cell_layout(cell, places);
  layout.tensors[places.input.tensor] = {rows, inputs_of(cell)};
  layout.tensors[places.recurrent.tensor] = {rows, outputs_of(cell)};
  for (const GatePlaces& one : places.biases) layout.tensors[one.tensor] = {rows};
  if (has(cell, Role::projection)) layout.add(tensor("weight_hr"), param_of(cell, Role::projection), true);
  return layout;
}

ForeignLayout torch_module(const ForeignModule& module, const std::string& prefix, const LayerGates& layers) {
  const CellGates& first = layers.at(0).at(0);
  ForeignLayout layout;
  for (Index layer = 0; layer < layers.size(); ++layer) {
    require_module(layers[layer].size() == layers[0].size(), "PyTorch", module,
                   "some of its layers have one direction and others two, which is not one module there");
    for (Index direction = 0; direction < layers[layer].size(); ++direction) {
      const CellGates& cell = layers[layer][direction];
      check_cell("PyTorch", module, cell);
      require_module(cell.kind != CellKind::gru, "PyTorch", module,
                     "this Gru resets before the product and nn.GRU after it, which is another equation: make it with "
                     "Reset::after");
      require_module(cell.kind == first.kind, "PyTorch", module, "its cells are of several kinds");
      require_module(hidden_of(cell) == hidden_of(first) && outputs_of(cell) == outputs_of(first), "PyTorch", module,
                     "it has cells of {} and of {} units; there all layers of a module have the same size",
                     hidden_of(first), hidden_of(cell));
      require_module(!module.options.cell || (layers.size() == 1 && layers[0].size() == 1), "PyTorch", module,
                     "it is given as a cell and has {} of them", layers.size() * layers[0].size());
      const std::string suffix =
          module.options.cell ? "" : fmt::format("_l{}{}", layer, direction == 1 ? "_reverse" : "");
      layout.add(torch_cell(cell, prefix, suffix, module.options.bias));
    }
  }
  return layout;
}

// ---- Keras ----

/// What stands before "kernel" in the paths of a module's one or two cells. Where the arrays do not show it, Keras' own
/// names.
std::vector<std::string> keras_cells(const Arrays& theirs, const std::string& prefix, const CellGates& cell,
                                     Index directions, bool bare) {
  const std::string kind = cell.kind == CellKind::lstm ? "lstm" : cell.kind == CellKind::rnn ? "simple_rnn" : "gru";
  std::vector<std::string> usual{prefix + (bare ? "" : kind + "_cell/")};
  if (directions == 2) {
    usual = {prefix + "forward_" + kind + "/" + kind + "_cell/", prefix + "backward_" + kind + "/" + kind + "_cell/"};
  }
  const auto names_below = bare ? 0 : directions;  // how many names stand between the module's and the weight's
  const std::string ending = "recurrent_kernel";
  std::vector<std::string> found;
  for (const auto& [path, array] : theirs) {
    if (!path.starts_with(prefix) || !("/" + path).ends_with("/" + ending)) continue;
    const std::string before = path.substr(0, path.size() - ending.size());
    if (std::ranges::count(before.substr(prefix.size()), '/') == static_cast<std::ptrdiff_t>(names_below)) {
      found.push_back(before);
    }
  }
  if (found.size() != usual.size()) return usual;
  const auto forward = [&](const std::string& path) { return path.starts_with(prefix + "forward"); };
  std::ranges::stable_partition(found, forward);
  return found;
}

/// Kernels are [in, gates · H]; the bias is [gates · H], or [2, 3H] in a GRU that resets after the product.
ForeignLayout keras_cell(const Arrays& theirs, const ForeignModule& module, const CellGates& cell,
                         const std::string& prefix) {
  const Index hidden = hidden_of(cell);
  const bool gru = cell.kind == CellKind::gru || cell.kind == CellKind::gru_reset_after;
  const GateOrder gates = gru ? GateOrder{Gate::update, Gate::reset, Gate::candidate} : torch_order(cell.kind);
  const Index cols = gates.size() * hidden;
  const auto kernel = [&](const char* name) { return GatePlaces{prefix + name, 0, hidden, cols, 1}; };
  CellPlaces places{gates, kernel("kernel"), kernel("recurrent_kernel"), {}};
  const std::string bias = prefix + "bias";
  if (module.options.bias) {
    places.biases.push_back({bias, 0, hidden, 0, 1});
    if (cell.kind == CellKind::gru_reset_after) places.biases.push_back({bias, cols, hidden, 0, 1});
  }
  ForeignLayout layout = cell_layout(cell, places);
  layout.tensors[places.input.tensor] = {inputs_of(cell), cols};
  layout.tensors[places.recurrent.tensor] = {hidden, cols};
  if (!module.options.bias) return layout;
  layout.tensors[bias] = cell.kind == CellKind::gru_reset_after ? Shape{2, cols} : Shape{cols};

  const auto found = theirs.find(bias);
  if (found == theirs.end() || !gru) return layout;
  const bool after = cell.kind == CellKind::gru_reset_after;
  const Shape& shape = found->second.shape();
  require<FileError>(
      shape != (after ? Shape{cols} : Shape{2, cols}),
      "Keras: module '{}': '{}' is {}: this GRU was made with reset_after={}, so make ours with Reset::{}", module.name,
      bias, shape, after ? "False" : "True", after ? "before" : "after");
  return layout;
}

ForeignLayout keras_module(const Arrays& theirs, const ForeignModule& module, const std::string& prefix,
                           const LayerGates& layers) {
  require_module(layers.size() == 1, "Keras", module,
                 "it has {} layers, and every layer has a name of its own there: give them one by one, as "
                 "stack.layers[0]",
                 layers.size());
  const std::vector<CellGates>& cells = layers[0];
  require_module(!module.options.cell || cells.size() == 1, "Keras", module, "it is given as a cell and has two");
  for (const CellGates& cell : cells) {
    check_cell("Keras", module, cell);
    require_module(!has(cell, Role::projection), "Keras", module, "there is no LSTM with a projection in Keras");
    require_module(cell.kind == cells[0].kind, "Keras", module, "its cells are of several kinds");
  }
  const auto prefixes = keras_cells(theirs, prefix, cells[0], cells.size(), module.options.cell);
  ForeignLayout layout;
  for (Index k = 0; k < cells.size(); ++k) layout.add(keras_cell(theirs, module, cells[k], prefixes[k]));
  return layout;
}

}  // namespace

LayerGates ForeignModule::checked(const std::string& name, std::optional<LayerGates> gates) {
  require<UsageError>(gates.has_value() && !gates->empty(),
                      "module '{}': no other framework's weights fit this layer, or it has no member gates() to say "
                      "what its columns are",
                      name);
  return *std::move(gates);
}

ForeignLayout torch_layout(const ForeignModules& modules) {
  ForeignLayout all;
  for (const ForeignModule& module : modules) {
    const std::string prefix = module.name.empty() ? "" : module.name + ".";
    ForeignLayout layout;
    if (const auto* linear = std::get_if<Linear>(&module.layer)) {
      layout = linear_layout(*linear, prefix + "weight", true, prefix + "bias", module.options);
    } else if (const auto* embedding = std::get_if<Embedding>(&module.layer)) {
      layout.add(prefix + "weight", embedding->table);
    } else if (const auto* param = std::get_if<Param>(&module.layer)) {
      layout.add(module.name, *param);
    } else {
      layout = torch_module(module, prefix, std::get<LayerGates>(module.layer));
    }
    add(all, "PyTorch", module, layout);
  }
  return all;
}

ForeignLayout keras_layout(const Arrays& theirs, const ForeignModules& modules) {
  ForeignLayout all;
  for (const ForeignModule& module : modules) {
    const std::string prefix = module.name.empty() ? "" : module.name + "/";
    ForeignLayout layout;
    if (const auto* linear = std::get_if<Linear>(&module.layer)) {
      layout = linear_layout(*linear, prefix + "kernel", false, prefix + "bias", module.options);
    } else if (const auto* embedding = std::get_if<Embedding>(&module.layer)) {
      layout.add(prefix + "embeddings", embedding->table);
    } else if (const auto* param = std::get_if<Param>(&module.layer)) {
      layout.add(module.name, *param);
    } else {
      layout = keras_module(theirs, module, prefix, std::get<LayerGates>(module.layer));
    }
    add(all, "Keras", module, layout);
  }
  return all;
}

void load_torch(const Arrays& theirs, const ForeignModules& modules) {
  load_foreign("load_torch", theirs, torch_layout(modules));
}

Arrays to_torch(const ForeignModules& modules) { return to_foreign(torch_layout(modules)); }

void load_keras(const Arrays& theirs, const ForeignModules& modules) {
  load_foreign("load_keras", theirs, keras_layout(theirs, modules));
}

}  // namespace unroll
