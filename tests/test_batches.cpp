#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/batches.h>

using namespace unroll;

namespace {

using IdList = std::vector<Id>;
using Sequences = std::vector<IdList>;
using Indices = std::vector<Index>;

static_assert(std::forward_iterator<Stream::Iterator>);

IdList counting(Index count) {
  IdList ids(count);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

/// Sequences whose ids tell which sequence and step they are.
Sequences ragged(const Indices& lengths) {
  Sequences sequences;
  for (const Index length : lengths) {
    IdList& sequence = sequences.emplace_back(counting(length));
    for (Id& id : sequence) id += static_cast<Id>(100 * sequences.size());
  }
  return sequences;
}

}  // namespace

TEST_CASE("stream: lanes side by side, written out") {
  const Stream pass = stream(counting(12), {.lanes = 2, .steps = 3});  // 11 pairs: lanes of 5, one pair left out
  REQUIRE(pass.size() == 2);
  CHECK(pass.targets() == 10);
  CHECK(pass[0].ids == Ids({0, 5, 1, 6, 2, 7}, 3, 2));
  CHECK(pass[0].targets == Ids({1, 6, 2, 7, 3, 8}, 3, 2));
  CHECK(pass[0].first);
  CHECK(pass[1].ids == Ids({3, 8, 4, 9}, 2, 2));
  CHECK(pass[1].targets == Ids({4, 9, 5, 10}, 2, 2));
  CHECK_FALSE(pass[1].first);
  CHECK_THROWS_WITH_AS(pass[2], "stream: batch 2 of 2", UsageError);
}

TEST_CASE("stream: every pair exactly once, lanes read on, nothing lost but the stated remainder") {
  for (const Index count : {2UL, 3UL, 7UL, 64UL, 65UL, 66UL, 100UL}) {
    for (const Index lanes : {1UL, 2UL, 3UL, 8UL}) {
      if (count <= lanes) continue;
      for (const Index steps : {1UL, 2UL, 5UL, 64UL, 1000UL}) {
        CAPTURE(count);
        CAPTURE(lanes);
        CAPTURE(steps);
        const Index lane = (count - 1) / lanes;
        std::vector<int> seen(count, 0);
        Sequences read(lanes);
        Index batches = 0;
        for (const Batch& batch : stream(counting(count), {.lanes = lanes, .steps = steps})) {
          CHECK(batch.first == (batches == 0));
          CHECK(batch.ids.shape() == batch.targets.shape());
          CHECK(batch.ids.dim(0) <= steps);
          ++batches;
          for (Index t = 0; t < batch.ids.dim(0); ++t) {
            for (Index b = 0; b < lanes; ++b) {
              read[b].push_back(batch.ids(t, b));
              CHECK(batch.targets(t, b) == batch.ids(t, b) + 1);
              ++seen[static_cast<Index>(batch.targets(t, b))];
            }
          }
        }
        CHECK(batches == stream(counting(count), {.lanes = lanes, .steps = steps}).size());
        for (Index i = 0; i < count; ++i) CHECK(seen[i] == (i >= 1 && i <= lanes * lane));
        CHECK(count - 1 - lanes * lane < lanes);
        for (const IdList& ids : read) {
          CHECK(ids.size() == lane);
          CHECK(std::ranges::adjacent_find(ids, [](Id a, Id b) { return b != a + 1; }) == ids.end());
        }
      }
    }
  }
}

TEST_CASE("stream: too little to read") {
  CHECK_THROWS_WITH_AS(stream({7}, {.lanes = 1, .steps = 1}),
                       "stream: 1 ids are too few for 1 lanes, expected more ids than lanes", UsageError);
  CHECK_THROWS_AS(stream({}, {.lanes = 1, .steps = 1}), UsageError);
  CHECK_THROWS_AS(stream(counting(32), {.lanes = 32}), UsageError);
  CHECK(stream(counting(33), {.lanes = 32}).size() == 1);
  CHECK_THROWS_WITH_AS(stream({1, 2}, {.lanes = 0}), "stream: 0 lanes and 64 steps, expected at least 1 of each",
                       UsageError);
  CHECK_THROWS_AS(stream({1, 2}, {.lanes = 1, .steps = 0}), UsageError);
  CHECK(stream(counting(9), {.lanes = 2, .steps = std::numeric_limits<Index>::max()}).size() == 1);
}

TEST_CASE("pad and unpad: ragged, batch, ragged is the identity") {
  const Batch batch = pad({{1, 2, 3}, {4}, {5, 6}}, 9);
  CHECK(batch.ids == Ids({1, 4, 5, 2, 9, 6, 3, 9, 9}, 3, 3));
  CHECK(batch.lengths == Indices{3, 1, 2});
  CHECK(batch.rows == Indices{0, 1, 2});
  CHECK(batch.targets.size() == 0);
  CHECK(batch.first);

  // The padding may look like an id of the sequences: only lengths decide.
  for (const Sequences& sequences : {Sequences{{0}}, Sequences{{0, 0}, {0}, {1, 0, 0}}, ragged({5, 1, 3, 3, 7, 2})}) {
    CHECK(unpad(pad(sequences, 0)) == sequences);
  }
  CHECK(unpad(stream(counting(7), {.lanes = 2, .steps = 9})[0]) == Sequences{{0, 1, 2}, {3, 4, 5}});
  CHECK_THROWS_WITH_AS(pad({{1}, {}, {2}}), "pad: sequence 1 is empty", UsageError);
  CHECK_THROWS_WITH_AS(pad({}), "pad: no sequences", UsageError);
}

TEST_CASE("bucketed: each sequence once, with its label, in batches of like length") {
  const Indices lengths = {3, 9, 1, 4, 4, 2, 8, 4, 1, 6, 5};
  const Sequences sequences = ragged(lengths);
  const IdList labels = counting(lengths.size());
  Indices seen;
  std::vector<std::pair<Index, Index>> ranges;  // of the lengths in each batch
  for (const Batch& batch : bucketed(sequences, labels, {.batch = 3, .pad = -1, .seed = 5})) {
    const Sequences columns = unpad(batch);
    REQUIRE(columns.size() == batch.rows.size());
    CHECK(columns.size() <= 3);
    CHECK(batch.first);
    CHECK(batch.targets.shape() == Indices{columns.size()});
    CHECK(std::ranges::is_sorted(batch.lengths, std::greater{}));
    CHECK(batch.ids.dim(0) == batch.lengths.front());
    for (Index b = 0; b < columns.size(); ++b) {
      CHECK(columns[b] == sequences[batch.rows[b]]);
      CHECK(batch.targets[b] == labels[batch.rows[b]]);
      for (Index t = batch.lengths[b]; t < batch.ids.dim(0); ++t) CHECK(batch.ids(t, b) == -1);
      seen.push_back(batch.rows[b]);
    }
    ranges.emplace_back(batch.lengths.back(), batch.lengths.front());
  }
  CHECK(ranges.size() == 4);
  std::ranges::sort(seen);
  for (Index i = 0; i < lengths.size(); ++i) CHECK(seen.at(i) == i);
  std::ranges::sort(ranges);
  for (Index i = 1; i < ranges.size(); ++i) CHECK(ranges[i - 1].second <= ranges[i].first);
}

// Expected: SplitMix64 and Fisher–Yates from the last place down, written in Python; its SplitMix64 agrees with the
// published first numbers for the seed 1234567 (6457827717110365317, 3203168211198807973, …).
TEST_CASE("bucketed: the order for a seed is the same on every machine") {
  const Sequences sequences = ragged({3, 1, 2, 3, 3, 1, 2, 2, 3, 1});
  const auto order = [&](std::uint64_t seed) {
    std::vector<Indices> rows;
    for (const Batch& batch : bucketed(sequences, IdList(10, 0), {.batch = 4, .seed = seed}))
      rows.push_back(batch.rows);
    return rows;
  };
  CHECK(order(1) == std::vector<Indices>{{4, 8, 3, 0}, {9, 5}, {2, 6, 7, 1}});
  CHECK(order(7) == std::vector<Indices>{{8, 0, 4, 3}, {2, 6, 7, 1}, {5, 9}});
}

TEST_CASE("bucketed: wrong calls") {
  CHECK_THROWS_WITH_AS(bucketed({{1}, {2}}, {0}), "bucketed: 1 labels for 2 sequences", UsageError);
  CHECK_THROWS_WITH_AS(bucketed({{1}, {2}, {}}, {0, 1, 0}), "bucketed: sequence 2 is empty", UsageError);
  CHECK_THROWS_WITH_AS(bucketed({}, {}), "bucketed: no sequences", UsageError);
  CHECK_THROWS_WITH_AS(bucketed({{1}}, {0}, {.batch = 0}), "bucketed: a batch of 0 sequences", UsageError);
}

TEST_CASE("by_length is bucketed without labels and targets") {
  const std::vector<std::vector<Id>> sequences{{1}, {2, 3}, {4, 5, 6}, {7, 8}, {9}};
  const auto with = bucketed(sequences, {0, 1, 2, 3, 4}, {.batch = 2, .seed = 5}),
             without = by_length(sequences, {.batch = 2, .seed = 5});
  REQUIRE(with.size() == without.size());
  for (Index k = 0; k < with.size(); ++k) {
    CHECK(with[k].ids == without[k].ids);
    CHECK(with[k].rows == without[k].rows);
    CHECK(without[k].targets.size() == 0);
  }
}

TEST_CASE("next_tokens: inputs begin with the first token, targets end with the stop") {
  const Batch batch = next_tokens({{5, 6}, {}, {7}}, {1, 2, 3}, 0);
  CHECK(batch.ids == Ids({1, 2, 3, 5, 0, 7, 6, 0, 0}, 3, 3));
  CHECK(batch.targets == Ids({5, 0, 7, 6, 0, 0, 0, 0, 0}, 3, 3));
  CHECK(batch.lengths == std::vector<Index>{3, 1, 2});
  CHECK_THROWS_WITH(next_tokens({{1}}, {}, 0), "next_tokens: 0 first tokens for 1 sequences");
  CHECK(joined({{5, 6}, {}, {7}}, 0) == std::vector<Id>{5, 6, 0, 0, 7, 0});
}
