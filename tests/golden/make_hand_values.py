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


# The optimizers below take three steps (some take more) on f(w) = 3 (w - 0.25)^2 / 2 from w = 2.
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


def descent(step, steps=STEPS):
    """The path of w when `step(k, w, g)` gives the next w, for k = 1, 2, …"""
    w, path = START, []
    for k in range(1, steps + 1):
        w = step(k, w, slope(w))
        path.append(w)
    return path


def moving(beta):
    """A running mean that keeps `beta` of itself and starts at 0."""
    mean = Decimal(0)

    def update(x):
        nonlocal mean
        mean = Decimal(beta) * mean + (ONE - Decimal(beta)) * x
        return mean

    return update


def damped(rate, mu, dampening, nesterov):
    v = Decimal(0)

    def step(k, w, g):
        nonlocal v
        v = g if k == 1 else Decimal(mu) * v + (ONE - Decimal(dampening)) * g
        return w - Decimal(rate) * (g + Decimal(mu) * v if nesterov else v)

    return descent(step)


def asgd(rate, lam, alpha, t0, decay):
    rate, lam, average, averages = Decimal(rate), Decimal(lam), Decimal(0), []

    def step(k, w, g):
        nonlocal average
        eta = rate / (ONE + lam * rate * (k - 1)) ** Decimal(alpha)
        w = (ONE - lam * eta) * w - eta * (g + Decimal(decay) * w)
        average += (w - average) / max(1, k - 1 - t0)
        averages.append(average)
        return w

    return descent(step, 5), averages


def adagrad(rate, rate_decay, start, eps, decay):
    s = Decimal(start)

    def step(k, w, g):
        nonlocal s
        g += Decimal(decay) * w
        s += g * g
        return w - Decimal(rate) / (ONE + (k - 1) * Decimal(rate_decay)) * g / (s.sqrt() + Decimal(eps))

    return descent(step)


def adadelta(rate, rho, eps, decay):
    s, d, eps, last = moving(rho), moving(rho), Decimal(eps), Decimal(0)

    def step(k, w, g):
        nonlocal last
        g += Decimal(decay) * w
        change = g * (last + eps).sqrt() / (s(g * g) + eps).sqrt()
        last = d(change * change)
        return w - Decimal(rate) * change

    return descent(step)


def rmsprop_centred(rate, alpha, eps, mu, inside):
    s, c, eps, v = moving(alpha), moving(alpha), Decimal(eps), Decimal(0)

    def step(k, w, g):
        nonlocal v
        square = s(g * g) - c(g) ** 2
        v = Decimal(mu) * v + g / ((square + eps).sqrt() if inside else square.sqrt() + eps)
        return w - Decimal(rate) * v

    return descent(step)


def amsgrad(rate, beta1, beta2, eps):
    m, v, largest = moving(beta1), moving(beta2), Decimal(0)

    def step(k, w, g):
        nonlocal largest
        largest = max(largest, v(g * g))
        first = m(g) / (ONE - Decimal(beta1) ** k)
        return w - Decimal(rate) * first / ((largest / (ONE - Decimal(beta2) ** k)).sqrt() + Decimal(eps))

    return descent(step)


def adamax(rate, beta1, beta2, eps, decay):
    m, u = moving(beta1), Decimal(0)

    def step(k, w, g):
        nonlocal u
        g += Decimal(decay) * w
        u = max(Decimal(beta2) * u, abs(g) + Decimal(eps))
        return w - Decimal(rate) * m(g) / ((ONE - Decimal(beta1) ** k) * u)

    return descent(step)


def nadam(rate, beta1, beta2, eps, psi, decay, decoupled):
    m, v, product, rate = moving(beta1), moving(beta2), ONE, Decimal(rate)

    def mu(k):
        return Decimal(beta1) * (ONE - Decimal("0.96") ** (k * Decimal(psi)) / 2)

    def step(k, w, g):
        nonlocal product
        if decoupled:
            w -= rate * Decimal(decay) * w
        else:
            g += Decimal(decay) * w
        product *= mu(k)
        first = mu(k + 1) * m(g) / (ONE - product * mu(k + 1)) + (ONE - mu(k)) * g / (ONE - product)
        return w - rate * first / ((v(g * g) / (ONE - Decimal(beta2) ** k)).sqrt() + Decimal(eps))

    return descent(step)


def radam(rate, beta1, beta2, eps, decay, decoupled):
    m, v, rate, beta2 = moving(beta1), moving(beta2), Decimal(rate), Decimal(beta2)
    limit = 2 / (ONE - beta2) - 1

    def step(k, w, g):
        if decoupled:
            w -= rate * Decimal(decay) * w
        else:
            g += Decimal(decay) * w
        first, second = m(g) / (ONE - Decimal(beta1) ** k), v(g * g)
        rho = limit - 2 * k * beta2 ** k / (ONE - beta2 ** k)
        if rho <= 5:
            return w - rate * first
        r = ((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)).sqrt()
        return w - rate * r * first * (ONE - beta2 ** k).sqrt() / (second.sqrt() + Decimal(eps))

    return descent(step, 8)


def lion(rate, beta1, beta2, decay):
    m = Decimal(0)

    def step(k, w, g):
        nonlocal m
        c = Decimal(beta1) * m + (ONE - Decimal(beta1)) * g
        m = Decimal(beta2) * m + (ONE - Decimal(beta2)) * g
        return (ONE - Decimal(rate) * Decimal(decay)) * w - Decimal(rate) * (ONE if c > 0 else -ONE)

    return descent(step)


def ftrl(rate, beta, l1, l2, start):
    n, z, rate, l1 = Decimal(start), Decimal(0), Decimal(rate), Decimal(l1)

    def step(k, w, g):
        nonlocal n, z
        z += g - ((n + g * g).sqrt() - n.sqrt()) / rate * w
        n += g * g
        if abs(z) <= l1:
            return Decimal(0)
        return ((l1 if z > 0 else -l1) - z) / ((Decimal(beta) + n.sqrt()) / rate + Decimal(l2))

    return descent(step)


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

// The equations of the others stand in the headers of optim/. The options that are not the defaults of PyTorch, or of
// the paper, are named.
{path_line("sgd_dampened", damped(rate, 0.9, 0.25, False))}  // momentum 0.9, dampening 0.25
{path_line("sgd_nesterov", damped(rate, 0.9, 0, True))}  // momentum 0.9
{path_line("asgd", asgd(rate, 0.5, 0.75, 1, decay)[0])}  // lambda 0.5, t0 1, decay
{path_line("asgd_average", asgd(rate, 0.5, 0.75, 1, decay)[1])}
{path_line("adagrad", adagrad(rate, 0, 0, 1e-10, 0))}
{path_line("adagrad_decays", adagrad(rate, 0.5, 0.25, 1e-10, decay))}  // rate_decay 0.5, accumulator 0.25, decay
{path_line("adadelta", adadelta(1, 0.9, 1e-6, 0))}  // rate 1
{path_line("adadelta_decay", adadelta(1, 0.5, 0.125, decay))}  // rate 1, rho 0.5, epsilon 0.125, decay
{path_line("rmsprop_centred", rmsprop_centred(rate, 0.5, eps, 0, False))}  // alpha 0.5
{path_line("rmsprop_all", rmsprop_centred(rate, 0.5, 0.25, 0.5, False))}  // and epsilon 0.25, momentum 0.5
{path_line("rmsprop_inside", rmsprop_centred(rate, 0.5, 0.25, 0.5, True))}  // the same, inside the root
{path_line("amsgrad", amsgrad(0.75, b1, 0.5, eps))}  // rate 0.75, beta2 0.5
{path_line("adamax", adamax(rate, b1, b2, eps, 0))}
{path_line("adamax_decay", adamax(rate, 0.5, 0.25, 0.5, decay))}  // betas 0.5 and 0.25, epsilon 0.5, decay
{path_line("nadam", nadam(rate, b1, b2, eps, 0.004, 0, False))}
{path_line("nadam_decay", nadam(rate, 0.5, 0.75, eps, 1, decay, False))}  // betas 0.5 and 0.75, psi 1, decay
{path_line("nadam_decoupled", nadam(rate, b1, b2, eps, 0.004, decay, True))}
{path_line("radam", radam(rate, b1, 0.875, eps, 0, False))}  // beta2 0.875
{path_line("radam_decay", radam(rate, b1, 0.875, eps, decay, False))}
{path_line("radam_decoupled", radam(rate, b1, 0.875, eps, decay, True))}
{path_line("lion", lion(rate, b1, 0.99, decay))}  // decay
{path_line("ftrl", ftrl(rate, 0, 0, 0, 0.1))}
{path_line("ftrl_all", ftrl(rate, 0.5, 0.25, 1, 0.1))}  // beta 0.5, l1 0.25, l2 1

}}  // namespace unroll::golden
// clang-format on
"""


if __name__ == "__main__":
    (Path(__file__).resolve().parent / "hand_values.h").write_text(header())
