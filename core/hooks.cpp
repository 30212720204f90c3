#include <algorithm>

#include <unroll/core/glob.h>
#include <unroll/core/hooks.h>
#include <unroll/core/tape.h>

namespace unroll {
namespace {

/// An array that a callback may keep: nobody writes to it later.
Array to_keep(const Array& x) { return x.whole() ? x : x.copy(); }

std::optional<Index> time_of(const detail::Place& place) {
  if (place.in != detail::Place::In::step) return {};
  return place.reverse && !place.ragged ? place.steps - 1 - place.step : place.step;
}

}  // namespace

void Hooks::add(const Tensor& x, Replace replace) {
  Tape* tape = Tape::current();
  require<UsageError>(tape != nullptr && tape->owns(x),
                      "Hooks: the tape in scope does not record the tensor of shape {}; x = tape.watch(x) makes it",
                      x.shape());
  tape->keep_apart(x.node());
  gradients_.push_back({"", x.tape(), x.node(), std::move(replace)});
}

void Hooks::named(const detail::NamedValue& e) {
  for (Index i = 0; i < values_.size(); ++i) {  // a callback may add others
    if (matches_glob(values_[i].pattern, e.name)) Look(values_[i].look)(e.name, to_keep(e.value), time_of(e.place));
  }
}

void Hooks::used(const Param& param) {
  for (Index i = 0; i < values_.size(); ++i) {
    if (matches_glob(values_[i].pattern, param.name())) Look(values_[i].look)(param.name(), param.value(), {});
  }
}

bool Hooks::wants_gradient(std::string_view name) const {
  return std::any_of(gradients_.begin(), gradients_.end(),
                     [&](const OnGradient& hook) { return hook.node == no_node && matches_glob(hook.pattern, name); });
}

void Hooks::gradient(const detail::GradientOf& of, Array& gradient) {
  const auto run = [&](const OnGradient& hook, std::string_view name) {
    const auto t = of.note == nullptr ? std::nullopt : time_of(of.note->place);
    auto other = Replace(hook.replace)(name, to_keep(gradient), t);
    if (!other) return;
    require(other->shape() == of.shape && other->dtype() == gradient.dtype(),
            "Hooks: the gradient of '{}' is {} {} and cannot be replaced by {} {}", name,
            unroll::name(gradient.dtype()), of.shape, other->defined() ? unroll::name(other->dtype()) : "nothing,",
            other->shape());
    gradient = std::move(*other);
  };
  for (Index i = 0; i < gradients_.size(); ++i) {
    const OnGradient hook = gradients_[i];
    if (hook.node != no_node) {
      if (hook.tape == of.tape && hook.node == of.node) run(hook, "watched");
      continue;
    }
    if (of.param != nullptr && matches_glob(hook.pattern, of.param->name())) run(hook, of.param->name());
    if (of.note == nullptr) continue;
    for (const auto& each : of.note->names) {
      if (matches_glob(hook.pattern, each.name)) run(hook, each.name);
    }
  }
}

}  // namespace unroll
