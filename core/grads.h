// Gradients are a value: what backward returns, to be added, scaled, clipped and given to an optimizer.
#pragma once

#include <string_view>
#include <vector>

#include <unroll/core/params.h>

namespace unroll {

/// The gradients of one loss, by parameter, name or watched tensor. A parameter the loss does not depend on, or a
/// frozen one, has none.
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
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  Index size() const { return entries_.size(); }

  /// √Σ g² over all parameters.
  double norm() const;
  Grads& operator*=(double factor);
  friend Grads operator*(double factor, Grads g) { return std::move(g *= factor); }
  friend Grads operator*(Grads g, double factor) { return std::move(g *= factor); }
  /// Adds the other's gradients; one that is missing here is taken over.
  Grads& operator+=(const Grads& other);
  friend Grads operator+(Grads a, const Grads& b) { return std::move(a += b); }
  /// Replaces each gradient by f(array): clipping by value, for instance.
  template <class F>
  void transform(F f) {
    for (auto& entry : entries_) f(entry.grad);
  }

  void insert(const Param& param, Array grad);
  void insert_watched(std::uint64_t tape, NodeId node, Array grad);

 private:
  struct Watched {
    std::uint64_t tape;
    NodeId node;
    Array grad;
  };
  const Entry* find(const Param& param) const;

  std::vector<Entry> entries_;
  std::vector<Watched> watched_;
};

}  // namespace unroll
