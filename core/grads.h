// Gradients are a value: what backward returns, to be added, scaled, clipped and given to an optimizer.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <unroll/core/params.h>

namespace unroll {

/// The gradient of a table of which only some rows were used: values [n, F] for `rows` (ascending, each once), zero for
/// all others.
struct RowGrad {
  PooledList<Id> rows;
  Array values;
};

/// The gradients of one loss, by parameter, name or watched tensor. A parameter the loss does not depend on, or a
/// frozen one, has none. That of a table read by `rows` alone is kept by rows, until somebody asks for all of it.
class Grads {
 public:
  struct Entry {
    Param param;
    Array grad;
  };

  /// Errors: there is no gradient for it.
  const Array& operator[](const Param& param) const;
  const Array& operator[](std::string_view name) const;
  /// Of a tensor marked by `tape.watch`.
  const Array& operator[](const Tensor& watched) const;
  bool contains(const Param& param) const;

  /// The parameters' gradients, in the order of the parameters' creation.
  auto begin() const {
    fill();
    return Iterator{entries_.data()};
  }
  auto end() const { return Iterator{entries_.data() + entries_.size()}; }
  Index size() const { return entries_.size(); }
  /// Calls f(param, grad, rows) in that order, where `grad` is whole and `rows` null, or `grad` holds just these rows.
  template <class F>
  void each(F f) const {
    for (const Stored& entry : entries_) f(entry.param, entry.grad, entry.rows ? &*entry.rows : nullptr);
  }

  /// √Σ g² over all parameters.
  double norm() const;
  /// (Σ |g|ᵖ)^(1/p) over all parameters; with an infinite p the largest |g|. NaN if any is. Errors: p is below 1 or
  /// NaN.
  double norm(double p) const;
  Grads& operator*=(double factor);
  /// Moves each element into [−limit, limit]; NaN stays NaN.
  Grads& clamp(double limit);
  friend Grads operator*(double factor, Grads g) { return std::move(g *= factor); }
  friend Grads operator*(Grads g, double factor) { return std::move(g *= factor); }
  /// Adds the other's gradients; one that is missing here is taken over. So a batch that does not fit into memory is
  /// summed up part by part, each with a tape of its own: `Grads total; for (…) { Tape tape; total += tape.backward(…);
  /// }`
  Grads& operator+=(const Grads& other);
  friend Grads operator+(Grads a, const Grads& b) { return std::move(a += b); }
  /// Replaces each gradient by f(array): noise added to it, for instance.
  template <class F>
  void transform(F f) {
    fill();
    for (auto& entry : entries_) f(entry.grad);
  }

  /// Adds a gradient, or a part of one by rows, to what there is for a parameter.
  void insert(const Param& param, Array grad);
  void insert(const Param& param, RowGrad grad);
  void insert_watched(std::uint64_t tape, NodeId node, Array grad);
  /// The gradient of a watched tensor as that of another, in place of what this one has.
  void move_watched(std::uint64_t from_tape, NodeId from, std::uint64_t tape, NodeId node);

 private:
  struct Watched {
    std::uint64_t tape;
    NodeId node;
    Array grad;
  };
  struct Stored : Entry {
    std::optional<PooledList<Id>> rows;  // when it is kept by rows
  };
  struct Iterator {
    const Stored* at;
    const Entry& operator*() const { return *at; }
    Iterator& operator++() {
      ++at;
      return *this;
    }
    bool operator==(const Iterator&) const = default;
  };
  Stored* find(const Param& param) const;
  Stored& place(const Param& param);
  static void fill(Stored& entry);
  void fill() const {
    for (Stored& entry : entries_) fill(entry);
  }

  mutable std::vector<Stored> entries_;  // a gradient kept by rows becomes a whole one when it is looked at
  std::vector<Watched> watched_;
};

}  // namespace unroll
