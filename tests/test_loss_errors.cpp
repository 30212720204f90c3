// Wrong calls of the losses and what they say.
#include <unroll/core/ops.h>

#include "wrong_calls.h"

using namespace unroll;
using namespace unroll::testing;

TEST_CASE("errors: losses of classes") {
  const Ids two{0, 1};
  check_messages<ShapeError>({
      {[] {
         cross_entropy(zeros({3, 4}), zeros({3, 5}), Reduce::sum);
       },
       "cross_entropy: logits are [3, 4] and targets [3, 5]; probabilities have the logits' shape, [N, V] or [T, B, "
       "V]"},
      {[] { cross_entropy(zeros({3}), zeros({3}), Reduce::sum); },
       "cross_entropy: logits are [3] and targets [3]; probabilities have the logits' shape, [N, V] or [T, B, V]"},
      {[] {
         cross_entropy(zeros({3, 4}), zeros({3, 4}, f64), Reduce::sum);
       },
       "cross_entropy: dtypes f32 and f64 do not mix; convert one with to(…)"},
      {[&] {
         cross_entropy(zeros({2, 4}), two, Reduce::sum, {.weights = {1, 2}});
       },
       "cross_entropy: there are 2 weights for 4 classes"},
      {[&] {
         cross_entropy(zeros({2, 4}), zeros({2, 4}), Reduce::sum, {.weights = {1}});
       },
       "cross_entropy: there are 1 weights for 4 classes"},
      {[&] {
         cross_entropy(zeros({2, 4}), {3, 3}, Reduce::per_token, {.ignore = 3});
       },
       "cross_entropy: a mean over no token"},
      {[&] {
         cross_entropy(zeros({2, 4}), {3, 3}, Reduce::per_token, {.weights = {1, 1, 1, 0}});
       },
       "cross_entropy: a mean over no token"},
      {[&] {
         cross_entropy(zeros({3, 2, 4}), zeros({3, 2, 4}), Reduce::sum, {.lengths = {1, 4}});
       },
       "cross_entropy: a length of 4 in a batch of 3 steps"},
      {[&] {
         nll_loss(zeros({3, 4}), two, Reduce::sum);
       },
       "nll_loss: log_probabilities are [3, 4] and targets [2]; one target for each row of [N, V], or of [T, B, V]"},
      {[&] {
         nll_loss(zeros({2, 4}), two, Reduce::sum, {.weights = {1, 2}});
       },
       "nll_loss: there are 2 weights for 4 classes"},
      {[&] {
         nll_loss(zeros({3, 2, 4}), Ids::filled(3, 2, 0), Reduce::sum, {.lengths = {1}});
       },
       "nll_loss: there are 1 lengths for a batch of 2"},
      {[] {
         kl_divergence(zeros({3, 4}), zeros({4}), Reduce::sum);
       },
       "kl_divergence: log_probabilities are [3, 4] and targets [4]; they must have one shape, [N, V] or [T, B, V]"},
      {[] { kl_divergence(zeros({4}), zeros({4}), Reduce::sum); },
       "kl_divergence: log_probabilities are [4] and targets [4]; they must have one shape, [N, V] or [T, B, V]"},
      {[] {
         kl_divergence(zeros({3, 4}), zeros({3, 4}, f64), Reduce::sum);
       },
       "kl_divergence: dtypes f32 and f64 do not mix; convert one with to(…)"},
      {[] {
         kl_divergence(zeros({0, 4}), zeros({0, 4}), Reduce::per_token);
       },
       "kl_divergence: a mean over no token"},
  });
  check_messages<UsageError>({
      {[&] {
         cross_entropy(zeros({2, 4}), {0, 4}, Reduce::sum, {.ignore = -1});
       },
       "cross_entropy: target 4 of sequence 1 is outside 0 … 3"},
      {[&] {
         cross_entropy(zeros({2, 4}), two, Reduce::sum, {.smoothing = 1.5});
       },
       "cross_entropy: a smoothing of 1.5; it lies in 0 … 1"},
      {[&] {
         cross_entropy(zeros({2, 4}), two, Reduce::sum, {.weights = {1, -1, 1, 1}});
       },
       "cross_entropy: a class weight of -1; a weight is finite and not negative"},
      {[&] {
         cross_entropy(zeros({2, 4}), zeros({2, 4}), Reduce::sum, {.ignore = 1});
       },
       "cross_entropy: ignore names an id, and the targets are probabilities"},
      {[&] {
         nll_loss(zeros({2, 2, 3}), Ids({0, 1, 2, -5}, 2, 2), Reduce::sum);
       },
       "nll_loss: target -5 of step 1, sequence 1 is outside 0 … 2"},
      {[&] {
         kl_divergence(Tensor(), zeros({2, 3}), Reduce::sum);
       },
       "kl_divergence: an input has no value"},
      {[&] {
         cross_entropy(Tensor(), zeros({2, 3}), Reduce::sum);
       },
       "cross_entropy: an input has no value"},
  });
}

TEST_CASE("errors: losses of single numbers") {
  const Array y = Array::zeros({3, 4}, f32);
  check_messages<ShapeError>({
      {[] {
         mse_loss(zeros({3, 4}), zeros({4}), Reduce::sum);
       },
       "mse_loss: x is [3, 4] and y [4]; they must have one shape"},
      {[] { huber_loss(zeros({3}), zeros({4}), Reduce::sum); },
       "huber_loss: x is [3] and y [4]; they must have one shape"},
      {[] { l1_loss(zeros({3}), zeros({3}, f64), Reduce::sum); },
       "l1_loss: dtypes f32 and f64 do not mix; convert one with to(…)"},
      {[] { l1_loss(zeros({3}), zeros({3}), Reduce::sum, {1}); }, "l1_loss: lengths need a batch [T, B, ...], not [3]"},
      {[] {
         mse_loss(zeros({0, 2}), zeros({0, 2}), Reduce::per_token);
       },
       "mse_loss: a mean over no token"},
      {[] {
         quantile_loss(zeros({3, 2}), zeros({3, 2}), 0.5, Reduce::sum, {4, 1});
       },
       "quantile_loss: a length of 4 in a batch of 3 steps"},
      {[&] {
         bce_with_logits(zeros({3, 4}), y, Reduce::sum, {.positive_weight = {1, 2}});
       },
       "bce_with_logits: there are 2 positive weights for logits [3, 4]; one, or one for each of the last axis"},
      {[&] {
         bce_with_logits(zeros({3, 4}), y, Reduce::sum, {.weights = Array::zeros({3}, f32)});
       },
       "bce_with_logits: logits are [3, 4] and weights [3], which do not broadcast to them"},
      {[&] {
         bce_with_logits(zeros({3, 4}), y, Reduce::sum, {.weights = Array::zeros({4}, f64)});
       },
       "bce_with_logits: dtypes f32 and f64 do not mix; convert one with to(…)"},
  });
  check_messages<UsageError>({
      {[] { huber_loss(zeros({3}), zeros({3}), Reduce::sum, {.delta = 0}); },
       "huber_loss: a delta of 0; it is positive and finite"},
      {[] { smooth_l1_loss(zeros({3}), zeros({3}), Reduce::sum, {.beta = -1}); },
       "smooth_l1_loss: a beta of -1; it is finite and not negative"},
      {[] { quantile_loss(zeros({3}), zeros({3}), 1, Reduce::sum); },
       "quantile_loss: a tau of 1; it lies between 0 and 1"},
      {[] { mse_loss(zeros({3}), Tensor(), Reduce::sum); }, "mse_loss: an input has no value"},
  });
}
