#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <limits>

#include <unroll/core/anomaly.h>

namespace unroll {
namespace {

using detail::Place;

/// Ops that compute nothing: what they move was checked before, or is nobody's business as long as nobody computes with
/// it. Views, concat and stack are not even reported.
bool only_moves(std::string_view op) {
  static constexpr std::array<std::string_view, 12> ops{"expand",      "flip",  "gather",    "index_select",
                                                        "masked_fill", "pad",   "pick",      "reshape",
                                                        "rows",        "slice", "transpose", "where"};
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

std::string number(double v) { return std::isnan(v) ? "nan" : fmt::format("{}", v); }

/// [2, 0, 1] for a flat index.
std::string position(Index flat, const Shape& shape) {
  std::string text;
  for (Index axis = shape.ndim(); axis-- > 0;) {
    text = fmt::format("{}{}{}", flat % shape[axis], text.empty() ? "" : ", ", text);
    flat /= shape[axis];
  }
  return fmt::format("[{}]", text);
}

std::string quoted(std::string_view name, const std::source_location& where) {
  if (where.line() == 0) return fmt::format("'{}'", name);  // a scan named it
  return fmt::format("'{}' ({}:{})", name, where.file_name(), where.line());
}

/// "; inputs [2, 3], [3]"
template <class Shapes>
std::string list_inputs(const Shapes& shapes) {
  constexpr std::size_t most = 8;
  if (shapes.empty()) return "";
  std::string text = shapes.size() == 1 ? "; input " : "; inputs ";
  for (std::size_t i = 0; i < std::min(most, shapes.size()); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", shapes[i]);
  }
  return shapes.size() <= most ? text : text + fmt::format(" and {} more", shapes.size() - most);
}

/// "; at time step t = 3 of T = 20 of sequence 4, in 'encoder'": where the first bad element belongs.
std::string whereabouts(const Place& place, const Shape& shape, Index flat) {
  std::string text;
  if (place.in == Place::In::step || (place.in == Place::In::projection && shape.ndim() > 0)) {
    const Index first = shape.ndim() > 0 ? shape[0] : 0, second = shape.ndim() > 1 ? shape[1] : 0;
    const bool known = place.has_rows(shape.ndim(), first, second);
    if (known) {
      const Index count = place.in == Place::In::projection && !place.ragged ? first * second : first;
      const Index row = place.row(flat / std::max<Index>(1, shape.size() / count));
      text = fmt::format("; at time step t = {} of T = {}", row / place.batch, place.steps);
      if (place.ragged) text += fmt::format(" of sequence {}", row % place.batch);
    } else if (place.in == Place::In::step && !(place.ragged && place.reverse)) {
      text = fmt::format("; at time step t = {} of T = {}", place.reverse ? place.steps - 1 - place.step : place.step,
                         place.steps);
    }
    if (place.in == Place::In::step && place.reverse) {
      text += fmt::format("{} step {} of a reversed scan", text.empty() ? "; at" : ",", place.step);
    } else if (place.reverse && !text.empty()) {
      text += " of a reversed scan";
    }
  }
  return place.path.empty() ? text : fmt::format("{}; in '{}'", text, place.path);
}

/// "the result of 'multiply'"
std::string described(const detail::GradientOf& of) {
  if (of.note != nullptr && !of.note->names.empty()) {
    return quoted(of.note->names.front().name, of.note->names.front().where);
  }
  if (of.param != nullptr) return fmt::format("parameter '{}'", of.param->name());
  if (std::string_view(of.op) == "watched") return "a watched tensor";
  return fmt::format("the result of '{}'", of.op);
}

}  // namespace

Anomaly::~Anomaly() noexcept(false) {
  if (found_ && std::uncaught_exceptions() == exceptions_) raise("");
}

bool Anomaly::is_bad(double v) const { return std::isnan(v) || (options_.infinities && std::isinf(v)); }

/// The flat index of the first element that is an anomaly. Row by row, without a branch for each element.
std::optional<Index> Anomaly::first_bad(const Array& x) const {
  if (!x.defined()) return {};
  return dispatch(x.dtype(), [&]<class T>(T) -> std::optional<Index> {
    const T limit = options_.infinities ? std::numeric_limits<T>::max() : std::numeric_limits<T>::infinity();
    const auto bad = [limit](T v) { return !(std::abs(v) <= limit); };
    const Index cols = x.cols();
    for (Index r = 0, rows = x.rows(); r < rows; ++r) {
      const T* row = x.raw<T>() + r * x.stride();
      bool any = false;
      for (Index c = 0; c < cols; ++c) any |= bad(row[c]);
      if (any) return r * cols + static_cast<Index>(std::find_if(row, row + cols, bad) - row);
    }
    return {};
  });
}

/// "; input 1 holds nan at [0, 2] already"
std::string Anomaly::already_bad(const detail::Computed& e, const Tensor& result) const {
  for (Index i = 0; i < e.inputs.size(); ++i) {
    const Array& x = e.inputs[i]->value();
    if (!x.defined() || x.same_place(result.value())) continue;  // written over
    if (const auto at = first_bad(x)) {
      return fmt::format("; {} holds {} at {} already", e.inputs.size() == 1 ? "it" : fmt::format("input {}", i),
                         number(x.flat(*at)), position(*at, x.shape()));
    }
  }
  return "";
}

void Anomaly::computed(const detail::Computed& e) {
  settle();
  if (only_moves(e.op)) return;
  for (Index k = 0; k < e.results.size(); ++k) {
    const Array& y = e.results[k].value();
    const auto at = first_bad(y);
    if (!at) continue;
    std::string inner;
    for (const detail::InnerValue& v : e.inner()) {
      if (is_bad(v.value.flat(*at))) {
        inner = ", first in " + quoted(v.name, v.where);
        break;
      }
    }
    std::vector<Shape> shapes;
    for (Index i = 0; i < e.inputs.size(); ++i) shapes.push_back(e.input_shape(i));
    found_ = Found{y, fmt::format("{}: the value", e.op),
                   fmt::format("{} of shape {} is {} at {}{}{}{}{}",
                               e.results.size() > 1 ? fmt::format(" (result {} of {})", k, e.results.size()) : "",
                               y.shape(), number(y.flat(*at)), position(*at, y.shape()), inner, list_inputs(shapes),
                               already_bad(e, e.results[k]), whereabouts(e.place, y.shape(), *at))};
    return;
  }
}

void Anomaly::named(const detail::NamedValue& e) {
  if (!found_ || e.tensor == nullptr) return;
  const bool same = e.value.same_place(found_->value) && e.value.shape() == found_->value.shape();
  raise(same ? quoted(e.name, e.where) : "");
}

void Anomaly::settle() {
  if (found_) raise("");
}

void Anomaly::raise(const std::string& name) {
  const Found found = *std::exchange(found_, std::nullopt);
  throw AnomalyError(fmt::format("{}{}{}{}", found.before_name, name.empty() ? "" : " ", name, found.after_name));
}

void Anomaly::used(const Param& param) {
  settle();
  if (const auto at = first_bad(param.value())) {
    throw AnomalyError(fmt::format("parameter '{}': the value of shape {} is {} at {}", param.name(), param.shape(),
                                   number(param.value().flat(*at)), position(*at, param.shape())));
  }
}

void Anomaly::gradient(const detail::GradientOf& of, Array& gradient) {
  const auto at = first_bad(gradient);
  if (!at) return;
  const Index cols = std::max<Index>(1, gradient.cols());
  const Index flat = of.rows == nullptr ? *at : static_cast<Index>((*of.rows)[*at / cols]) * cols + *at % cols;
  throw AnomalyError(fmt::format("{}: the gradient of shape {} is {} at {}{}", described(of), of.shape,
                                 number(gradient.flat(*at)), position(flat, of.shape),
                                 of.note == nullptr ? "" : whereabouts(of.note->place, of.shape, flat)));
}

void Anomaly::passed(const detail::GradientOf& from, Index k, const detail::GradientOf& input, const Array& gradient) {
  const auto at = first_bad(gradient);
  if (!at) return;
  std::vector<Shape> shapes;
  for (const auto& each : from.note->inputs) shapes.push_back(each.shape);
  throw AnomalyError(fmt::format("{}: the gradient of {}, {}, is {} at {}{}{}", from.op,
                                 shapes.size() == 1 ? "its input" : fmt::format("input {}", k), described(input),
                                 number(gradient.flat(*at)), position(*at, input.shape), list_inputs(shapes),
                                 whereabouts(from.note->place, input.param == nullptr ? input.shape : Shape(), *at)));
}

}  // namespace unroll
