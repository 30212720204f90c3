#include <algorithm>

#include <unroll/core/observer.h>
#include <unroll/core/tape_memory.h>

namespace unroll::detail {

Observer::Observer() {
  Observer** end = &observers;
  while (*end != nullptr) end = &(*end)->next_;
  *end = this;
}

Observer::~Observer() {
  Observer** at = &observers;
  while (*at != nullptr && *at != this) at = &(*at)->next_;
  if (*at != nullptr) *at = next_;
}

void settle_observers() {
  each_observer([](Observer& o) { o.settle(); });
}

bool gradient_wanted(std::string_view name) {
  bool wanted = false;
  each_observer([&](Observer& o) { wanted = wanted || o.wants_gradient(name); });
  return wanted;
}

void computed(const char* op, std::span<const Tensor> results, std::span<const Tensor* const> inputs,
              const InnerNames& inner) {
  const Place place = ScanFrame::here();
  const Computed event{op, results, inputs, inner, place};
  Tape* tape = Tape::current();
  for (const Tensor& result : results) {
    if (tape == nullptr || !tape->owns(result)) continue;
    Note& note = tape->note(result.node());
    note.place = place;
    note.inputs.clear();
    for (Index i = 0; i < inputs.size(); ++i) {
      note.inputs.push_back({tape->owns(*inputs[i]) ? inputs[i]->node() : no_node, event.input_shape(i)});
    }
  }
  each_observer([&](Observer& o) { o.computed(event); });
  bool wanted = false;
  each_observer([&](Observer& o) { wanted = wanted || o.wants_inner_names(); });
  if (!wanted) return;
  for (const InnerValue& v : inner()) {
    const NamedValue value{place.full_name(v.name), v.value, nullptr, place, v.where};
    each_observer([&](Observer& o) { o.named(value); });
  }
}

void give_name(std::string_view name, const Tensor& x, const std::source_location& where) {
  const Place place = ScanFrame::here();
  const NamedValue value{place.full_name(name), x.value(), &x, place, where};
  Tape* tape = Tape::current();
  if (tape != nullptr && tape->owns(x)) {
    tape->note(x.node()).names.push_back({value.name, where});
    if (gradient_wanted(value.name)) tape->keep_apart(x.node());
  }
  each_observer([&](Observer& o) { o.named(value); });
}

}  // namespace unroll::detail
