// Callbacks on values and gradients, by name.
#pragma once

#include <functional>
#include <optional>

#include <unroll/core/observer.h>

namespace unroll {

/// Callbacks that last as long as this object, on its thread. Patterns are those of core/glob.h and describe the whole
/// name, path included: `*` stands for any characters, dots too, and `?` for one.
///
///     Hooks hooks;
///     hooks.on_value("*.f", [&](std::string_view name, const Array& f) { … });
///     hooks.on_gradient("lm.cell.*", [&](std::string_view name, const Array& g) { norms[name] = …; });
///     hooks.on_gradient("*h", [](std::string_view, const Array& g) { return clipped(g); });       // replaces it
///
/// Where a callback takes a third argument, std::optional<Index>, that is the time step of the scan the value was
/// computed in. Callbacks run in the order in which they were added, each sees what the earlier ones returned; an
/// exception from one ends the op or the backward it was called from.
class Hooks final : detail::Observer {
 public:
  /// Calls f(name, value) for each value that matches: when `named` gives it its name (inside a pointwise lambda: when
  /// its op is done), and for a parameter when a tape uses it for the first time.
  template <class F>
  void on_value(std::string_view pattern, F f) {
    values_.push_back({std::string(pattern),
                       [f](std::string_view name, const Array& x, std::optional<Index> t) { call(f, name, x, t); }});
  }

  /// Calls f(name, gradient) for each gradient that matches, of named tensors and of parameters, in backward: when it
  /// is complete, that is when everything computed from the value has added its part, and before it goes on to what the
  /// value was computed from. So what was recorded last comes first, and a parameter after all that used it. What f
  /// returns, if it returns an Array, takes the gradient's place. Named values must have got their names while this
  /// object lived; those inside pointwise lambdas have no gradient of their own. Errors, in backward: the returned
  /// array has another shape or dtype.
  template <class F>
  void on_gradient(std::string_view pattern, F f) {
    gradients_.push_back({std::string(pattern), 0, no_node, replacing(std::move(f))});
  }
  /// The same for one tensor: f(gradient). Errors: the tape in scope does not record it (x = tape.watch(x) makes it).
  template <class F>
  void on_gradient(const Tensor& x, F f) {
    add(x, replacing([f](std::string_view, const Array& gradient) { return f(gradient); }));
  }

 private:
  using Look = std::function<void(std::string_view, const Array&, std::optional<Index>)>;
  using Replace = std::function<std::optional<Array>(std::string_view, const Array&, std::optional<Index>)>;
  struct OnValue {
    std::string pattern;
    Look look;
  };
  struct OnGradient {
    std::string pattern;
    std::uint64_t tape;  // and node: of one tensor, without a pattern
    NodeId node;
    Replace replace;
  };

  template <class F>
  static auto call(const F& f, std::string_view name, const Array& x, std::optional<Index> t) {
    if constexpr (std::is_invocable_v<const F&, std::string_view, const Array&, std::optional<Index>>) {
      return f(name, x, t);
    } else {
      return f(name, x);
    }
  }
  template <class F>
  static Replace replacing(F f) {
    return [f](std::string_view name, const Array& x, std::optional<Index> t) -> std::optional<Array> {
      if constexpr (std::is_void_v<decltype(call(f, name, x, t))>) {
        call(f, name, x, t);
        return {};
      } else {
        return call(f, name, x, t);
      }
    };
  }
  void add(const Tensor& x, Replace replace);

  void named(const detail::NamedValue& e) override;
  bool wants_inner_names() const override { return !values_.empty(); }
  void used(const Param& param) override;
  bool wants_gradient(std::string_view name) const override;
  void gradient(const detail::GradientOf& of, Array& gradient) override;

  std::vector<OnValue> values_;
  std::vector<OnGradient> gradients_;
};

}  // namespace unroll
