#include <unroll/core/place.h>

namespace unroll {

constinit thread_local const NameScope* NameScope::current_ = nullptr;
constinit thread_local detail::ScanFrame* detail::ScanFrame::current_ = nullptr;

std::string NameScope::path() {
  std::string path;
  for (const NameScope* scope = current_; scope != nullptr; scope = scope->outer_) {
    path = path.empty() ? scope->name_ : scope->name_ + "." + path;
  }
  return path;
}

namespace detail {

bool Place::has_rows(Index ndim, Index first, Index second) const {
  if (in == In::nothing || ndim == 0) return false;
  if (ragged) return first == rows.size();
  return in == In::step ? first == batch : ndim > 1 && first == steps && second == batch;
}

Index Place::row(Index r) const {
  if (ragged) return static_cast<Index>(rows[r]);
  const Index t = in == In::step ? step : r / batch;
  return (reverse ? steps - 1 - t : t) * batch + r % batch;
}

std::string Place::with_path(std::string_view name) const { return path + "." + std::string(name); }

Place ScanFrame::here() {
  Place place;
  place.path = NameScope::path();
  const ScanFrame* frame = current_;
  if (frame == nullptr) return place;
  place.nested = frame->outer_ != nullptr;
  if (frame->done_) return place;
  place.in = frame->steps_begun_ == 0 ? Place::In::projection : Place::In::step;
  place.reverse = frame->reverse_;
  place.ragged = frame->tokens_ != nullptr;
  place.step = frame->steps_begun_ == 0 ? 0 : frame->steps_begun_ - 1;
  place.steps = frame->steps_;
  place.batch = frame->batch_;
  if (place.ragged) {
    const auto& tokens = frame->tokens_->values();
    const bool all = place.in == Place::In::projection;
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(all ? 0 : frame->begin_);
    place.rows.assign(begin, all ? tokens.end() : begin + static_cast<std::ptrdiff_t>(frame->running_));
  }
  return place;
}

}  // namespace detail
}  // namespace unroll
