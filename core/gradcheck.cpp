#include <cmath>

#include <unroll/core/gradcheck.h>
#include <unroll/core/gradcheck_parts.h>

namespace unroll {

double detail::dot(const Array& r, const Array& y) {
  double sum = 0;
  for (Index i = 0, n = y.size(); i < n; ++i) sum += r.flat(i) * y.flat(i);
  return sum;
}
double detail::change(const Array& r, const Array& moved, const Array& y) {
  double sum = 0;
  for (Index i = 0, n = y.size(); i < n; ++i) sum += r.flat(i) * (moved.flat(i) - y.flat(i));
  return sum;
}

Array detail::cotangent_for(const Tensor& y, Random& random) {
  require(y.defined() && y.dtype() == f64,
          "gradcheck: the result is {}; the check is done in f64 (inputs.to(f64), params.to(f64))",
          y.defined() ? name(y.dtype()) : "empty");
  return normal(1)(y.shape(), random);
}

double detail::relative_error(double a, double b, double y) {
  return std::abs(a - b) / std::max({std::abs(a), std::abs(b), 1e-3 * std::clamp(std::abs(y), 1.0, 1e3)});
}

namespace {

using detail::change;
using detail::cotangent_for;
using detail::dot;

/// Tries the elements of one array: `set(i, v)` changes it, `value()` how far the scalar then is from `y`.
template <class Set, class Value>
GradcheckRow check(std::string name, const Array& x, const Array& gradient, double y, Set set, Value value,
                   Random& random, const GradcheckOptions& options) {
  GradcheckRow row{std::move(name), x.shape()};
  const Index n = x.size();
  for (Index k = 0; k < std::min(n, options.elements); ++k) {
    const Index i = n <= options.elements ? k : random.below(n);
    const double at = x.flat(i), h = options.step * std::max(1.0, std::abs(at));
    const double analytic = gradient.flat(i);
    const auto along = [&](double distance) {
      set(i, at + distance);
      return value();
    };
    const auto [numeric, error] = detail::difference(analytic, along, h, y, options.tolerance);
    set(i, at);
    if (k == 0 || !(error <= row.error)) {  // a NaN is the worst of all
      row.element = i;
      row.analytic = analytic;
      row.numeric = numeric;
      row.error = error;
      if (std::isnan(error)) break;
    }
  }
  row.passed = row.error <= options.tolerance;
  return row;
}

}  // namespace

bool GradcheckReport::passed() const {
  return std::all_of(rows.begin(), rows.end(), [](const GradcheckRow& row) { return row.passed; });
}

double GradcheckReport::worst() const {
  double worst = 0;
  for (const auto& row : rows) worst = row.error <= worst ? worst : row.error;
  return worst;
}

std::string GradcheckReport::str() const {
  Index width = 9;
  for (const auto& row : rows) width = std::max(width, row.name.size());
  std::string text = fmt::format("{:<{}}  {:>14}  {:>8}  {:>16}  {:>16}  {:>9}\n", "parameter", width, "shape",
                                 "element", "backward", "difference", "error");
  for (const auto& row : rows) {
    text += fmt::format("{:<{}}  {:>14}  {:>8}  {:>16.9e}  {:>16.9e}  {:>9.1e}  {}\n", row.name, width, row.shape.str(),
                        row.element, row.analytic, row.numeric, row.error, row.passed ? "pass" : "FAIL");
  }
  return text;
}

GradcheckReport detail::gradcheck(const TensorFunction& f, const std::vector<Array>& inputs,
                                  const GradcheckOptions& options) {
  Random random(options.seed + 1);
  for (const Array& x : inputs)
    require(x.dtype() == f64, "gradcheck: an input is {}; the check is done in f64", name(x.dtype()));
  std::vector<Tensor> x;
  std::vector<Array> gradients;
  Array cotangent, start;
  {
    Tape tape;
    for (const Array& input : inputs) x.push_back(tape.watch(Tensor(input)));
    const Tensor y = f(x);
    cotangent = cotangent_for(y, random);
    start = y.value();
    const Grads grads = tape.backward(y, cotangent);
    for (const Tensor& input : x) gradients.push_back(grads[input]);
  }
  GradcheckReport report;
  std::vector<Tensor> plain(inputs.begin(), inputs.end());
  for (Index k = 0; k < inputs.size(); ++k) {
    Array moved = inputs[k].copy();
    const auto set = [&](Index i, double v) { moved.set_flat(i, v); };
    const auto value = [&] {
      plain[k] = Tensor(moved.copy());
      return change(cotangent, f(plain).value(), start);
    };
    report.rows.push_back(
        check(fmt::format("input {}", k), inputs[k], gradients[k], dot(cotangent, start), set, value, random, options));
    plain[k] = Tensor(inputs[k]);
  }
  return report;
}

GradcheckReport check_model(Params& params, const std::function<Tensor()>& f, const GradcheckOptions& options) {
  Random random(options.seed + 1);
  Array cotangent, y_start;
  Grads grads;
  {
    Tape tape;
    const Tensor y = f();
    cotangent = cotangent_for(y, random);
    y_start = y.value();
    grads = tape.backward(y, cotangent);
  }
  GradcheckReport report;
  for (const Param& param : params) {
    if (param.frozen()) continue;
    const detail::Restored restored{param};
    const Array& start = restored.value;
    const Array gradient = grads.contains(param) ? grads[param] : Array::zeros(param.shape(), f64);
    const auto set = [&](Index i, double v) { param.data().value.set_flat(i, v); };
    const auto value = [&] { return change(cotangent, f().value(), y_start); };
    report.rows.push_back(check(param.name(), start, gradient, dot(cotangent, y_start), set, value, random, options));
  }
  return report;
}

}  // namespace unroll
