#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <unroll/io/checkpoint.h>
#include <unroll/tests/temporary_folder.h>

using namespace unroll;
using namespace std::string_literals;

namespace {

Checkpoint saved_and_loaded(const Checkpoint& checkpoint) {
  const TemporaryFolder folder;
  save(folder / "run.safetensors", checkpoint);
  return load(folder / "run.safetensors");
}

/// The parameters of a small model, their values drawn with `seed`.
struct Model {
  Params params;
  Param wx, b;

  explicit Model(std::uint64_t seed, Dtype dtype = f32)
      : params(seed, dtype),
        wx((params / "lm" / "cell")("wx", {3, 8}, normal(1))),
        b((params / "lm" / "cell")("b", {8}, uniform(1))) {}

  std::vector<double> values() const {
    std::vector<double> values;
    for (const Param& param : params) {
      for (Index i = 0; i < param.value().size(); ++i) values.push_back(param.value().flat(i));
    }
    return values;
  }
};

}  // namespace

TEST_CASE("checkpoint: parameters are restored exactly") {
  for (const Dtype dtype : {f32, f64}) {
    const Model trained(1, dtype);
    Checkpoint checkpoint;
    put_params(checkpoint, trained.params);
    CHECK(checkpoint.arrays.contains("lm.cell.wx"));
    Model fresh(2, dtype);
    REQUIRE(fresh.values() != trained.values());
    restore_params(saved_and_loaded(checkpoint), fresh.params);
    CHECK(fresh.values() == trained.values());
  }
}

TEST_CASE("checkpoint: later training does not change what was put in") {
  Model model(1);
  Checkpoint checkpoint;
  put_params(checkpoint, model.params);
  const std::vector<double> then = model.values();
  model.b.data().value.set_flat(0, 42);
  REQUIRE(model.values() != then);
  restore_params(checkpoint, model.params);
  CHECK(model.values() == then);
}

TEST_CASE("checkpoint: f32 and f64 are converted into each other") {
  const Model single_precision(1, f32), double_precision(1, f64);
  Checkpoint from_f32, from_f64;
  put_params(from_f32, single_precision.params);
  put_params(from_f64, double_precision.params);

  Model widened(2, f64), rounded(2, f32);
  restore_params(from_f32, widened.params);
  CHECK(widened.wx.dtype() == f64);
  CHECK(widened.values() == single_precision.values());
  restore_params(from_f64, rounded.params);
  CHECK(rounded.wx.dtype() == f32);
  std::vector<double> expected = double_precision.values();
  for (double& value : expected) value = static_cast<float>(value);
  CHECK(rounded.values() == expected);
}

TEST_CASE("checkpoint: parameters that do not fit change nothing") {
  const TemporaryFolder folder;
  Checkpoint other;
  other.arrays["lm.cell.b"] = Array::zeros({4}, f32);
  other.arrays["lm.cell.old"] = Array::zeros({2, 2}, f32);
  other.integers["lm.cell.wx"] = {Shape{1}, {7}};
  other.arrays["optimizer/lm.cell.old"] = Array::zeros({1}, f32);
  save(folder / "a", other);

  Model model(1);
  const std::vector<double> before = model.values();
  const auto restore = [&] { restore_params(load(folder / "a"), model.params); };
  CHECK(message_of<FileError>(restore, folder / "a") ==
        "FILE does not fit the model:\n"
        "  'lm.cell.wx' [3, 8] is missing\n"
        "  'lm.cell.b' is [4] and should be [8]\n"
        "  'lm.cell.old' [2, 2] is unused\n"
        "  'lm.cell.wx' [1] of integers is unused");
  CHECK(model.values() == before);

  Checkpoint almost;
  put_params(almost, Model(2).params);
  almost.arrays["lm.cell.b"] = Array::zeros({1, 8}, f32);
  CHECK(message_of<FileError>([&] { restore_params(almost, model.params); }) ==
        "checkpoint does not fit the model:\n  'lm.cell.b' is [1, 8] and should be [8]");
  CHECK(model.values() == before);
}

TEST_CASE("checkpoint: groups of arrays") {
  Checkpoint checkpoint;
  put_params(checkpoint, Model(1).params);
  put_arrays(checkpoint, "optimizer", {{"lm.cell.b/steps", Array::full({}, f64, 3)}, {"a", Array::full({2}, f32, 4)}});
  put_arrays(checkpoint, "optimizers", {{"b", Array::full({}, f64, 5)}});
  const Checkpoint again = saved_and_loaded(checkpoint);
  const NamedArrays arrays = get_arrays(again, "optimizer");
  REQUIRE(arrays.size() == 2);
  CHECK(arrays[0].first == "a");
  CHECK(arrays[0].second.shape() == Shape{2});
  CHECK(arrays[1].first == "lm.cell.b/steps");
  CHECK(arrays[1].second.item() == 3);
  CHECK(get_arrays(again, "schedule").empty());
  Model model(2);
  restore_params(again, model.params);
  CHECK(model.values() == Model(1).values());
}

TEST_CASE("checkpoint: texts and lists of strings") {
  const std::vector<std::string> tokens = {
      "<unk>", "",  " ", "\n", "\r\n",  "\0"s,    "a\0b"s,       "\"",
      "\\n",   ",", "[", "']", "naïve", "日本語", "👩‍🚀", "\u2028\u0085\x7f\x1b"};
  std::vector<std::string> many;
  for (int i = 0; i < 50'000; ++i) many.push_back(fmt::format("token{}", i));
  Checkpoint checkpoint;
  checkpoint.metadata["model"] = "lstm, 2 layers\n";
  put_strings(checkpoint, "vocab", tokens);
  put_strings(checkpoint, "none", {});
  put_strings(checkpoint, "many", many);
  const Checkpoint again = saved_and_loaded(checkpoint);
  CHECK(get_text(again, "model") == "lstm, 2 layers\n");
  CHECK(get_strings(again, "vocab") == tokens);
  CHECK(get_strings(again, "none").empty());
  CHECK(get_strings(again, "many") == many);
  CHECK(message_of<UsageError>([&] {
          put_strings(checkpoint, "vocab", {"fine", "\xff"});
        }) == "put_strings: 'vocab' holds a string that is not UTF-8");
  CHECK(get_strings(checkpoint, "vocab") == tokens);
}

TEST_CASE("checkpoint: numbers") {
  Checkpoint checkpoint;
  put_number(checkpoint, "step", std::numeric_limits<Index>::max());
  put_number(checkpoint, "balance", std::numeric_limits<std::int64_t>::min());
  put_number(checkpoint, "dropout", 0.1);
  put_number(checkpoint, "rate", 0.1f);
  put_number(checkpoint, "tiny", std::numeric_limits<double>::denorm_min());
  put_number(checkpoint, "best", std::numeric_limits<double>::infinity());
  const Checkpoint again = saved_and_loaded(checkpoint);
  CHECK(get_number<Index>(again, "step") == std::numeric_limits<Index>::max());
  CHECK(get_number<std::int64_t>(again, "balance") == std::numeric_limits<std::int64_t>::min());
  CHECK(get_number<double>(again, "dropout") == 0.1);
  CHECK(get_number<float>(again, "rate") == 0.1f);
  CHECK(get_number<double>(again, "tiny") == std::numeric_limits<double>::denorm_min());
  CHECK(get_number<double>(again, "best") == std::numeric_limits<double>::infinity());
}

TEST_CASE("checkpoint: a random state goes on where it was") {
  Random random(7);
  random.restore({0, 1, 0xfedcba9876543210, std::numeric_limits<std::uint64_t>::max()});
  Checkpoint checkpoint;
  put_random(checkpoint, "random", random);
  CHECK(checkpoint.metadata.at("random") == "0000000000000000 0000000000000001 fedcba9876543210 ffffffffffffffff");
  Random other(8);
  restore_random(saved_and_loaded(checkpoint), "random", other);
  CHECK(other.state() == random.state());
  CHECK(other.bits() == random.bits());
}

TEST_CASE("checkpoint: texts that are missing or are something else") {
  const TemporaryFolder folder;
  Checkpoint written;
  written.metadata = {{"model", "gru"}, {"step", "12x"}, {"vocab", "[\"a\",1]"}};
  save(folder / "a", written);
  const Checkpoint checkpoint = load(folder / "a");
  const auto complaint = [&](auto f) { return message_of<FileError>(f, folder / "a"); };
  CHECK(complaint([&] { get_text(checkpoint, "cell"); }) ==
        "FILE: there is no text 'cell'; there are: model, step, vocab");
  CHECK(complaint([&] { get_strings(checkpoint, "vocab"); }) == "FILE: 'vocab' is not a list of strings");
  CHECK(complaint([&] { get_strings(checkpoint, "model"); }) == "FILE: 'model' is not a list of strings");
  CHECK(complaint([&] { get_number<Index>(checkpoint, "step"); }) ==
        "FILE: 'step' is \"12x\", which is no number of the expected kind");

  Checkpoint other;
  other.metadata = {{"negative", "-1"}, {"fraction", "1.5"}, {"large", "18446744073709551616"}, {"empty", ""}};
  for (const auto& [name, text] : other.metadata) {
    CAPTURE(name);
    CHECK_THROWS_AS(get_number<Index>(other, name), FileError);
  }

  Random random(7);
  const Random::State state = random.state();
  for (const char* text : {"", "0 0 0 1", "0000000000000000 0000000000000001 fedcba9876543210",
                           "0000000000000000 0000000000000001 fedcba9876543210 ffffffffffffffff ",
                           "0000000000000000 0000000000000001 fedcba9876543210 FFFFFFFFFFFFFFFF",
                           "0000000000000000 0000000000000000 0000000000000000 0000000000000000",
                           "0000000000000000,0000000000000001 fedcba9876543210 ffffffffffffffff",
                           "0000000000000000 000000000000000x fedcba9876543210 ffffffffffffffff"}) {
    CAPTURE(text);
    other.metadata["random"] = text;
    CHECK(message_of<FileError>([&] { restore_random(other, "random", random); }) ==
          "checkpoint: 'random' is not a random state of four hexadecimal words, one at least above 0");
  }
  CHECK(random.state() == state);
}

TEST_CASE("checkpoint: what cannot be saved leaves the old file") {
  const TemporaryFolder folder;
  Checkpoint checkpoint;
  checkpoint.metadata["step"] = "1";
  save(folder / "a", checkpoint);
  checkpoint.metadata["step"] = "\xff";
  CHECK_THROWS_AS(save(folder / "a", checkpoint), UsageError);
  CHECK(get_number<int>(load(folder / "a"), "step") == 1);
  CHECK(folder.names().size() == 1);
}
