// The C++ half of `./run interop`: runs the cases that interop.py has put into a folder.
//
//     unroll_interop FOLDER
//
// For each FOLDER/NAME.json (a model, layer by layer) it reads weights from NAME.weights.safetensors and inputs from
// NAME.input.safetensors, and writes
//     NAME.output.safetensors   what the model makes of the inputs
//     NAME.ours.safetensors     weights drawn anew, in PyTorch's layout
//     NAME.again.safetensors    what the model makes of the inputs with these
// and FOLDER/file.ours.safetensors, what it has read from FOLDER/file.theirs.safetensors.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include <unroll/unroll.h>

using namespace unroll;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// The layers of `description`, each with what it computes.
struct Model {
  using Step = std::function<Tensor(const Tensor& x)>;

  Params params;
  ForeignModules modules;
  std::optional<Embedding> embedding;
  std::vector<Step> steps;

  Model(const json& description, Dtype dtype, const std::vector<Index>& lengths) : params(1, dtype) {
    for (const json& layer : description["layers"]) add(layer, lengths);
  }

  Tensor operator()(const Safetensors& input) const {
    Tensor x;
    if (embedding) {
      const Integers& batch = input.integers.at("ids");
      x = (*embedding)(Ids(std::vector<Id>(batch.values.begin(), batch.values.end()), batch.shape[0], batch.shape[1]));
    } else {
      x = input.arrays.at("x");
    }
    for (const Step& step : steps) x = step(x);
    return x;
  }

 private:
  void add(const json& layer, const std::vector<Index>& lengths) {
    const std::string type = layer["type"], name = layer["name"];
    const Scope scope = params / fmt::format("layer{}", modules.size());
    const Index in = layer["in"], out = layer["out"];
    const ForeignOptions options{.bias = layer.value("bias", true), .cell = layer.value("cell", false)};
    if (type == "embedding") {
      embedding.emplace(scope, in, out);
      modules.emplace_back(name, *embedding);
    } else if (type == "linear") {
      const Linear linear(scope, in, out);
      modules.emplace_back(name, linear, options);
      steps.push_back(linear);
    } else if (layer.contains("proj_size")) {
      const Index projected = layer["proj_size"];
      add_cells(layer, scope, lengths, options,
                [=](const Scope& p, Index i, Index h) { return ProjectedLstm(p, i, h, projected); });
    } else if (type == "LSTM") {
      add_cells(layer, scope, lengths, options, [](const Scope& p, Index i, Index h) { return Lstm(p, i, h); });
    } else if (type == "GRU") {
      const Reset reset = layer.value("reset_after", true) ? Reset::after : Reset::before;
      add_cells(layer, scope, lengths, options, [=](const Scope& p, Index i, Index h) { return Gru(p, i, h, reset); });
    } else {
      require<UsageError>(type == "RNN", "no layer '{}'", type);
      const Activation g = layer.value("nonlinearity", "tanh") == "relu" ? Activation::relu : Activation::tanh;
      add_cells(layer, scope, lengths, options, [=](const Scope& p, Index i, Index h) { return Rnn(p, i, h, g); });
    }
  }

  template <class Make>
  void add_cells(const json& layer, const Scope& scope, const std::vector<Index>& lengths,
                 const ForeignOptions& options, Make make) {
    using C = decltype(make(scope, 1, 1));
    const bool both = layer.value("bidirectional", false);
    const Index hidden = layer["out"], count = layer.value("layers", Index{1});
    std::vector<AnyLayer> all;
    for (Index k = 0; k < count; ++k) {
      const Scope here = scope / fmt::format("l{}", k);
      const Index width = k == 0 ? layer["in"].get<Index>() : all.back().size();
      const C forward = make(here / "forward", width, hidden);
      all.push_back(both ? AnyLayer(Bidirectional<C>(forward, make(here / "backward", width, hidden))) : forward);
    }
    const Stack stack(all);
    modules.emplace_back(layer["name"].get<std::string>(), stack, options);
    steps.push_back([=](const Tensor& x) { return scan(stack, x, {.lengths = lengths}).outputs; });
  }
};

void run(const fs::path& folder, const std::string& name) {
  const auto file = [&](const char* what) { return folder / fmt::format("{}.{}.safetensors", name, what); };
  const json description = json::parse(std::ifstream(folder / (name + ".json")));
  const Safetensors input = read_safetensors(file("input"));
  std::vector<Index> lengths;
  if (const auto found = input.integers.find("lengths"); found != input.integers.end()) {
    lengths.assign(found->second.values.begin(), found->second.values.end());
  }
  Model model(description, description["dtype"] == "float64" ? f64 : f32, lengths);
  const Arrays theirs = read_safetensors(file("weights")).arrays;
  const bool torch = description["framework"] == "torch";
  if (torch) {
    load_torch(theirs, model.modules);
  } else {
    load_keras(theirs, model.modules);
  }
  write_safetensors(file("output"), {.arrays = {{"out", model(input).value()}}});
  if (!torch) return;
  for (const Param& param : model.params) {
    bool without = false;
    for (const Param& zero : torch_layout(model.modules).zero) without = without || zero.name() == param.name();
    if (!without) param.set(normal(0.5)(param.shape(), model.params.random()).to(param.dtype()));
  }
  write_safetensors(file("ours"), {.arrays = to_torch(model.modules), .metadata = {{"format", "pt"}}});
  write_safetensors(file("again"), {.arrays = {{"out", model(input).value()}}});
}

}  // namespace

int main(int count, char** arguments) {
  try {
    require<UsageError>(count == 2, "usage: unroll_interop FOLDER");
    const fs::path folder = arguments[1];
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".json") run(folder, entry.path().stem().string());
    }
    write_safetensors(folder / "file.ours.safetensors", read_safetensors(folder / "file.theirs.safetensors"));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "unroll_interop: %s\n", error.what());
    return 1;
  }
}
