// Bounding gradients before a step (Pascanu, Mikolov and Bengio, 2013).
#pragma once

#include <unroll/core/grads.h>

namespace unroll {

/// All parameters' gradients times min(1, max_norm / (norm + 1e-6)), their common p-norm then being at most `max_norm`;
/// that before clipping is `grads.norm(p)`, and an infinite p stands for the largest |g|.
/// As in PyTorch, nothing is hidden: with an infinite norm finite gradients become 0 and infinite ones NaN, and a NaN
/// anywhere makes all of them NaN (`grads.norm()` tells beforehand).
/// Errors: `max_norm` is negative or NaN, or p below 1 or NaN.
Grads clip(Grads grads, double max_norm, double p = 2);

/// Each element moved into [−limit, limit]; NaN stays NaN. Errors: `limit` is negative or NaN.
Grads clip_value(Grads grads, double limit);

}  // namespace unroll
