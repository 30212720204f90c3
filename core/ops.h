// The ops. Each works on recorded and constant tensors alike, in f32 and f64, with NumPy broadcasting where it is
// elementwise. Axes may be negative, counting from the back. A `Param` may stand wherever a tensor does.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include <unroll/core/named.h>
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
/// exp x − 1, exact for small x.
Tensor expm1(const Tensor& x);
/// ln(1 + x), exact for small x.
Tensor log1p(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
/// The error function, 2/√π ∫₀ˣ exp −t² dt.
Tensor erf(const Tensor& x);
/// |x|, with derivative 0 at 0.
Tensor abs(const Tensor& x);
/// −1, 0 or 1; 0 at NaN. The derivative is 0.
Tensor sign(const Tensor& x);
Tensor square(const Tensor& x);
/// xʸ. Negative x have whole powers only, and others NaN. The derivative by y at x = 0 is 0 for y ≥ 0.
Tensor pow(const Tensor& x, const Tensor& y);
Tensor pow(const Tensor& x, double y);
Tensor pow(double x, const Tensor& y);
/// min(max(x, low), high). An infinite bound is no bound; the derivative is 1 strictly between the bounds and 0 at
/// them. Errors: a bound is NaN.
Tensor clamp(const Tensor& x, double low, double high);

// ---- activations (ops/activation.cpp)
Tensor tanh(const Tensor& x);
/// 1 / (1 + exp(-x))
Tensor sigmoid(const Tensor& x);
/// max(x, 0), with derivative 0 at 0.
Tensor relu(const Tensor& x);
/// x for x > 0, slope · x else.
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
/// x for x > 0, alpha (exp x − 1) else. Clevert, Unterthiner and Hochreiter 2016.
Tensor elu(const Tensor& x, double alpha = 1);
/// x / (1 + |x|)
Tensor softsign(const Tensor& x);
/// ln(1 + exp x)
Tensor softplus(const Tensor& x);
/// ln σ(x) = −softplus(−x)
Tensor logsigmoid(const Tensor& x);
/// x σ(x), also called swish.
Tensor silu(const Tensor& x);
/// x Φ(x) with the normal distribution's Φ. Hendrycks and Gimpel 2016.
Tensor gelu(const Tensor& x);
/// Their approximation ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))).
Tensor gelu_tanh(const Tensor& x);

// ---- comparisons (ops/compare.cpp): 1 where it holds and 0 elsewhere, in the operands' dtype. The result is a
// constant: nothing is recorded. A comparison with NaN does not hold, but for `not_equal`.
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, double b);
Tensor operator<(double a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, double b);
Tensor operator>(double a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, double b);
Tensor operator<=(double a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, double b);
Tensor operator>=(double a, const Tensor& b);
Tensor equal(const Tensor& a, const Tensor& b);
Tensor equal(const Tensor& a, double b);
Tensor not_equal(const Tensor& a, const Tensor& b);
Tensor not_equal(const Tensor& a, double b);
/// a where the mask is not 0, b elsewhere, with broadcasting. What is not taken gets the gradient 0, whatever it is.
/// The mask, of the same dtype, is a constant to the tape.
Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& mask, const Tensor& a, double b);
Tensor where(const Tensor& mask, double a, const Tensor& b);
/// The value where the mask is not 0, x elsewhere.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

// ---- products (ops/matmul.cpp, ops/batched.cpp)
/// a b, as in NumPy and PyTorch: a [..., N, K], b [..., K, M] → [..., N, M]. Leading axes broadcast; a vector [K] is a
/// row on the left and a column on the right, an axis that the result has not. The weights of a layer are a matrix b.
Tensor matmul(const Tensor& a, const Tensor& b);
/// a bᵀ, without transposing b in memory.  a [..., N, K], b [..., M, K] → [..., N, M]; leading axes broadcast.
Tensor matmul_nt(const Tensor& a, const Tensor& b);
/// Σ a∘b.  a [N], b [N] → []
Tensor dot(const Tensor& a, const Tensor& b);
/// y[i, j] = a[i] b[j].  a [N], b [M] → [N, M]
Tensor outer(const Tensor& a, const Tensor& b);
/// x w + b.  x [..., K], w [K, M], b [M] or of the result's shape → [..., M]
/// A b of the result's shape that is moved in and held by nobody else gives the result its place.
Tensor affine(const Tensor& x, const Tensor& w, Tensor b);

// ---- reductions (ops/reduce.cpp): over all axes, or over those given; `keep` leaves the reduced axes with extent 1.
// Over no element a sum is 0 and a product 1; all the others are errors.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, bool keep = false);
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const Axes& axes, bool keep = false);
/// The product. Its gradient is exact where factors are 0 or infinite.
Tensor prod(const Tensor& x);
Tensor prod(const Tensor& x, const Axes& axes, bool keep = false);
/// The largest element; ties share the gradient evenly.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const Axes& axes, bool keep = false);
/// The smallest element; ties share the gradient evenly.
Tensor min(const Tensor& x);
Tensor min(const Tensor& x, const Axes& axes, bool keep = false);
/// ln Σ exp x, exact where exp overflows.
Tensor logsumexp(const Tensor& x);
Tensor logsumexp(const Tensor& x, const Axes& axes, bool keep = false);

// ---- spread and length (ops/moments.cpp), over all axes or those given
/// What the variance of n elements divides by. Others have silent defaults: NumPy n, PyTorch n − 1.
enum class Correction {
  none,    ///< n
  bessel,  ///< n − 1, which is unbiased for a sample
};
/// Σ (x − mean)² / n, or / (n − 1). Errors: it would divide by 0.
Tensor var(const Tensor& x, Correction correction);
Tensor var(const Tensor& x, const Axes& axes, Correction correction, bool keep = false);
/// The root of the variance, the standard deviation; its gradient is 0 where it is 0.
Tensor stddev(const Tensor& x, Correction correction);
Tensor stddev(const Tensor& x, const Axes& axes, Correction correction, bool keep = false);
/// The 2-norm √Σ x²; its gradient is 0 where it is 0. (The 1-norm is sum(abs(x)), the maximum norm max(abs(x)).)
Tensor norm(const Tensor& x);
Tensor norm(const Tensor& x, const Axes& axes, bool keep = false);

// ---- order and running sums along one axis (ops/order.cpp)
/// y[i] = x[0] + … + x[i]
Tensor cumsum(const Tensor& x, int axis);
/// Where the largest element of an axis is: the first of equal ones, and NaN counts as the largest. `keep` leaves the
/// axis with extent 1. Errors: an axis without elements.
Ids argmax(const Tensor& x, int axis, bool keep = false);
/// Where the smallest element is; the first of equal ones, and NaN counts as the smallest.
Ids argmin(const Tensor& x, int axis, bool keep = false);
struct TopK {
  Tensor values;
  Ids ids;
};
/// The k largest elements of the last axis in falling order, and where they are; the lower index first of equal ones,
/// and NaN counts as the largest.  x [..., V] → [..., k] each: `auto [values, ids] = top_k(x, 5)`.
TopK top_k(const Tensor& x, Index k);

// ---- shape (ops/shape.cpp)
Tensor reshape(const Tensor& x, const Shape& shape);
/// The axes in reverse order, or in the order given (elsewhere called permute).
Tensor transpose(const Tensor& x);
Tensor transpose(const Tensor& x, const Axes& order);
/// Without the axes of extent 1, or without those of them that are named. Errors: a named axis has another extent.
Tensor squeeze(const Tensor& x);
Tensor squeeze(const Tensor& x, const Axes& axes);
/// With a further axis of extent 1, which is number `axis` of the result.
Tensor unsqueeze(const Tensor& x, int axis);
/// Repeated to a shape, along axes where x has extent 1 or that it lacks in front: NumPy's broadcast_to.
Tensor expand(const Tensor& x, const Shape& shape);
/// Reverses an axis.
Tensor flip(const Tensor& x, int axis);
/// Reverses each sequence of [T, B, ...] within its own length; what lies beyond stays where it is.
Tensor flip(const Tensor& x, const std::vector<Index>& lengths);

// ---- parts (ops/parts.cpp)
/// The elements [from, to) of an axis.
Tensor slice(const Tensor& x, int axis, Index from, Index to);
/// Every step-th element of [from, to), starting with its first; of a negative step backwards, starting with its last.
Tensor slice(const Tensor& x, int axis, Index from, Index to, int step);
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

// ---- joining and repeating (ops/join.cpp)
/// Joins along an existing axis.
Tensor concat(std::span<const Tensor> xs, int axis = -1);
Tensor concat(std::initializer_list<Tensor> xs, int axis = -1);
/// Joins along a new first axis: T tensors [B, F] → [T, B, F]. No copy when they follow each other in memory.
Tensor stack(std::span<const Tensor> xs);
/// The whole tensor again and again: times[i] of it along axis i, one number for each axis.
Tensor tile(const Tensor& x, std::span<const Index> times);
Tensor tile(const Tensor& x, std::initializer_list<Index> times);
/// Each element of an axis `times` times in a row.
Tensor repeat_interleave(const Tensor& x, Index times, int axis);
/// How many elements to add at both ends of an axis.
struct Padding {
  Index before = 0, after = 0;
};
/// More elements of one value around x, one pair of numbers for each axis, in the order of the axes:
/// pad(x, {{0, 0}, {1, 2}}).
Tensor pad(const Tensor& x, std::span<const Padding> sizes, double value = 0);
Tensor pad(const Tensor& x, std::initializer_list<Padding> sizes, double value = 0);

// ---- selection by ids (ops/index.cpp). Errors: an id outside the axis, with its position.
/// Rows of a table: table [V, F], ids of any shape S → [S, F]
Tensor rows(const Tensor& table, const Ids& ids);
/// One element of the last axis each: x [..., V], as many ids as rows → [...].
Tensor pick(const Tensor& x, const Ids& ids);
/// Whole slices of an axis, whose place the axes of the ids take: axis 1 of x [A, V, B], ids [N] → [A, N, B].
Tensor index_select(const Tensor& x, const Ids& ids, int axis);
/// y[i, j, k] = x[i, ids[i, j, k], k] for axis 1, and so on: one element for each id. As many axes of x and ids, and in
/// those other than `axis` at most as many ids as elements.
Tensor gather(const Tensor& x, const Ids& ids, int axis);
/// x plus every element of `source` at its id: y[i, ids[i, j, k], k] += source[i, j, k] for axis 1, and so on. Several
/// at one place add up. `ids` have the shape of `source`; to x they stand as in `gather`.
Tensor scatter_add(const Tensor& x, const Ids& ids, const Tensor& source, int axis);
/// 1 at each id and 0 elsewhere: ids of any shape S → [S, classes]. A constant.
Tensor one_hot(const Ids& ids, Index classes, Dtype dtype = f32);

// ---- normalization over the last axis (ops/norm.cpp): x [..., C], gain [C], bias [C]. Keep x and a few numbers a row.
/// gain ∘ (x − mean) / √(variance + epsilon) + bias, the variance without correction (Ba, Kiros and Hinton 2016).
Tensor layer_norm(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon = 1e-5);
Tensor layer_norm(const Tensor& x, double epsilon = 1e-5);
/// gain ∘ x / √(mean of x² + epsilon) (Zhang and Sennrich 2019).
Tensor rms_norm(const Tensor& x, const Tensor& gain, double epsilon = 1e-5);
Tensor rms_norm(const Tensor& x, double epsilon = 1e-5);

// ---- softmax (ops/softmax.cpp), over the last axis
Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);

// ---- losses: how the losses of single tokens become one number is always named. A batch is [T, B, ...]: T steps of B
// sequences; with fewer axes it is N sequences of one token. With lengths [B], tokens at or beyond a sequence's length
// count nothing: neither their values nor their targets are read.
enum class Reduce {
  sum,           ///< over all tokens
  per_token,     ///< the sum divided by the number of tokens
  per_sequence,  ///< the sum divided by the number of sequences
};

namespace detail {
/// The first field of options that stand beside `lengths` as a last argument: `{2, 3}` are lengths, and only fields
/// that are named are options.
struct ByName {
  constexpr ByName() {}
};
}  // namespace detail

// ---- losses of classes (ops/cross_entropy.cpp, ops/soft_cross_entropy.cpp, ops/nll_loss.cpp)
struct CrossEntropyOptions {
  detail::ByName by_name = {};
  std::optional<Id> ignore = {};     ///< tokens with this target count nothing, and it may lie outside the classes
  double smoothing = 0;              ///< s: targets are 1 − s of themselves and s / V of every class; 0 … 1
  std::vector<double> weights = {};  ///< of each class; none: all 1
  std::vector<Index> lengths = {};
};
/// −ln softmax(logits)[target], reduced. logits [T, B, V] and targets [T, B], or [N, V] and [N]. Every token's loss is
/// Σ_c w_c q_c (−ln softmax(logits)_c) with q from the target by smoothing. As PyTorch's mean, `per_token` divides by
/// Σ w_target over the tokens that count; `per_sequence` by B or N.
/// Errors: an id outside 0 … V − 1 (in the text: where), no token at all.
Tensor cross_entropy(const Tensor& logits, const Ids& targets, Reduce reduce, const CrossEntropyOptions& options);
template <int = 0>  // a template gives way to options where a compiler takes `{.ignore = 3}` for a list of lengths
Tensor cross_entropy(const Tensor& logits, const Ids& targets, Reduce reduce, const std::vector<Index>& lengths = {}) {
  return cross_entropy(logits, targets, reduce, CrossEntropyOptions{.lengths = lengths});
}
/// The same for targets that are probabilities, of the logits' shape; differentiable by both. `per_token` divides by
/// the number of tokens, whatever the weights. Errors: `ignore` is set.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, Reduce reduce,
                     const CrossEntropyOptions& options = {});
struct NllOptions {
  std::optional<Id> ignore = {};
  std::vector<double> weights = {};
  std::vector<Index> lengths = {};
};
/// −w_target log_probabilities[target]: the cross-entropy after `log_softmax`, with the same shapes, divisors, errors.
Tensor nll_loss(const Tensor& log_probabilities, const Ids& targets, Reduce reduce, const NllOptions& options = {});
struct KlOptions {
  bool log_target = false;  ///< the targets are log-probabilities, too
  std::vector<Index> lengths = {};
};
/// The divergence of the model's distribution from the target's, Σ_c q_c (ln q_c − log_probabilities_c) for each token,
/// 0 where q is 0. Both [T, B, V], or [N, V]; differentiable by both. `per_token` divides by the number of
/// distributions (PyTorch's "batchmean" for [N, V]; its "mean" divides by V, too).
Tensor kl_divergence(const Tensor& log_probabilities, const Tensor& targets, Reduce reduce,
                     const KlOptions& options = {});

// ---- losses of single numbers (ops/bce_loss.cpp, ops/regression_loss.cpp): every element is a token. The shapes of
// predictions and targets are one: [T, B, ...], or [N]; `per_token` is the mean over all elements that count.
struct BceOptions {
  detail::ByName by_name = {};
  Array weights = {};                        ///< of each element, of a shape that broadcasts to the logits'
  std::vector<double> positive_weight = {};  ///< p, one number or one for each class (the last axis)
  std::vector<Index> lengths = {};
};
/// −p y ln σ(z) − (1 − y) ln(1 − σ(z)), exact for large |z|.
Tensor bce_with_logits(const Tensor& logits, const Array& targets, Reduce reduce, const BceOptions& options);
template <int = 0>
Tensor bce_with_logits(const Tensor& logits, const Array& targets, Reduce reduce,
                       const std::vector<Index>& lengths = {}) {
  return bce_with_logits(logits, targets, reduce, BceOptions{.lengths = lengths});
}
/// (x − y)².  Differentiable by both, as are the others.
Tensor mse_loss(const Tensor& x, const Tensor& y, Reduce reduce, const std::vector<Index>& lengths = {});
/// |x − y|
Tensor l1_loss(const Tensor& x, const Tensor& y, Reduce reduce, const std::vector<Index>& lengths = {});
struct HuberOptions {
  double delta = 1;  ///< positive
  std::vector<Index> lengths = {};
};
/// ½ (x − y)² up to |x − y| = delta, delta (|x − y| − ½ delta) beyond.
Tensor huber_loss(const Tensor& x, const Tensor& y, Reduce reduce, const HuberOptions& options = {});
struct SmoothL1Options {
  double beta = 1;  ///< 0 gives |x − y|
  std::vector<Index> lengths = {};
};
/// Huber's loss with delta = beta, divided by beta.
Tensor smooth_l1_loss(const Tensor& x, const Tensor& y, Reduce reduce, const SmoothL1Options& options = {});
/// The pinball loss, tau (y − x) for y ≥ x and (1 − tau)(x − y) else: the least for the quantile tau of y, 0 < tau < 1.
Tensor quantile_loss(const Tensor& x, const Tensor& y, double tau, Reduce reduce,
                     const std::vector<Index>& lengths = {});

// ---- dropout (ops/dropout.cpp)
/// Zeroes each element with probability `rate` and scales the others by 1/(1-rate). Call it in training only.
Tensor dropout(const Tensor& x, double rate, Random& random);

}  // namespace unroll
