// Plots: axes, SVG documents and terminal pictures.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <unroll/core/error.h>
#include <unroll/report/plot.h>
#include <unroll/report/text_width.h>

using namespace unroll;
using doctest::Approx;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<std::string> labels(double low, double high, const PlotAxis::Options& options) {
  const PlotAxis axis(low, high, options);
  std::vector<std::string> out;
  for (const PlotAxis::Tick& tick : axis.ticks()) out.push_back(tick.label);
  return out;
}
using Labels = std::vector<std::string>;

/// What is wrong with a document of the XML that we write (elements, quoted attributes, the predefined entities),
/// or nothing.
std::string xml_fault(const std::string& document) {
  std::vector<std::string> open;
  Index elements_at_top = 0;
  for (Index i = 0; i < document.size();) {
    const CodePoint c = first_code_point(std::string_view(document).substr(i));
    if (c.value == 0xFFFD && c.bytes == 1) return "broken UTF-8";
    if (c.value < 0x20 && c.value != '\n' && c.value != '\t') return "a control character";
    if (c.value == '&') {
      const std::string entity = document.substr(i, document.find(';', i) + 1 - i);
      if (entity != "&amp;" && entity != "&lt;" && entity != "&gt;" && entity != "&quot;") return "a bare &";
    }
    if (c.value == '>') return "a bare >";
    if (c.value != '<') {
      i += c.bytes;
      continue;
    }
    const bool closing = document[i + 1] == '/';
    Index j = i + (closing ? 2 : 1);
    std::string name;
    while (j < document.size() && std::isalnum(static_cast<unsigned char>(document[j]))) name += document[j++];
    if (name.empty()) return "a bare <";
    std::vector<std::string> attributes;
    while (j < document.size() && document[j] == ' ') {
      const Index equals = document.find('=', j);
      if (equals == std::string::npos || document[equals + 1] != '"') return "an attribute without a quoted value";
      const std::string attribute = document.substr(j + 1, equals - j - 1);
      const auto is_name = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '-'; };
      if (!std::all_of(attribute.begin(), attribute.end(), is_name)) return "no name of an attribute: " + attribute;
      attributes.push_back(attribute);
      const Index end = document.find('"', equals + 2);
      if (end == std::string::npos) return "an open quote";
      if (document.substr(equals, end - equals).find_first_of("<&") != std::string::npos) return "markup in a value";
      j = end + 1;
    }
    std::sort(attributes.begin(), attributes.end());
    if (std::adjacent_find(attributes.begin(), attributes.end()) != attributes.end()) return "an attribute twice";
    const bool empty = document[j] == '/';
    if (empty) ++j;
    if (j >= document.size() || document[j] != '>') return "a tag that does not end: " + name;
    if (closing) {
      if (open.empty() || open.back() != name) return "</" + name + "> closes nothing";
      open.pop_back();
    } else {
      if (open.empty()) ++elements_at_top;
      if (!empty) open.push_back(name);
    }
    i = j + 1;
  }
  if (!open.empty()) return "<" + open.back() + "> stays open";
  return elements_at_top == 1 ? "" : "not one element at the top";
}

Index occurrences(const std::string& text, const std::string& part) {
  Index n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::vector<std::string> lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::string without_escapes(const std::string& text) {
  std::string out;
  for (Index i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = text.find('m', i);
    } else {
      out += text[i];
    }
  }
  return out;
}

/// A directory of its own for a test, removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "unroll-plot-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::filesystem::path operator/(const char* name) const { return path_ / name; }
  Index files() const { return static_cast<Index>(std::distance(std::filesystem::directory_iterator(path_), {})); }

 private:
  std::filesystem::path path_;
};

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Plot training_plot() {
  Plot plot("Penn Treebank", "epoch", "perplexity");
  plot.curve("training", {1, 2, 3, 4}, {400, 200, 150, 120}).curve("validation", {1, 2, 3, 4}, {300, 210, 180, 160});
  return plot;
}

}  // namespace

TEST_CASE("ticks are round numbers") {
  CHECK(labels(0, 10, {}) == Labels{"0", "2", "4", "6", "8", "10"});
  CHECK(labels(0, 1, {}) == Labels{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"});
  CHECK(labels(-0.03, 0.04, {}) == Labels{"-0.02", "0.00", "0.02", "0.04"});
  CHECK(labels(0, 1, {.ticks = 4}) == Labels{"0.00", "0.25", "0.50", "0.75", "1.00"});
  CHECK(labels(0, 12'000, {.ticks = 6}) == Labels{"0", "2k", "4k", "6k", "8k", "10k", "12k"});
  CHECK(labels(0, 2.5e6, {}) == Labels{"0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"});
  CHECK(labels(1000, 5000, {.ticks = 4}) == Labels{"1000", "2000", "3000", "4000", "5000"});
  CHECK(labels(0, 4e-7, {.ticks = 4}) == Labels{"0", "1e-07", "2e-07", "3e-07", "4e-07"});
}

TEST_CASE("epochs have no halves") {
  CHECK(labels(1, 3, {.ticks = 7}) == Labels{"1.0", "1.5", "2.0", "2.5", "3.0"});
  CHECK(labels(1, 3, {.ticks = 7, .whole_numbers = true}) == Labels{"1", "2", "3"});
  CHECK(labels(1, 18, {.ticks = 7, .whole_numbers = true}) == Labels{"5", "10", "15"});  // and not 2.5
}

TEST_CASE("an axis is widened to its ticks when asked") {
  const PlotAxis wide(118, 383, {.round_out = true});
  CHECK(wide.ticks().front().label == "100");
  CHECK(wide.ticks().back().label == "400");
  CHECK(wide.fraction(100) == Approx(0));
  CHECK(wide.fraction(400) == Approx(1));
  CHECK(wide.fraction(250) == Approx(0.5));
  const PlotAxis tight(118, 383, {});
  CHECK(tight.fraction(118) == 0);
  CHECK(tight.fraction(383) == 1);
}

TEST_CASE("a single value stands in the middle") {
  for (const double value : {0.0, 5.0, -3e200, 1e-310}) {
    CAPTURE(value);
    CHECK(PlotAxis(value, value, {}).fraction(value) == Approx(0.5));
    CHECK_FALSE(PlotAxis(value, value, {.round_out = true}).ticks().empty());
  }
  CHECK(labels(0, 5e-324, {.ticks = 2}) == Labels{"-1", "0", "1"});  // nothing to tell apart
}

TEST_CASE("a logarithmic axis has a tick per decade") {
  constexpr PlotAxis::Options options{.scale = AxisScale::logarithmic, .ticks = 6, .round_out = true};
  CHECK(labels(0.02, 30, options) == Labels{"0.01", "0.1", "1", "10", "100"});
  CHECK(labels(150, 900, options) == Labels{"100", "200", "500", "1000"});
  CHECK(labels(1e-6, 1, options) == Labels{"10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"});
  CHECK(labels(1e-12, 1, options) == Labels{"10⁻¹²", "10⁻¹⁰", "10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"});
  CHECK(PlotAxis(1e-6, 1, options).fraction(1e-3) == Approx(0.5));
}

TEST_CASE("the fault finder for XML finds faults") {
  CHECK(xml_fault("<a x=\"1\"><b/>text &amp; <c>d</c></a>\n").empty());
  for (const char* broken :
       {"", "<a>", "<a></b>", "<a/><b/>", "<a x=1/>", "<a x\"2\" y=\"1\"/>", "<a x=\"1/>", "<a>&</a>", "<a>&nbsp;</a>",
        "<a>1 < 2</a>", "<a>\xFF</a>", "<a>\x01</a>", "<a x=\"1\" x=\"2\"/>", "<a x=\"<\"/>"}) {
    CAPTURE(broken);
    CHECK_FALSE(xml_fault(broken).empty());
  }
}

TEST_CASE("an SVG document is well formed whatever it shows") {
  CHECK(xml_fault(training_plot().to_svg()).empty());
  CHECK(xml_fault(Plot("", "", "").to_svg()).empty());
  Plot hostile("<a & \"b\">\x1f \xFF\xC3", "x\n</text>", "y]]>&amp;", AxisScale::logarithmic);
  for (int i = 0; i < 20; ++i) hostile.curve("<&\">\x7f \xED\xA0\x80", {1, 2, 3}, {not_a_number, -1, infinity});
  hostile.curve("\xEF\xBF\xBF", {0, 1e300, -1e300, 1e301}, {1e-300, 1e300, 5e-324, 1});
  CHECK(xml_fault(hostile.to_svg()).empty());
  CHECK(hostile.to_svg().find("nan") == std::string::npos);
}

TEST_CASE("an SVG document holds the curves, their names and the labels") {
  const std::string svg = training_plot().to_svg();
  for (const char* text :
       {">Penn Treebank<", ">epoch<", ">perplexity<", ">training<", ">validation<", ">100<", ">400<"}) {
    CAPTURE(text);
    CHECK(svg.find(text) != std::string::npos);
  }
  CHECK(occurrences(svg, "<circle") == 8);
  CHECK(svg.find("#ffffff") == std::string::npos);  // no background of its own
}

TEST_CASE("points stand where the axes say") {
  // With three-letter labels the frame is 64 … 696 wide, and with a title and one row of legend 66 … 364 high.
  Plot plot("t", "x", "y");
  plot.curve("c", {0, 1, 2}, {100, 150, 200});
  CHECK(plot.to_svg().find("d=\"M64.0 364.0h0L380.0 215.0L696.0 66.0\"") != std::string::npos);
}

TEST_CASE("a value that cannot be shown leaves a gap") {
  const auto strokes = [](AxisScale scale, double odd) {
    Plot plot("", "", "", scale);
    plot.curve("c", {1, 2, 3, 4, 5}, {1, 2, odd, 2, 1});
    const std::string svg = plot.to_svg();
    const auto end = svg.find("fill=\"none\" stroke=\"#2f81f7\"");
    return occurrences(svg.substr(svg.rfind("<path", end), end - svg.rfind("<path", end)), "M");
  };
  CHECK(strokes(AxisScale::linear, 3) == 1);
  CHECK(strokes(AxisScale::linear, -1) == 1);
  CHECK(strokes(AxisScale::linear, not_a_number) == 2);
  CHECK(strokes(AxisScale::linear, infinity) == 2);
  CHECK(strokes(AxisScale::logarithmic, -1) == 2);
  CHECK(strokes(AxisScale::logarithmic, 0) == 2);
}

TEST_CASE("a curve needs as many xs as ys") {
  CHECK_THROWS_WITH_AS(Plot("", "", "").curve("loss", {1, 2}, {1}), "Plot: the curve \"loss\" has 2 xs and 1 ys",
                       ShapeError);
}

TEST_CASE("a plot is saved whole, over what was there") {
  const TemporaryDirectory directory;
  const auto path = directory / "plot.svg";
  std::ofstream(path) << "old";
  training_plot().save_svg(path);
  CHECK(contents(path) == training_plot().to_svg());
  CHECK(directory.files() == 1);  // nothing is left beside it
}

TEST_CASE("a plot that cannot be saved says so and leaves no trace") {
  const TemporaryDirectory directory;
  CHECK_THROWS_WITH_AS(training_plot().save_svg(directory / "missing/plot.svg"),
                       doctest::Contains("missing/plot.svg: the plot cannot be written: No such file"), FileError);
  std::filesystem::create_directories(directory / "taken.svg/inside");
  CHECK_THROWS_AS(training_plot().save_svg(directory / "taken.svg"), FileError);
  CHECK(directory.files() == 1);
  CHECK(std::filesystem::is_directory(directory / "taken.svg/inside"));
}

TEST_CASE("a terminal picture keeps to its size") {
  Plot wild("a title that is far too long for a terminal of forty columns", "a long name for the x axis 序列模型",
            "and one for y", AxisScale::logarithmic);
  wild.curve("a very long name of a curve 😀", {1, 2, 3, 1e300}, {1, 1e-300, not_a_number, 1e300}).curve("", {}, {});
  for (const Plot& plot : {training_plot(), wild, Plot("", "", "")}) {
    for (const Index width : std::vector<Index>{40, 41, 57, 80, 200}) {
      for (const Index height : std::vector<Index>{10, 11, 24, 60}) {
        const auto picture = lines(plot.to_terminal(width, height, false));
        CHECK(picture.size() == height);
        for (const std::string& line : picture) CHECK(display_width(line) <= width);
      }
    }
  }
  CHECK(training_plot().to_terminal(0, 0, false) == training_plot().to_terminal(40, 10, false));
}

TEST_CASE("a terminal picture shows the line") {
  Plot plot("rise", "x", "y");
  plot.curve("", {0, 1}, {0, 1});
  CHECK(plot.to_terminal(40, 10, false) ==
        "rise  ↑ y\n"
        "1.0 ┤                             ⢀⣀⠤⠔⠒⠉\n"
        "    │                       ⢀⣀⠤⠔⠒⠉⠁\n"
        "    │                 ⢀⣀⠤⠔⠒⠉⠁\n"
        "0.5 ┤           ⢀⣀⠤⠔⠒⠉⠁\n"
        "    │     ⢀⣀⠤⠔⠒⠉⠁\n"
        "0.0 ┤⣀⠤⠔⠒⠉⠁\n"
        "    └┬─────────────────────────────────┬\n"
        "     0                                 1\n"
        "                      x\n");
}

TEST_CASE("the names of curves stand at their ends") {
  const auto picture = lines(training_plot().to_terminal(60, 20, false));
  const auto row_of = [&](const std::string& name) {
    const auto row =
        std::find_if(picture.begin(), picture.end(), [&](const auto& line) { return line.ends_with(name); });
    return row - picture.begin();
  };
  CHECK(row_of(" validation") < row_of(" training"));
  CHECK(row_of(" training") < 17);
}

TEST_CASE("colours change nothing but the colour") {
  const std::string plain = training_plot().to_terminal(60, 20, false);
  const std::string coloured = training_plot().to_terminal(60, 20, true);
  CHECK(plain.find('\x1b') == std::string::npos);
  CHECK(coloured.find("\x1b[38;5;39m") != std::string::npos);
  CHECK(coloured.find("\x1b[38;5;208m") != std::string::npos);
  CHECK(without_escapes(coloured) == plain);
}
