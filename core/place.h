// Where on this thread something is computed: in which layer, and at which step of a scan.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <unroll/core/ids.h>

namespace unroll {

/// While it lives, names given on this thread stand under `name`: `named("f", x)` gives "encoder.f" inside
/// `NameScope scope("encoder")`. Scopes nest. Stack and Bidirectional have one for each layer: "0", "1", …, "forward",
/// "backward".
class NameScope {
 public:
  explicit NameScope(std::string_view name) : name_(name), outer_(current_) { current_ = this; }
  ~NameScope() { current_ = outer_; }
  NameScope(const NameScope&) = delete;
  NameScope& operator=(const NameScope&) = delete;

  /// The names of all scopes of this thread, joined by dots; empty outside of them.
  static std::string path();

 private:
  std::string name_;
  const NameScope* outer_;
  static constinit thread_local const NameScope* current_;
};

namespace detail {

/// The path of names, and the step of the scan that is running.
struct Place {
  enum class In { nothing, projection, step };

  std::string path;
  In in = In::nothing;
  bool nested = false;  // a scan inside a step of another one
  bool reverse = false;
  bool ragged = false;
  Index step = 0, steps = 0, batch = 0;
  std::vector<Id> rows;  // of a ragged scan: for each row of its tensors, the row in [T·B] that it belongs to

  /// The rows of a tensor of this place, when its first axis (before the steps its first two) counts sequences.
  bool has_rows(Index ndim, Index first, Index second) const;
  /// The row in [T·B] of row r of a tensor.
  Index row(Index r) const;
  std::string full_name(std::string_view name) const { return path.empty() ? std::string(name) : with_path(name); }

 private:
  std::string with_path(std::string_view name) const;
};

/// A scan in progress on this thread. Keeping it up to date costs a few stores a step.
class ScanFrame {
 public:
  /// All sequences have `steps` steps.
  ScanFrame(Index steps, Index batch, bool reverse) : ScanFrame(steps, batch, reverse, nullptr) {}
  /// Sequences of different lengths: `tokens` are the rows in [T·B], step by step, of those that are still running.
  ScanFrame(Index steps, Index batch, bool reverse, const Ids& tokens) : ScanFrame(steps, batch, reverse, &tokens) {}
  ~ScanFrame() { current_ = outer_; }
  ScanFrame(const ScanFrame&) = delete;
  ScanFrame& operator=(const ScanFrame&) = delete;

  /// The next step begins, for `running` sequences.
  void next(Index running) {
    begin_ += running_;
    running_ = running;
    ++steps_begun_;
  }

  /// All steps are done.
  void end() { done_ = true; }

  static Place here();

 private:
  ScanFrame(Index steps, Index batch, bool reverse, const Ids* tokens)
      : steps_(steps), batch_(batch), tokens_(tokens), reverse_(reverse), outer_(current_) {
    current_ = this;
  }

  Index steps_, batch_, steps_begun_ = 0, begin_ = 0, running_ = 0;
  const Ids* tokens_;
  bool reverse_, done_ = false;
  ScanFrame* outer_;
  static constinit thread_local ScanFrame* current_;
};

}  // namespace detail
}  // namespace unroll
