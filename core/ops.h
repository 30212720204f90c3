// The ops. Each works on recorded and constant tensors alike, in f32 and f64, with NumPy broadcasting where it is
// elementwise. Axes may be negative, counting from the back. A `Param` may stand wherever a tensor does.
#pragma once

#include <array>
#include <span>
#include <vector>

#include <unroll/core/params.h>
#include <unroll/core/pointwise.h>
#include <unroll/core/record.h>

namespace unroll {

// ---- arithmetic (ops/arithmetic.cpp)
Tensor operator+(Tensor a, Tensor b);
Tensor operator-(Tensor a, Tensor b);
Tensor operator*(Tensor a, Tensor b);
Tensor operator/(Tensor a, Tensor b);
Tensor operator-(Tensor a);
// A C++ number takes its partner's dtype.
Tensor operator+(Tensor a, double b);
Tensor operator+(double a, Tensor b);
Tensor operator-(Tensor a, double b);
Tensor operator-(double a, Tensor b);
Tensor operator*(Tensor a, double b);
Tensor operator*(double a, Tensor b);
Tensor operator/(Tensor a, double b);
Tensor operator/(double a, Tensor b);
/// The larger of each pair; ties share the gradient evenly.
Tensor max(const Tensor& a, const Tensor& b);
/// The smaller of each pair; ties share the gradient evenly.
Tensor min(const Tensor& a, const Tensor& b);

// ---- functions of one tensor (ops/math.cpp)
Tensor exp(const Tensor& x);
/// The natural logarithm.
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor tanh(const Tensor& x);
/// 1 / (1 + exp(-x))
Tensor sigmoid(const Tensor& x);
/// max(x, 0), with derivative 0 at 0.
Tensor relu(const Tensor& x);
/// x / (1 + |x|)
Tensor softsign(const Tensor& x);
/// |x|, with derivative 0 at 0.
Tensor abs(const Tensor& x);

// ---- products (ops/matmul.cpp)
/// a b.  a [..., K], b [K, M] → [..., M]
Tensor matmul(const Tensor& a, const Tensor& b);
/// x w + b.  x [..., K], w [K, M], b [M] or of the result's shape → [..., M]
/// A b of the result's shape that is moved in and held by nobody else gives the result its place.
Tensor affine(const Tensor& x, const Tensor& w, Tensor b);

// ---- reductions (ops/reduce.cpp): over all axes, or over those given; `keep` leaves the reduced axes with extent 1
using Axes = std::span<const int>;
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, std::initializer_list<int> axes, bool keep = false);
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, std::initializer_list<int> axes, bool keep = false);
/// The largest element; ties share the gradient evenly.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, std::initializer_list<int> axes, bool keep = false);
/// ln Σ exp x, exact where exp overflows.
Tensor logsumexp(const Tensor& x);
Tensor logsumexp(const Tensor& x, std::initializer_list<int> axes, bool keep = false);

// ---- shape (ops/shape.cpp)
Tensor reshape(const Tensor& x, const Shape& shape);
/// The axes in reverse order, or in the order given.
Tensor transpose(const Tensor& x);
Tensor transpose(const Tensor& x, std::initializer_list<int> order);
/// The elements [from, to) of an axis.
Tensor slice(const Tensor& x, int axis, Index from, Index to);
/// x[i] along the first axis, which is dropped: one time step of [T, B, F]. A view.
Tensor at(const Tensor& x, Index i);
/// All x[i] along the first axis. Views whose gradients are written straight into x's.
std::vector<Tensor> unstack(const Tensor& x);
/// Views of consecutive parts of the first or last axis. Errors: the sizes do not add up to the axis.
std::vector<Tensor> split(const Tensor& x, std::span<const Index> sizes, int axis = -1);
namespace detail {
void split_equal(const Tensor& x, std::span<Tensor> parts);
}
/// N equal parts of the last axis: `auto [i, f, g, o] = split<4>(z)`. Views.
template <int N>
std::array<Tensor, N> split(const Tensor& x) {
  std::array<Tensor, N> parts;
  detail::split_equal(x, parts);
  return parts;
}
/// Joins along an existing axis.
Tensor concat(std::span<const Tensor> xs, int axis = -1);
Tensor concat(std::initializer_list<Tensor> xs, int axis = -1);
/// Joins along a new first axis: T tensors [B, F] → [T, B, F]. No copy when they follow each other in memory.
Tensor stack(std::span<const Tensor> xs);
/// Reverses an axis.
Tensor flip(const Tensor& x, int axis);
/// Reverses each sequence of [T, B, ...] within its own length; what lies beyond stays where it is.
Tensor flip(const Tensor& x, const std::vector<Index>& lengths);

// ---- selection by ids (ops/index.cpp)
/// Rows of a table: table [V, F], ids [T, B] or [N] → [T, B, F] or [N, F]. Errors: an id outside the table.
Tensor rows(const Tensor& table, const Ids& ids);
/// One element of the last axis each: x [..., V], as many ids as rows → [...]. Errors: an id outside the axis.
Tensor pick(const Tensor& x, const Ids& ids);

// ---- softmax (ops/softmax.cpp), over the last axis
Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);

// ---- losses (ops/loss.cpp)
/// How the losses of single tokens become one number.
enum class Reduce {
  sum,           ///< over all tokens
  per_token,     ///< the sum divided by the number of tokens
  per_sequence,  ///< the sum divided by the number of sequences
};
/// −log softmax(logits)[target], reduced. logits [T, B, V] and targets [T, B], or [N, V] and [N] (N sequences of one
/// token). With lengths [B], tokens at or beyond a sequence's length count nothing: their logits and targets are not
/// read. Errors: an id outside 0 … V-1 (in the text: where), no token at all.
Tensor cross_entropy(const Tensor& logits, const Ids& targets, Reduce reduce, const std::vector<Index>& lengths = {});
/// −y ln σ(z) − (1−y) ln(1−σ(z)), exact for large |z|, reduced over all elements: [T, B, ...] counts B sequences, [N]
/// N.
Tensor bce_with_logits(const Tensor& logits, const Array& targets, Reduce reduce,
                       const std::vector<Index>& lengths = {});

// ---- dropout (ops/dropout.cpp)
/// Zeroes each element with probability `rate` and scales the others by 1/(1-rate). Call it in training only.
Tensor dropout(const Tensor& x, double rate, Random& random);

}  // namespace unroll
