// What looks at a computation from inside: Anomaly, Hooks and traces are observers. Ops, names and the tape report to
// all observers of their thread; without one they pass by with a test of one pointer.
#pragma once

#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <unroll/core/observing.h>
#include <unroll/core/params.h>
#include <unroll/core/place.h>

namespace unroll::detail {

/// A value named inside a pointwise lambda.
struct InnerValue {
  const char* name;
  std::source_location where;
  Array value;
};
/// Computes the values named inside a lambda, when an observer asks for them.
class InnerNames {
 public:
  InnerNames() = default;
  template <class F>
  explicit InnerNames(const F& f) : context_(&f), run_([](const void* f) { return (*static_cast<const F*>(f))(); }) {}
  std::vector<InnerValue> operator()() const { return run_ == nullptr ? std::vector<InnerValue>() : run_(context_); }

 private:
  const void* context_ = nullptr;
  std::vector<InnerValue> (*run_)(const void*) = nullptr;
};

/// An op has computed its results.
struct Computed {
  const char* op;
  std::span<const Tensor> results;
  std::span<const Tensor* const> inputs;
  const InnerNames& inner;
  const Place& place;

  /// An input that has no value any more was written over by the result, and had its shape.
  const Shape& input_shape(Index i) const { return (inputs[i]->defined() ? *inputs[i] : results[0]).shape(); }
};

/// A value has got a name.
struct NamedValue {
  std::string name;  // with the path before it
  const Array& value;
  const Tensor* tensor;  // null for one inside a pointwise lambda
  const Place& place;
  std::source_location where;
};

/// What a tape notes about a node while it is observed.
struct Note {
  struct Name {
    std::string name;
    std::source_location where;
  };
  struct Input {
    NodeId node;
    Shape shape;
  };
  std::vector<Name> names;
  std::vector<Input> inputs;
  Place place;
};

struct Notes {
  std::unordered_map<NodeId, Note> of;
};

/// Whose gradient it is.
struct GradientOf {
  std::uint64_t tape;
  NodeId node;
  const char* op;
  const Shape& shape;
  const Param* param;          // null unless it is a parameter
  const Note* note;            // null unless something was noted
  const PooledList<Id>* rows;  // of a table's gradient that is kept by rows
};

/// While it lives, it is told what happens on its thread.
class Observer {
 public:
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  Observer* next() const { return next_; }

  virtual void computed(const Computed&) {}
  virtual void named(const NamedValue&) {}
  virtual bool wants_inner_names() const { return false; }
  /// A parameter is used on a tape for the first time.
  virtual void used(const Param&) {}
  /// Whether `gradient` needs the whole gradient, in memory of its own, of what has this name.
  virtual bool wants_gradient(std::string_view) const { return false; }
  /// The gradient of a node is complete; it may be replaced by another.
  virtual void gradient(const GradientOf&, Array&) {}
  /// The rule of `from` has added to the gradient of its input number `k`.
  virtual void passed(const GradientOf& /*from*/, Index /*k*/, const GradientOf& /*input*/, const Array&) {}
  virtual void settle() {}

 protected:
  Observer();
  ~Observer();

 private:
  Observer* next_ = nullptr;
};

template <class F>
void each_observer(F f) {
  for (Observer* o = observers; o != nullptr; o = o->next()) f(*o);
}
bool gradient_wanted(std::string_view name);

// What ops, names and scans call, when `observed()`.
void computed(const char* op, std::span<const Tensor> results, std::span<const Tensor* const> inputs,
              const InnerNames& inner = {});
void give_name(std::string_view name, const Tensor& x, const std::source_location& where);

}  // namespace unroll::detail
