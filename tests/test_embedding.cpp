// Embedding: the efficient equal of a product with one-hot vectors.
#include <unroll/core/pool.h>
#include <unroll/layers/embedding.h>

#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

TEST_CASE("one_hot(x) E equals embedding(x), and so do the gradients; a repeated id sums") {
  Params params(1, f64);
  const Embedding embedding(params / "words", 6, 4);
  CHECK(params.contains("words.table"));
  const Ids ids({3, 0, 3, 5, 3, 1}, 3, 2);  // 3 three times; 2 and 4 never
  const Tensor seeds = random_array({3, 2, 4}, 2);
  const auto gradient = [&](auto forward) {
    Tape tape;
    return tape.backward(sum(forward() * seeds))[embedding.table];
  };
  CHECK(same_bits(embedding(ids), matmul(one_hot(ids, 6, f64), embedding.table)));
  const Array by_rows = gradient([&] { return embedding(ids); });
  const Array by_product = gradient([&] { return matmul(one_hot(ids, 6, f64), embedding.table); });
  CHECK(distance(by_rows, by_product) <= 1e-15);
  for (Index k = 0; k < 4; ++k) {
    const auto seed = [&](Index i) { return seeds.value().flat(i * 4 + k); };
    CHECK(by_rows.flat(3 * 4 + k) == doctest::Approx(seed(0) + seed(2) + seed(4)).epsilon(1e-14));
    CHECK(by_rows.flat(2 * 4 + k) == 0);
  }
}

TEST_CASE("ids [N] give [N, size], ids [T, B] give [T, B, size]") {
  Params params(1);
  const Embedding embedding(params / "words", 6, 4);
  CHECK(embedding(Ids{1, 2, 3}).shape() == Shape{3, 4});
  CHECK(embedding(Ids::filled(5, 2, 1)).shape() == Shape{5, 2, 4});
  CHECK(same_bits(reshape(embedding(Ids({1, 2, 3, 4}, 2, 2)), {4, 4}), embedding(Ids{1, 2, 3, 4})));
}

TEST_CASE("two uses of one table add their gradients") {
  Params params(1, f64);
  const Embedding embedding(params / "words", 5, 3);
  const Ids first{1, 2}, second{2, 4};
  Tape tape;
  const Grads grads = tape.backward(sum(embedding(first)) + 10.0 * sum(embedding(second)));
  for (Index id = 0; id < 5; ++id) {
    CHECK(grads[embedding.table].flat(id * 3) == std::array{0.0, 1.0, 11.0, 0.0, 10.0}[id]);
  }
}

TEST_CASE("an id outside the table is refused") {
  Params params(1);
  const Embedding embedding(params / "words", 6, 4);
  CHECK(message_of<UsageError>([&] { embedding(Ids{0, 6}); }) == "rows: id 6 at position 1 is outside 0 … 5");
  CHECK(message_of<UsageError>([&] { embedding(Ids{-1}); }) == "rows: id -1 at position 0 is outside 0 … 5");
}

TEST_CASE("50 steps of 64 sequences over 10,000 words never make the one-hot of 128 MB") {
  constexpr Index length = 50, batch = 64, words = 10'000, size = 32;
  Params params(1);
  const Embedding embedding(params / "words", words, size);
  Random random(2);
  Ids ids = Ids::filled(length, batch, 0);
  for (Index i = 0; i < ids.size(); ++i) ids[i] = static_cast<Id>(random.below(words));
  const Index before = pool_stats().bytes;
  Tape tape;
  const Tensor x = embedding(ids);
  const Grads grads = tape.backward(sum(x * x));
  CHECK(grads[embedding.table].shape() == Shape{words, size});
  // The outputs (0.4 MB) and the table's gradient (1.3 MB), with a few temporaries of their sizes.
  CHECK(pool_stats().bytes - before < 10'000'000);
}
