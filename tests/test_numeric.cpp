#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/data/numeric.h>
#include <unroll/tests/temporary_folder.h>

using namespace unroll;
using doctest::Approx;

namespace {

using Strings = std::vector<std::string>;
using Numbers = std::vector<double>;

std::string complaint(std::string_view text, const NumericCsvOptions& options = {}) {
  return message_of<FileError>([&] { parse_numeric_csv(text, options, "f.csv"); });
}

}  // namespace

TEST_CASE("parse_numeric_csv") {
  const NumericTable table = parse_numeric_csv("a, b\n1,2.5\n-3e2, +4 \n\n\" .5\",1e-320\n");
  CHECK(table.names == Strings{"a", "b"});
  CHECK(table.values == Numbers{1, 2.5, -300, 4, 0.5, 1e-320});
  CHECK(table.rows() == 3);
  CHECK(table.columns() == 2);
  CHECK(table(1, 0) == -300);
  CHECK(table.column("b") == Numbers{2.5, 4, 1e-320});
  CHECK(table.find("b") == 1);

  const NumericTable chosen =
      parse_numeric_csv("date;x;y\n2026-01-01;1;2\n;3;4\n", {.columns = {"y", "x"}, .separator = ';'});
  CHECK(chosen.names == Strings{"y", "x"});
  CHECK(chosen.values == Numbers{2, 1, 4, 3});

  const NumericTable bare = parse_numeric_csv("1,2\r3,4\r", {.header = false});
  CHECK(bare.names == Strings{"0", "1"});
  CHECK(bare.values == Numbers{1, 2, 3, 4});
  CHECK(parse_numeric_csv("1,2\n3,4\n", {.columns = {"1"}, .header = false}).values == Numbers{2, 4});

  const TemporaryFolder folder;
  write_bytes(folder / "f", "\xEF\xBB\xBFgrün\n0.1\n");
  CHECK(read_numeric_csv(folder / "f").names == Strings{"grün"});
  CHECK(read_numeric_csv(folder / "f").values == Numbers{0.1});
}

TEST_CASE("parse_numeric_csv: errors") {
  for (const char* field : {"", "x", "1x", "1 2", "nan", "inf", "-inf", "1e999", "0x10", "+-1", "--1", "1,5"}) {
    CAPTURE(field);
    CHECK(complaint(std::string("t,a\n\n0,0\n1,\"") + field + "\"\n") ==
          std::string("f.csv, line 4, column 'a': '") + field + "' is no finite number");
  }
  CHECK(complaint("1,2\n3,4\n") ==
        "f.csv, line 1: numbers only, expected the names of the columns; a file without them is read with "
        ".header = false");
  CHECK(complaint("a,b\n1,2\n", {.columns = {"c"}}) == "f.csv, line 1: no column 'c' among [\"a\", \"b\"]");
  CHECK(complaint("a,a\n1,2\n") == "f.csv, line 1: the column 'a' stands twice");
  CHECK(complaint("a,b\n1\n") == "f.csv, line 2: 1 field, expected 2 as in the first row");
  CHECK(complaint("a,b\n\n") == "f.csv: no rows of numbers");
  CHECK(complaint("", {.header = false}) == "f.csv: no rows of numbers");
  const TemporaryFolder folder;
  write_bytes(folder / "f", "a\n1\n\xE9\n");
  CHECK(message_of<FileError>([&] { read_numeric_csv(folder / "f"); }, folder / "f") ==
        "FILE, line 3, column 1: 0xE9 (byte 4) is not valid UTF-8");
}

TEST_CASE("NumericTable: columns and slices") {
  const NumericTable table{{"a", "b"}, {1, 2, 3, 4, 5, 6}};
  CHECK(table.slice(1, 3).values == Numbers{3, 4, 5, 6});
  CHECK(table.slice(1, 1).rows() == 0);
  CHECK(table.slice(0, 3).values == table.values);
  CHECK_THROWS_WITH_AS(table.slice(1, 4), "NumericTable: rows 1 to 4 of 3 rows", UsageError);
  CHECK_THROWS_AS(table.slice(2, 1), UsageError);
  CHECK_THROWS_WITH_AS(table.column("c"), "NumericTable: no column 'c' among [\"a\", \"b\"]", UsageError);
  CHECK(NumericTable{}.rows() == 0);
}

TEST_CASE("Normalisation: mean and deviation of the training part, and back") {
  // a: mean 5, squared deviations 9 1 1 1 0 0 4 16, their mean 4; b is constant.
  const NumericTable training{{"a", "b"}, {2, 0.1, 4, 0.1, 4, 0.1, 4, 0.1, 5, 0.1, 5, 0.1, 7, 0.1, 9, 0.1}};
  const Normalisation norm = Normalisation::of(training);
  CHECK(norm.names == Strings{"a", "b"});
  CHECK(norm.mean == Numbers{5, 0.1});
  CHECK(norm.deviation == Numbers{2, 1});

  const NumericTable other{{"b", "a"}, {0.6, 8, 0.1, -1}};  // in another order
  CHECK(norm.apply(other).values == Numbers{0.5, 1.5, 0, -3});
  const NumericTable back = norm.invert(norm.apply(other));
  CHECK(back.names == other.names);
  for (Index i = 0; i < back.values.size(); ++i) CHECK(back.values[i] == Approx(other.values[i]).epsilon(1e-15));

  const Normalisation of_itself = Normalisation::of(norm.apply(training));
  CHECK(of_itself.mean[0] == Approx(0).epsilon(1e-15));
  CHECK(of_itself.deviation[0] == Approx(1).epsilon(1e-15));

  Numbers array{0, 1, -1};  // [3, 1]
  norm.invert(array, {"a"});
  CHECK(array == Numbers{5, 7, 3});
  Numbers all{1, 1};
  norm.invert(all);
  CHECK(all == Numbers{7, 1.1});

  CHECK_THROWS_WITH_AS(Normalisation::of(training.slice(0, 0)), "Normalisation: a table without rows", UsageError);
  CHECK_THROWS_WITH_AS(norm.apply({{"c"}, {1}}), "Normalisation: no column 'c' among [\"a\", \"b\"]", UsageError);
  CHECK_THROWS_WITH_AS(norm.invert(array), "Normalisation: an array of 3 numbers has no last axis of 2 columns",
                       ShapeError);
}

TEST_CASE("Normalisation: far from zero") {
  NumericTable table{{"t"}, {}};
  for (int i = 0; i < 1000; ++i) table.values.push_back(1e9 + i % 2);
  const Normalisation norm = Normalisation::of(table);
  CHECK(norm.mean[0] == Approx(1e9 + 0.5).epsilon(1e-15));
  CHECK(norm.deviation[0] == Approx(0.5));
}

TEST_CASE("Normalisation: numbers whose squares a double does not hold") {
  for (const double unit : {1e-170, 1e200}) {
    const Normalisation norm = Normalisation::of({{"a"}, {0, unit}});
    CHECK(norm.deviation[0] == doctest::Approx(unit / 2).epsilon(1e-15));
    CHECK(norm.apply({{"a"}, {0, unit}}).values == std::vector<double>{-1, 1});
  }
}
