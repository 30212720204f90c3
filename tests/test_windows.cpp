#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/windows.h>

using namespace unroll;

namespace {

using Numbers = std::vector<double>;
using Rows = std::vector<Index>;

/// Row r holds r, r + 0.1 and r + 0.2.
NumericTable ramp(Index rows) {
  NumericTable table{{"a", "b", "c"}, {}};
  for (Index r = 0; r < rows; ++r) {
    for (const double add : {0.0, 0.1, 0.2}) table.values.push_back(static_cast<double>(r) + add);
  }
  return table;
}

}  // namespace

TEST_CASE("windows: time-major inputs, and the rows behind as targets") {
  const Windows all = windows(ramp(6), {.length = 2, .horizon = 1, .batch = 3});
  CHECK(all.count() == 4);  // rows 0 … 1 → 2, and so on to 3 … 4 → 5
  CHECK(all.size() == 2);
  CHECK(all.features() == 3);
  CHECK(all.targets() == 3);
  const WindowBatch first = all[0];
  CHECK(first.rows == Rows{0, 1, 2});
  CHECK(first.inputs == Numbers{0, 0.1, 0.2, 1, 1.1, 1.2, 2, 2.1, 2.2,    // t = 0
                                1, 1.1, 1.2, 2, 2.1, 2.2, 3, 3.1, 3.2});  // t = 1
  CHECK(first.targets == Numbers{2, 2.1, 2.2, 3, 3.1, 3.2, 4, 4.1, 4.2});
  const WindowBatch last = all[1];
  CHECK(last.rows == Rows{3});
  CHECK(last.inputs == Numbers{3, 3.1, 3.2, 4, 4.1, 4.2});
  CHECK(last.targets == Numbers{5, 5.1, 5.2});
}

TEST_CASE("windows: horizon, stride and chosen targets") {
  const Windows all = windows(ramp(9), {.length = 3, .horizon = 2, .stride = 2, .targets = {"c", "a"}});
  CHECK(all.count() == 3);  // (9 − 3 − 2) / 2 + 1
  CHECK(all.targets() == 2);
  const WindowBatch batch = all[0];
  CHECK(batch.rows == Rows{0, 2, 4});
  CHECK(batch.targets == Numbers{3.2, 3, 5.2, 5, 7.2, 7,    // the first row behind
                                 4.2, 4, 6.2, 6, 8.2, 8});  // the second one
  CHECK(windows(ramp(5), {.length = 3, .horizon = 2}).count() == 1);
  CHECK(windows(ramp(9), {.length = 3, .stride = static_cast<Index>(-1)}).count() == 1);
}

TEST_CASE("windows: each once in a random order that the seed decides") {
  const auto starts = [](std::optional<std::uint64_t> seed) {
    Rows rows;
    for (const WindowBatch& batch : windows(ramp(50), {.length = 4, .batch = 7, .seed = seed})) {
      for (Index b = 0; b < batch.rows.size(); ++b) {
        CHECK(batch.inputs[b * 3] == static_cast<double>(batch.rows[b]));
        CHECK(batch.targets[b * 3] == static_cast<double>(batch.rows[b] + 4));
      }
      rows.insert(rows.end(), batch.rows.begin(), batch.rows.end());
    }
    return rows;
  };
  const Rows in_time = starts(std::nullopt);
  CHECK(in_time.size() == 46);
  CHECK(std::ranges::is_sorted(in_time));
  const Rows shuffled = starts(1);
  CHECK(shuffled != in_time);
  CHECK(shuffled == starts(1));
  CHECK(shuffled != starts(2));
  CHECK(std::set(shuffled.begin(), shuffled.end()) == std::set(in_time.begin(), in_time.end()));
}

TEST_CASE("windows: one batch of any size") {
  const Windows all = windows(ramp(9), {.length = 3, .batch = static_cast<Index>(-1)});
  CHECK(all.size() == 1);
  CHECK(all[0].rows.size() == all.count());
}

TEST_CASE("windows: errors") {
  CHECK_THROWS_WITH_AS(windows(ramp(4), {.length = 4}),
                       "windows: 4 rows are too few for a length of 4 and a horizon of 1", UsageError);
  CHECK_THROWS_AS(windows(ramp(4), {.length = 5}), UsageError);
  CHECK_THROWS_AS(windows(ramp(4), {.length = 1, .horizon = static_cast<Index>(-1)}), UsageError);
  CHECK_THROWS_WITH_AS(windows(ramp(4), {.length = 1, .stride = 0}),
                       "windows: length 1, horizon 1, stride 0 and batch 32, expected at least 1 of each", UsageError);
  CHECK_THROWS_WITH_AS(windows(ramp(4), {.length = 1, .targets = {"d"}}),
                       "NumericTable: no column 'd' among [\"a\", \"b\", \"c\"]", UsageError);
  CHECK_THROWS_WITH_AS(windows(ramp(4), {.length = 1, .targets = {"a", "a"}}), "windows: the target 'a' stands twice",
                       UsageError);
  CHECK_THROWS_WITH_AS(windows(ramp(4), {.length = 1})[1], "windows: batch 1 of 1", UsageError);
}
