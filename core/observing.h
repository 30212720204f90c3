// Whether anything on this thread looks at what is computed: an Anomaly, Hooks or a trace (core/observer.h).
#pragma once

namespace unroll::detail {

class Observer;
inline constinit thread_local Observer* observers = nullptr;  // a list; almost always empty

inline bool observed() { return observers != nullptr; }

/// Before a value is read: an observer that waited for the value's name waits no longer.
void settle_observers();

}  // namespace unroll::detail
