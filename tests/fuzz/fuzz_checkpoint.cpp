// A checkpoint goes into a live model and its optimizer, or changes nothing of them; its texts are what was put in.
#include <cmath>

#include <unroll/core/ops.h>
#include <unroll/core/tape.h>
#include <unroll/data/byte_pairs.h>
#include <unroll/data/vocab.h>
#include <unroll/io/checkpoint.h>
#include <unroll/layers/cells.h>
#include <unroll/layers/embedding.h>
#include <unroll/layers/linear.h>
#include <unroll/optim/adam.h>

#include "safetensors_input.h"

using namespace unroll;
using namespace unroll::fuzzing;

namespace {

struct Model {
  Params params{1};
  Embedding embedding{params / "embedding", 3, 2};
  Rnn rnn{params / "rnn", 2, 2};
  Linear linear{params / "linear", 2, 3};
  Adam adam;

  void train() {
    Tape tape;
    const Tensor x = embedding(Ids{0, 2});
    const Tensor loss = sum(linear(rnn.step(rnn.project(x), rnn.zero_state(2)).a));
    adam.step(params, tape.backward(loss));
  }
  std::map<std::string, Array> values() const {
    Checkpoint checkpoint;
    put_params(checkpoint, params);
    return checkpoint.arrays;
  }
  OptimizerState state() const { return adam.state(params); }
};

void check_model(const Checkpoint& checkpoint) {
  Model model;
  model.train();
  const auto values = model.values();
  const auto fits = unless_refused<FileError>([&] { return restore_params(checkpoint, model.params), true; });
  if (!fits) promise(same_bits(model.values(), values), "what is refused changes no parameter");
  for (const auto& [name, array] : model.values()) {
    if (fits) promise(same_bits(array, checkpoint.arrays.at(name).to(f32)), "parameters are those of the file");
  }

  const OptimizerState state = model.state();
  const NamedArrays moments = get_arrays(checkpoint, "optimizer");
  // The optimizer is told of a state and of no file.
  const auto taken = unless_refused<UsageError, ShapeError>([&] {
    return model.adam.restore(model.params, {moments.begin(), moments.end()}), true;
  });
  if (!taken) promise(same_bits(model.state(), state), "what is refused changes no moment");
  model.train();
}

void check_texts(const Checkpoint& checkpoint) {
  for (const auto& [name, text] : checkpoint.metadata) {
    Checkpoint again;
    const auto kept = [&, &name = name] { return get_text(again, name); };
    if (const auto strings = unless_refused<FileError>([&] { return get_strings(checkpoint, name); })) {
      put_strings(again, name, *strings);
      promise(get_strings(again, name) == *strings, "strings are read again");
      unless_refused<UsageError>([&] { return Vocab::from_tokens(Vocab::Kind::words, *strings); });
      unless_refused<UsageError>([&] { return BytePairs::from_merges(*strings); });
    }
    if (const auto number = unless_refused<FileError>([&] { return get_number<double>(checkpoint, name); })) {
      put_number(again, name, *number);
      const auto same = get_number<double>(again, name);
      promise(same == *number || (std::isnan(same) && std::isnan(*number)), "a number is read again");
    }
    if (const auto count = unless_refused<FileError>([&] { return get_number<std::uint64_t>(checkpoint, name); })) {
      put_number(again, name, *count);
      promise(get_number<std::uint64_t>(again, name) == *count, "a count is read again");
    }
    Random random(1);
    if (unless_refused<FileError>([&] { return restore_random(checkpoint, name, random), true; })) {
      put_random(again, name, random);
      promise(kept() == text, "a random state is the one of the file");
    } else {
      promise(random.state() == Random(1).state(), "what is refused changes no random state");
    }
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = file("in.safetensors", safetensors_file(view(data, size)));
  const auto checkpoint = unless_refused<FileError>([&] { return load(path); });
  if (!checkpoint) return 0;
  check_model(*checkpoint);
  check_texts(*checkpoint);
  return 0;
}
