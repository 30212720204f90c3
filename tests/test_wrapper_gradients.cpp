// All cells in all wrappers, with and without lengths, in all directions: gradients in training.
#include <functional>

#include <unroll/core/gradcheck.h>

#include "wrapper_testing.h"

using namespace unroll;
using namespace unroll::testing;

namespace {

constexpr Index width = 2, steps = 4, batch = 3;

/// A wrapped cell, and how many features its input has.
struct Wrapped {
  AnyLayer layer;
  Index in = width;
};

/// Calls f(name, wrap) for every wrapper, and for some inside others; wrap(scope, cell) wraps a cell with `width`
/// inputs and outputs.
template <class F>
void for_each_wrapper(F visit) {
  const auto f = [&](const std::string& name, const std::function<Wrapped(const Scope&, const AnyCell&)>& wrap) {
    visit(name, wrap);
  };
  const VariationalRates rates{.input = 0.3, .recurrent = 0.4, .output = 0.2};
  f("Residual", [](const Scope&, const AnyCell& cell) { return Wrapped{Residual(cell)}; });
  f("VariationalDropout",
    [=](const Scope& p, const AnyCell& cell) { return Wrapped{VariationalDropout(p, cell, rates)}; });
  f("Zoneout", [](const Scope& p, const AnyCell& cell) { return Wrapped{Zoneout(p, cell, {0.4})}; });
  f("WeightDrop", [](const Scope& p, const AnyCell& cell) { return Wrapped{WeightDrop(p, cell, 0.4, cell.weights)}; });
  f("Projected", [](const Scope& p, const AnyCell& cell) { return Wrapped{Projected(p, cell, 3)}; });
  f("ResetWhere", [](const Scope&, const AnyCell& cell) { return Wrapped{ResetWhere(cell), width + 1}; });
  f("Residual of VariationalDropout",
    [=](const Scope& p, const AnyCell& cell) { return Wrapped{Residual(VariationalDropout(p, cell, rates))}; });
  f("VariationalDropout of Residual of Zoneout", [=](const Scope& p, const AnyCell& cell) {
    return Wrapped{VariationalDropout(p, Residual(Zoneout(p, cell, {0.4})), rates)};
  });
  f("ResetWhere of VariationalDropout of WeightDrop", [=](const Scope& p, const AnyCell& cell) {
    return Wrapped{ResetWhere(VariationalDropout(p, WeightDrop(p, cell, 0.4, cell.weights), rates)), width + 1};
  });
  f("ResetWhere of Projected of Residual", [](const Scope& p, const AnyCell& cell) {
    return Wrapped{ResetWhere(Projected(p, Residual(cell), 3)), width + 1};
  });
}

/// The worst outcome of a check of everything that a scan returns by the inputs, the initial state and the parameters.
GradcheckReport checked(const Repeated<AnyLayer>& layer, Params& params, Index in, const ScanOptions& options,
                        std::uint64_t seed) {
  params.fill(uniform(0.9));
  const Param xs = (params / "given")("xs", {steps, batch, in}, normal(1));
  auto start = layer.zero_state(batch);
  std::vector<Param> given(start.parts.size());
  for (Index k = 0; k < given.size(); ++k) {
    const Shape& shape = start.parts[k].shape();
    if (shape.rows() * shape.cols() > 0) given[k] = (params / "given")(fmt::format("state{}", k), shape, normal(1));
  }
  return check_model(params,
                     [&] {
                       auto state = start;
                       for (Index k = 0; k < given.size(); ++k) {
                         if (start.parts[k].size() > 0) state.parts[k] = given[k];
                       }
                       return in_a_row(scan(layer, xs, state, options));
                     },
                     {.seed = seed, .elements = 6});
}

}  // namespace

TEST_CASE("gradients of all cells in all wrappers: inputs, initial state, parameters, in training") {
  for_each_cell([](const std::string& cell_name, auto make) {
    for_each_wrapper([&](const std::string& wrapper, const auto& wrap) {
      for (const std::vector<Index>& lengths : std::vector<std::vector<Index>>{{}, {2, 4, 1}}) {
        for (const char* direction : {"forward", "reverse", "bidirectional"}) {
          CAPTURE(cell_name);
          CAPTURE(wrapper);
          CAPTURE(lengths.size());
          CAPTURE(direction);
          GradcheckReport report;
          for (std::uint64_t seed = 1; seed <= 3; ++seed) {  // a difference across a kink of ReLU says nothing
            Params params(seed, f64);
            const auto wrapped = [&](const Scope& p) { return wrap(p, AnyCell(make(p / "cell", width, width))); };
            Wrapped one = wrapped(params / "one");
            if (*direction == 'b') one.layer = Bidirectional<AnyLayer>(one.layer, wrapped(params / "two").layer);
            const ScanOptions options{.lengths = lengths, .reverse = *direction == 'r'};
            report = checked({one.layer, &params.random()}, params, one.in, options, seed);
            if (report.passed()) break;
          }
          CHECK_MESSAGE(report.passed(), report.str());
        }
      }
    });
  });
}

TEST_CASE("masks of VariationalDropout are constants: no gradient goes to them") {
  Params params(1, f64);
  const VariationalRates half{.input = 0.5, .recurrent = 0.5, .output = 0.5};
  const VariationalDropout cell(params, Lstm(params / "lstm", 3, 4), half);
  const Tensor xs = random_array({steps, batch, 3}, 2);
  Tape tape;
  auto state = scan(cell, xs).last;
  for (Tensor* mask : {&state.input, &state.recurrent, &state.output}) *mask = tape.watch(*mask);
  const Grads grads = tape.backward(sum(scan(cell, xs, state).outputs));
  for (const Tensor& mask : {state.input, state.recurrent, state.output}) {
    for (Index i = 0; i < mask.size(); ++i) CHECK(grads[mask].flat(i) == 0);
  }
}
