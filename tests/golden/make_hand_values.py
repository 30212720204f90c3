#!/usr/bin/env python3
"""Computes small reference values from their textbook formulas and writes them to hand_values.h beside this script.

Everything is done in rationals (fractions) or in 60 digits (decimal), and rounded once to the nearest double. Constants
such as 0.9 stand for the double nearest to them, since that is what a program multiplies with.
Needs nothing but Python's standard library.
"""
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

getcontext().prec = 60
ONE = Decimal(1)


def logsumexp(z):
    top = max(z)
    return top + sum((v - top).exp() for v in z).ln()


def softplus(x):
    """ln(1 + e^x), without losing a tiny e^x beside the 1."""
    t = (-abs(x)).exp()
    tail = t - t * t / 2 if t < Decimal("1e-30") else (ONE + t).ln()
    return max(x, Decimal(0)) + tail


def sigmoid(x):
    return ONE / (ONE + (-x).exp())


def sgd(rate, curvature, w, steps):
    """Closed form on f(w) = a w^2 / 2: w_k = w_0 (1 - rate a)^k."""
    return [Fraction(w) * (1 - Fraction(rate) * Fraction(curvature)) ** k for k in steps]


# The optimizers below take three steps on f(w) = 3 (w - 0.25)^2 / 2 from w = 2.
START, STEPS = Decimal(2), 3


def slope(w):
    return 3 * (w - Decimal("0.25"))


def momentum(rate, mu, decay):
    w, v, path = START, Decimal(0), []
    for _ in range(STEPS):
        v = Decimal(mu) * v + slope(w) + Decimal(decay) * w
        w -= Decimal(rate) * v
        path.append(w)
    return path


def rmsprop(rate, alpha, eps, decay):
    w, s, path = START, Decimal(0), []
    for _ in range(STEPS):
        g = slope(w) + Decimal(decay) * w
        s = Decimal(alpha) * s + (ONE - Decimal(alpha)) * g * g
        w -= Decimal(rate) * g / (s.sqrt() + Decimal(eps))
        path.append(w)
    return path


def adam(rate, beta1, beta2, eps, decay, decoupled):
    b1, b2 = Decimal(beta1), Decimal(beta2)
    w, m, v, path = START, Decimal(0), Decimal(0), []
    for k in range(1, STEPS + 1):
        g = slope(w)
        if decoupled:
            w -= Decimal(rate) * Decimal(decay) * w
        else:
            g += Decimal(decay) * w
        m = b1 * m + (ONE - b1) * g
        v = b2 * v + (ONE - b2) * g * g
        w -= Decimal(rate) * (m / (ONE - b1 ** k)) / ((v / (ONE - b2 ** k)).sqrt() + Decimal(eps))
        path.append(w)
    return path


def number(x):
    return repr(float(x))


def row(numbers):
    return "{" + ", ".join(number(x) for x in numbers) + "}"


LOGITS = [
    (0.5, -1, 2, 0),
    (10000, 10000, 10000, 10000),
    (-10000, -10000, -10000, -10000),
    (10000, -10000, 10000, -10000),
    (-10000, -10000, 10000, 0),
    (10000, 9999, 9997, -10000),
    (-10000, -9999, -9997, 10),
]
BCE = [(0, 0), (0, 1), (0, 0.25), (50, 0), (50, 1), (-50, 0), (-50, 1),
       (10000, 0), (10000, 1), (-10000, 1), (0.5, 0.75)]
SGD_STEPS = [1, 2, 3, 10, 50]
SGD_RUNS = [(0.1, 2.0, 1.5), (0.1, 12.0, 1.5), (0.1, 19.0, -1.0)]


def logits_rows():
    for values in LOGITS:
        z = [Decimal(v) for v in values]
        total = logsumexp(z)
        yield (f"    {{{row(z)},\n     {number(total)},\n     {row((v - total).exp() for v in z)},\n"
               f"     {row(total - v for v in z)}}},")


def bce_rows():
    for x, y in BCE:
        logit, target = Decimal(x), Decimal(y)
        loss = softplus(logit) - logit * target
        # sigma(x) - y = -sigma(-x) when y = 1: exact where 1 - sigma(x) would cancel
        gradient = -sigmoid(-logit) if y == 1 else sigmoid(logit) - target
        yield f"    {{{number(x)}, {number(y)}, {number(loss)}, {number(gradient)}}},"


def sgd_rows():
    for rate, curvature, start in SGD_RUNS:
        path = row(sgd(rate, curvature, start, SGD_STEPS))
        yield f"    {{{number(rate)}, {number(curvature)}, {number(start)},\n     {path}}},"


def path_line(name, path):
    return f"inline constexpr std::array<double, {len(path)}> {name}{row(path)};"


def header():
    rate, b1, b2, eps, decay = 0.1, 0.9, 0.999, 1e-8, 0.01
    return f"""\
#pragma once

// Reference values from textbook formulas, each correctly rounded to the nearest double.
// Made by make_hand_values.py (rationals and 60-digit decimals); do not edit.
// A constant such as 0.9 is the double nearest to it.

#include <array>

// clang-format off
namespace unroll::golden {{

// ln 2, ln 10000 (the loss of a uniform guess among 10,000 words)
inline constexpr double ln_2 = {number(Decimal(2).ln())};
inline constexpr double ln_10000 = {number(Decimal(10000).ln())};

// 0.9^100 and 1.1^100: a gradient after a hundred steps of a linear recurrence
inline constexpr double pow_0_9_100 = {number(Fraction(0.9) ** 100)};
inline constexpr double pow_1_1_100 = {number(Fraction(1.1) ** 100)};

// logsumexp(z) = ln(sum e^z_k); softmax_k = e^(z_k - logsumexp); the cross-entropy of target k is logsumexp - z_k.
// Its gradient is softmax - one_hot(k).
struct Logits {{
  std::array<double, 4> z;
  double logsumexp;
  std::array<double, 4> softmax;
  std::array<double, 4> cross_entropy;  // element k: the loss when the target is k
}};

inline constexpr std::array<Logits, {len(LOGITS)}> logits{{{{
{chr(10).join(logits_rows())}
}}}};

// Binary cross-entropy from a logit x and a target y: ln(1 + e^x) - x y, with derivative sigmoid(x) - y.
struct BinaryCrossEntropy {{
  double logit, target, loss, gradient;
}};

inline constexpr std::array<BinaryCrossEntropy, {len(BCE)}> binary_cross_entropy{{{{
{chr(10).join(bce_rows())}
}}}};

// Gradient descent on f(w) = a w^2 / 2: w_k = w_0 (1 - rate a)^k.
// One run shrinks, one swings and shrinks, one swings slowly.
struct SgdQuadratic {{
  double rate, curvature, start;
  std::array<double, {len(SGD_STEPS)}> w;  // after sgd_steps
}};

inline constexpr std::array<int, {len(SGD_STEPS)}> sgd_steps{{{", ".join(map(str, SGD_STEPS))}}};
inline constexpr std::array<SgdQuadratic, {len(SGD_RUNS)}> sgd_quadratic{{{{
{chr(10).join(sgd_rows())}
}}}};

// The parameter after each of the first three steps on f(w) = 3 (w - 0.25)^2 / 2 from w = 2, so g = 3 (w - 0.25).
// rate = {rate}; decay is {decay} where named.

// Momentum (mu = {b1}):  v = mu v + g,  w -= rate v.  With weight decay g is g + decay w.
{path_line("sgd_momentum", momentum(rate, b1, 0))}
{path_line("sgd_momentum_decay", momentum(rate, b1, decay))}

// RMSprop (alpha = 0.99, eps = {eps}):  s = alpha s + (1 - alpha) g^2,  w -= rate g / (sqrt(s) + eps).
{path_line("rmsprop", rmsprop(rate, 0.99, eps, 0))}
{path_line("rmsprop_decay", rmsprop(rate, 0.99, eps, decay))}

// Adam (b1 = {b1}, b2 = {b2}, eps = {eps}), at step k from 1:  m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,
// w -= rate (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + eps).  With weight decay g is g + decay w.
{path_line("adam", adam(rate, b1, b2, eps, 0, False))}
{path_line("adam_decay", adam(rate, b1, b2, eps, decay, False))}

// AdamW: w -= rate decay w first, then Adam's step with the plain g.
{path_line("adamw", adam(rate, b1, b2, eps, decay, True))}

}}  // namespace unroll::golden
// clang-format on
"""


if __name__ == "__main__":
    (Path(__file__).resolve().parent / "hand_values.h").write_text(header())
