// Weights of PyTorch and Keras go into our layers, or change nothing of them; PyTorch's come out again.
#include <unroll/layers/bidirectional.h>
#include <unroll/layers/cells.h>
#include <unroll/layers/foreign.h>
#include <unroll/layers/stack.h>
#include <unroll/layers/wrappers.h>

#include "safetensors_input.h"

using namespace unroll;
using namespace unroll::fuzzing;

namespace {

Arrays values_of(const Params& params) {
  Arrays all;
  for (const Param& param : params) all[param.name()] = param.value().copy();
  return all;
}

struct Torch {
  Params params{1};
  Embedding embedding{params / "embedding", 2, 1};
  Gru gru{params / "gru", 1, 1, Reset::after};
  Stack lstm = Stack({Bidirectional<Lstm>(params / "l0", 1, 1), Bidirectional<Lstm>(params / "l1", 2, 1)});
  Linear linear{params / "linear", 2, 1};

  ForeignModules modules() const {
    return {{"emb", embedding}, {"gru", gru, {.cell = true}}, {"rnn.lstm", lstm}, {"fc", linear, {.bias = false}}};
  }
};

struct Keras {
  Params params{1, f64};
  Bidirectional<Gru> gru{Gru(params / "gru", 1, 1, Reset::after), Gru(params / "back", 1, 1, Reset::after)};
  Gru before{params / "before", 2, 1, Reset::before};
  Lstm lstm{params / "lstm", 1, 1};
  Rnn rnn{params / "rnn", 1, 1};
  Linear linear{params / "linear", 1, 1};

  ForeignModules modules() const {
    return {{"m/bi", gru},
            {"m/gru", before, {.bias = false}},
            {"m/lstm", lstm},
            {"m/rnn", rnn, {.cell = true}},
            {"m/dense", linear}};
  }
};

/// Whether the arrays fit.
template <class Model, class Load>
bool loads(Model& model, Load load_into) {
  const Arrays before = values_of(model.params);
  const auto fits = unless_refused<FileError>([&] { return load_into(model.modules()), true; });
  if (!fits) promise(same_bits(values_of(model.params), before), "what is refused changes no parameter");
  return fits.has_value();
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = file("in.safetensors", safetensors_file(view(data, size)));
  const auto content = unless_refused<FileError>([&] { return read_safetensors(path); });
  if (!content) return 0;
  const Arrays& theirs = content->arrays;

  Torch torch, same;
  if (loads(torch, [&](const ForeignModules& modules) { load_torch(theirs, modules); })) {
    const Arrays written = to_torch(torch.modules());
    promise(written.size() == theirs.size(), "every array is used");
    load_torch(written, same.modules());
    promise(same_bits(values_of(same.params), values_of(torch.params)), "what was written is read again");
  }
  Keras keras;
  loads(keras, [&](const ForeignModules& modules) { load_keras(theirs, modules); });
  return 0;
}
