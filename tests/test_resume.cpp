// A training that was stopped anywhere and goes on from its checkpoint is the training that never stopped.
#include <doctest/doctest.h>

#include <cstring>

#include <unroll/data/shuffle.h>
#include <unroll/io/checkpoint.h>
#include <unroll/layers/dropout.h>
#include <unroll/layers/embedding.h>
#include <unroll/layers/linear.h>
#include <unroll/layers/scan.h>
#include <unroll/optim/clip.h>
#include <unroll/optim/schedule.h>
#include <unroll/optim/weight_average.h>

#include <unroll/layers/cells/gru.h>

#include <unroll/tests/optim_testing.h>
#include <unroll/tests/temporary_folder.h>

using namespace unroll;

namespace {

constexpr Index steps = 50, samples = 7, length = 3, features = 2;

/// A small recurrent model with a table, an optimizer with a group, a schedule, clipping, dropout, an average of the
/// weights, and data in a new random order in every pass.
class Run {
 public:
  Run(std::unique_ptr<Optimizer> optimizer, std::uint64_t seed)
      : params_(seed),
        table_(params_ / "table", 9, features),
        gru_(params_ / "gru", features, 4),
        dropout_(params_, 0.3),
        head_(params_ / "head", 4, 1),
        optimizer_(std::move(optimizer)),
        average_(params_, {.decay = 0.9, .bias_corrected = true}),
        order_(seed + 1) {
    optimizer_->group("head.*", {.rate_factor = 0.5, .weight_decay = 0.1});
  }

  void train_to(Index end) {
    while (step_ < end) step();
  }

  void step() {
    if (place_ == left_.size()) {
      left_.clear();
      for (Index i = 0; i < samples; ++i) left_.push_back(i);
      order_.shuffle(left_);
      place_ = 0;
    }
    const Index sample = left_[place_++];
    Array xs = Array::uninitialised({length, 1, features}, f32);
    for (Index i = 0; i < xs.size(); ++i) xs.set_flat(i, optim_testing::noise(100 * sample + i));
    const Ids words(std::vector<Id>{static_cast<Id>(sample), static_cast<Id>(sample + 1), 0}, length, 1);
    Tape tape;
    const Tensor h = scan(gru_, xs + table_(words)).last.c;
    const Tensor error = head_(dropout_(h)) - optim_testing::noise(sample);
    const Grads grads = clip(tape.backward(sum(error * error)), 0.5);
    const CosineRate rate{.rate = 0.05, .floor = 1e-4, .steps = steps, .warm_up = 5};
    optimizer_->step(params_, grads, rate(step_++));
    average_.update(params_);
  }

  /// All there is.
  Checkpoint content() {
    Checkpoint checkpoint;
    put_params(checkpoint, params_);
    NamedArrays state;
    for (const auto& [name, array] : optimizer_->state(params_)) state.emplace_back(name, array);
    put_arrays(checkpoint, "optimizer", state);
    const OptimizerState average = average_.state();
    put_arrays(checkpoint, "average", {average.begin(), average.end()});
    put_random(checkpoint, "random", params_.random());
    put_random(checkpoint, "order", order_);
    put_number(checkpoint, "step", step_);
    put_number(checkpoint, "place", place_);
    std::vector<std::string> left;
    for (const Index i : left_) left.push_back(std::to_string(i));
    put_strings(checkpoint, "left", left);
    return checkpoint;
  }

  void load_from(const std::filesystem::path& path) {
    const Checkpoint checkpoint = load(path);
    restore_params(checkpoint, params_);
    OptimizerState state;
    for (auto& [name, array] : get_arrays(checkpoint, "optimizer")) state[name] = array;
    optimizer_->restore(params_, std::move(state));
    const NamedArrays average = get_arrays(checkpoint, "average");
    average_.restore({average.begin(), average.end()});
    restore_random(checkpoint, "random", params_.random());
    restore_random(checkpoint, "order", order_);
    step_ = get_number<Index>(checkpoint, "step");
    place_ = get_number<Index>(checkpoint, "place");
    left_.clear();
    for (const std::string& i : get_strings(checkpoint, "left")) left_.push_back(std::stoul(i));
  }

 private:
  Params params_;
  Embedding table_;
  Gru gru_;
  Dropout dropout_;
  Linear head_;
  std::unique_ptr<Optimizer> optimizer_;
  WeightAverage average_;
  Random order_;
  std::vector<Index> left_;  // the samples of this pass, in its order
  Index place_ = 0, step_ = 0;
};

bool same_bits(const Checkpoint& a, const Checkpoint& b) {
  bool same = a.metadata == b.metadata && a.arrays.size() == b.arrays.size();
  for (const auto& [name, array] : a.arrays) {
    const auto other = b.arrays.find(name);
    same = same && other != b.arrays.end() && array.shape() == other->second.shape() &&
           array.dtype() == other->second.dtype() && dispatch(array.dtype(), [&]<class T>(T) {
             return std::memcmp(array.data<T>(), other->second.data<T>(), array.size() * sizeof(T)) == 0;
           });
  }
  return same;
}

}  // namespace

TEST_CASE("resume: stopped after any step, for every optimizer") {
  const TemporaryFolder folder;
  const Index whole = optim_testing::all_optimizers().size(), lazy = optim_testing::all_optimizers(true).size();
  Index resumed = 0;
  for (Index o = 0; o < whole + lazy; ++o) {
    CAPTURE(o);
    const auto optimizer = [&] {
      return std::move(o < whole ? optim_testing::all_optimizers()[o] : optim_testing::all_optimizers(true)[o - whole]);
    };
    Run straight(optimizer(), 1);
    for (Index k = 0; k <= steps; ++k) {
      straight.train_to(k);
      save(folder / std::to_string(k), straight.content());
    }
    const Checkpoint end = straight.content();
    REQUIRE_FALSE(same_bits(end, load(folder / std::to_string(steps - 1))));
    for (Index k = 0; k <= steps; ++k) {
      CAPTURE(k);
      Run other(optimizer(), 1000 + k);
      other.train_to(k % 3);  // it may have been used for something else before
      other.load_from(folder / std::to_string(k));
      other.train_to(steps);
      REQUIRE(same_bits(other.content(), end));
      ++resumed;
    }
  }
  CHECK(resumed == (whole + lazy) * (steps + 1));
}
