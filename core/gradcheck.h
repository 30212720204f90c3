// Checking gradients against central differences, in f64. Needs no test framework: a report, or a table to print.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <unroll/core/ops.h>

namespace unroll {

struct GradcheckOptions {
  double tolerance = 1e-9;    ///< largest relative error that passes
  double step = 6e-3;         ///< distance of the differences, times max(1, |x|)
  double low = -2, high = 2;  ///< random inputs are uniform on [low, high)
  std::uint64_t seed = 1;
  Index elements = 400;  ///< at most so many elements of one input or parameter are tried, drawn at random
};

/// The outcome for one input or parameter: its worst element.
struct GradcheckRow {
  std::string name;
  Shape shape;
  Index element = 0;    ///< flat index of the worst element
  double analytic = 0;  ///< what backward says there
  double numeric = 0;   ///< what the central difference says
  double error = 0;     ///< |analytic − numeric| / max(|analytic|, |numeric|, 10⁻³ |y| within 10⁻³ … 1)
  bool passed = true;
};

struct GradcheckReport {
  std::vector<GradcheckRow> rows;
  bool passed() const;
  double worst() const;
  /// The table: name, shape, worst element, both values, relative error, pass or FAIL.
  std::string str() const;
};

namespace detail {

using TensorFunction = std::function<Tensor(std::span<const Tensor>)>;
GradcheckReport gradcheck(const TensorFunction& f, const std::vector<Array>& inputs, const GradcheckOptions& options);

/// Any lambda over one to five tensors, or over a span of them, as a function of a span.
template <class F>
TensorFunction over_span(F& f) {
  return [&f](std::span<const Tensor> x) -> Tensor {
    if constexpr (requires { f(x[0]); }) {
      return f(x[0]);
    } else if constexpr (requires { f(x[0], x[1]); }) {
      return f(x[0], x[1]);
    } else if constexpr (requires { f(x[0], x[1], x[2]); }) {
      return f(x[0], x[1], x[2]);
    } else if constexpr (requires { f(x[0], x[1], x[2], x[3]); }) {
      return f(x[0], x[1], x[2], x[3]);
    } else if constexpr (requires { f(x[0], x[1], x[2], x[3], x[4]); }) {
      return f(x[0], x[1], x[2], x[3], x[4]);
    } else {
      return f(x);
    }
  };
}

}  // namespace detail

/// Checks y = f(x…) with respect to every input, for the scalar Σ r∘y with a random cotangent r (a plain sum hides
/// errors that cancel). `f` takes up to five tensors, or a std::span<const Tensor>. Differences are of sixth order,
/// (45 (f₊ − f₋) − 9 (f₊₊ − f₋₋) + (f₊₊₊ − f₋₋₋)) / 60h: with so long a step h they are exact nearly to rounding. One
/// across a kink or a sharp bend says nothing, so where the tolerance is exceeded a tenth, a hundredth and a thousandth
/// of h are tried, and the best of them counts: a wrong gradient fails with all.
/// Errors: an input that is not f64; a result that does not depend on the inputs.
template <class F>
GradcheckReport gradcheck(F f, const std::vector<Array>& inputs, const GradcheckOptions& options = {}) {
  return detail::gradcheck(detail::over_span(f), inputs, options);
}

/// The same at random inputs of the given shapes: `gradcheck([](auto x) { return tanh(x); }, {{3, 4}})`.
template <class F>
GradcheckReport gradcheck(F f, const std::vector<Shape>& shapes, const GradcheckOptions& options = {}) {
  Random random(options.seed);
  std::vector<Array> inputs;
  for (const Shape& shape : shapes) inputs.push_back(uniform(options.low, options.high)(shape, random));
  return detail::gradcheck(detail::over_span(f), inputs, options);
}

template <class F>
GradcheckReport gradcheck(F f, std::initializer_list<Shape> shapes, const GradcheckOptions& options = {}) {
  return gradcheck(std::move(f), std::vector<Shape>(shapes), options);
}

/// Checks a whole model: `y` computes anything from the parameters (a loss, say), and every parameter that is not
/// frozen is tried. The parameters must be f64 (`params.to(f64)`); they are left as they were. Randomness such as
/// dropout must be off. A parameter the result does not depend on must have zero differences.
GradcheckReport check_model(Params& params, const std::function<Tensor()>& y, const GradcheckOptions& options = {});

struct DirectionOptions {
  Index directions = 8;     ///< tried for each parameter
  double tolerance = 1e-9;  ///< largest relative error that passes
  double step = 5e-4;  ///< root mean square of the distances of the differences, times max(1, that of the parameter)
  std::uint64_t seed = 1;
};

/// The same for models too large to try number by number: each parameter is moved along random directions d, all its
/// numbers at once, and Σ g∘d compared with the difference of y along d, as in gradcheck. The directions are normal,
/// and normalised to a root mean square of 1. Costs 6 · directions evaluations of `y` for each parameter, however many
/// numbers that has, and up to four times as many where it seems wrong. It finds which parameter's rule is wrong, be it
/// for one number only, but not which number: a row's `element` is its worst direction. Requirements and errors as for
/// check_model, and there must be a direction.
GradcheckReport check_directions(Params& params, const std::function<Tensor()>& y,
                                 const DirectionOptions& options = {});

}  // namespace unroll
