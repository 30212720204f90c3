// The cells against the golden vectors G1–G7; golden/vectors.h says how they are made.
#include "golden/vectors.h"
#include "layer_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index inputs = 2, units = 3, steps = 4;

/// Where the blocks W [units, units + inputs] and b [units] of one gate lie in a cell: W acts on the column [a, x], so
/// its transpose is a block of columns of wh (the first three rows) and one of wx (the last two).
struct Gate {
  Param wx, wh, b;
  Index column, state_column;  // of wx and b, and of wh
};

/// The gates in the order of the golden blocks, and the peepholes after them.
struct Blocks {
  std::vector<Gate> gates;
  std::vector<Param> peepholes = {};
};

Blocks blocks_of(const Rnn& cell) { return {{{cell.wx, cell.wh, cell.b, 0, 0}}}; }
Blocks blocks_of(const SimpleGru& cell) {
  return {{{cell.wx, cell.wh, cell.b, units, units}, {cell.wx, cell.wh, cell.b, 0, 0}}};
}
Blocks blocks_of(const Gru& cell) {
  return {{{cell.wx, cell.wc, cell.b, 2 * units, 0},
           {cell.wx, cell.wh, cell.b, 0, 0},
           {cell.wx, cell.wh, cell.b, units, units}}};
}
template <class LongShortTermMemory>
std::vector<Gate> four_gates(const LongShortTermMemory& cell) {
  std::vector<Gate> gates;
  for (const Index gate : {2u, 0u, 1u, 3u}) {  // c, u, f, o among our i, f, g, o
    gates.push_back({cell.wx, cell.wh, cell.b, gate * units, gate * units});
  }
  return gates;
}
Blocks blocks_of(const Lstm& cell) { return {four_gates(cell)}; }
Blocks blocks_of(const PeepholeLstm& cell) { return {four_gates(cell), {cell.pi, cell.pf, cell.po}}; }

double golden_number(Index block, Index element) {
  return 0.5 * std::sin(static_cast<double>(10 * block + element + 1));
}

/// Calls f(block, element, array, flat index) for every number of every block; array(param) is where it lies.
template <class ArrayOf, class F>
void for_each_number(const Blocks& blocks, ArrayOf array, F f) {
  Index block = 0;
  for (const Gate& gate : blocks.gates) {
    for (Index row = 0; row < units; ++row) {
      for (Index k = 0; k < units + inputs; ++k) {
        const bool of_state = k < units;
        auto& matrix = array(of_state ? gate.wh : gate.wx);
        const Index at =
            of_state ? k * matrix.cols() + gate.state_column + row : (k - units) * matrix.cols() + gate.column + row;
        f(block, row * (units + inputs) + k, matrix, at);
      }
      f(block + 1, row, array(gate.b), gate.column + row);
    }
    block += 2;
  }
  for (const Param& peephole : blocks.peepholes) {
    for (Index k = 0; k < units; ++k) f(block, k, array(peephole), k);
    ++block;
  }
}

template <class Make>
void check_golden(std::string_view id, Make make, Dtype dtype, double tolerance) {
  const auto& want = *std::find_if(golden::vectors.begin(), golden::vectors.end(), [&](auto& v) { return v.id == id; });
  CAPTURE(want.id);
  CAPTURE(want.cell);
  CAPTURE(name(dtype));

  Params params(0, dtype);
  const auto cell = make(params / "cell");
  params.fill(zero);
  const Blocks blocks = blocks_of(cell);
  for_each_number(
      blocks, [](const Param& p) -> Array& { return p.data().value; },
      [](Index block, Index element, Array& to, Index at) { to.set_flat(at, golden_number(block, element)); });

  Array xs = Array::zeros({steps, 1, inputs}, dtype), weights = Array::zeros({units}, dtype);
  for (Index t = 0; t < steps; ++t) {
    for (Index i = 0; i < inputs; ++i) xs.set_flat(t * inputs + i, std::cos(static_cast<double>(2 * t + i)));
  }
  for (Index i = 0; i < units; ++i) weights.set_flat(i, static_cast<double>(i + 1));

  Tape tape;
  const auto [outputs, last] = scan(cell, Tensor(xs));
  const Tensor loss = sum(outputs * Tensor(weights));
  CHECK(std::abs(loss.item() - want.loss) <= tolerance);
  for (Index i = 0; i < units; ++i) {
    CHECK(std::abs(outputs.value().flat((steps - 1) * units + i) - want.a[i]) <= tolerance);
  }
  if (want.c) {
    const Tensor c = tensors_of(last).at(1);
    for (Index i = 0; i < units; ++i) CHECK(std::abs(c.value().flat(i) - (*want.c)[i]) <= tolerance);
  }

  const Grads grads = tape.backward(loss);
  std::vector<double> squares(want.blocks, 0.0);
  for_each_number(
      blocks, [&](const Param& p) -> const Array& { return grads[p]; },
      [&](Index block, Index, const Array& gradient, Index at) {
        squares.at(block) += gradient.flat(at) * gradient.flat(at);
      });
  for (Index block = 0; block < want.blocks; ++block) {
    CAPTURE(block);
    CHECK(squares[block] > 0);
    CHECK(std::abs(std::sqrt(squares[block]) - want.norms[block]) <= tolerance * std::max(1.0, want.norms[block]));
  }
}

void check_all(Dtype dtype, double tolerance) {
  check_golden(
      "G1", [](const Scope& p) { return Rnn(p, inputs, units); }, dtype, tolerance);
  check_golden(
      "G2", [](const Scope& p) { return SimpleGru(p, inputs, units); }, dtype, tolerance);
  check_golden(
      "G3", [](const Scope& p) { return Gru(p, inputs, units, Reset::before); }, dtype, tolerance);
  check_golden(
      "G4", [](const Scope& p) { return Gru(p, inputs, units, Reset::after); }, dtype, tolerance);
  check_golden(
      "G5", [](const Scope& p) { return Lstm(p, inputs, units, {.output = LstmOutput::c}); }, dtype, tolerance);
  check_golden(
      "G6", [](const Scope& p) { return Lstm(p, inputs, units); }, dtype, tolerance);
  check_golden(
      "G7", [](const Scope& p) { return PeepholeLstm(p, inputs, units); }, dtype, tolerance);
}

}  // namespace

TEST_CASE("golden vectors G1-G7 in f64, to 1e-9") { check_all(f64, 1e-9); }

TEST_CASE("golden vectors G1-G7 in f32, to 1e-5") { check_all(f32, 1e-5); }
