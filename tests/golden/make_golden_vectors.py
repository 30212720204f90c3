#!/usr/bin/env python3
"""Computes the golden vectors G1-G7 and writes them to vectors.h beside this script.

Every derivative is a complex step: for an analytic f, df/dp = Im f(p + ih) / h with no subtraction, so h = 1e-30
gives it to the last bits. There is no backward pass here to share a mistake with the one under test, and nothing
but Python's standard library (complex numbers and cmath).
"""
import cmath
import math
from pathlib import Path

INPUTS, UNITS, STEPS = 2, 3, 4
H = 1e-30


def sigmoid(z):
    return 1 / (1 + cmath.exp(-z))


def affine(w, b, a, x):
    """w [a, x] + b, with w flat and row-major, [UNITS, UNITS + INPUTS]."""
    column = a + x
    n = len(column)
    return [sum(w[r * n + k] * column[k] for k in range(n)) + b[r] for r in range(UNITS)]


def gate(w, b, a, x):
    return [sigmoid(z) for z in affine(w, b, a, x)]


def candidate(w, b, a, x):
    return [cmath.tanh(z) for z in affine(w, b, a, x)]


def mix(u, new, old):
    return [u[k] * new[k] + (1 - u[k]) * old[k] for k in range(UNITS)]


def rnn(p, a, c, x):
    a = candidate(p[0], p[1], a, x)
    return a, a


def gru_simplified(p, a, c, x):
    c = mix(gate(p[2], p[3], a, x), candidate(p[0], p[1], a, x), a)
    return c, c


def gru_reset_before(p, a, c, x):
    r = gate(p[4], p[5], a, x)
    c = mix(gate(p[2], p[3], a, x), candidate(p[0], p[1], [r[k] * a[k] for k in range(UNITS)], x), a)
    return c, c


def gru_reset_after(p, a, c, x):
    r = gate(p[4], p[5], a, x)
    nothing = [0] * UNITS
    from_state = affine(p[0], nothing, a, [0] * INPUTS)
    from_input = affine(p[0], p[1], nothing, x)
    new = [cmath.tanh(from_input[k] + r[k] * from_state[k]) for k in range(UNITS)]
    c = mix(gate(p[2], p[3], a, x), new, a)
    return c, c


def lstm_cell(p, a, c, x):
    """The new c and the output gate of an LSTM without peepholes."""
    new = candidate(p[0], p[1], a, x)
    u, f, o = gate(p[2], p[3], a, x), gate(p[4], p[5], a, x), gate(p[6], p[7], a, x)
    return [u[k] * new[k] + f[k] * c[k] for k in range(UNITS)], o


def lstm_notes(p, a, c, x):
    c, o = lstm_cell(p, a, c, x)
    return [o[k] * c[k] for k in range(UNITS)], c


def lstm(p, a, c, x):
    c, o = lstm_cell(p, a, c, x)
    return [o[k] * cmath.tanh(c[k]) for k in range(UNITS)], c


def lstm_peephole(p, a, c, x):
    new = candidate(p[0], p[1], a, x)
    zu, zf, zo = (affine(p[m], p[m + 1], a, x) for m in (2, 4, 6))
    u = [sigmoid(zu[k] + p[8][k] * c[k]) for k in range(UNITS)]
    f = [sigmoid(zf[k] + p[9][k] * c[k]) for k in range(UNITS)]
    c = [u[k] * new[k] + f[k] * c[k] for k in range(UNITS)]
    o = [sigmoid(zo[k] + p[10][k] * c[k]) for k in range(UNITS)]
    return [o[k] * cmath.tanh(c[k]) for k in range(UNITS)], c


# id, cell, step, the number of weight and bias pairs, the number of peephole vectors, whether c is apart from a
CELLS = [
    ("G1", "RNN, tanh", rnn, 1, 0, False),
    ("G2", "GRU, simplified", gru_simplified, 2, 0, False),
    ("G3", "GRU, reset before", gru_reset_before, 3, 0, False),
    ("G4", "GRU, reset after", gru_reset_after, 3, 0, False),
    ("G5", "LSTM, a = o * c", lstm_notes, 4, 0, True),
    ("G6", "LSTM, a = o * tanh(c)", lstm, 4, 0, True),
    ("G7", "LSTM with peepholes", lstm_peephole, 4, 3, True),
]


def parameters(pairs, peepholes):
    sizes = [UNITS * (UNITS + INPUTS), UNITS] * pairs + [UNITS] * peepholes
    return [[0.5 * math.sin(10 * m + k + 1) for k in range(size)] for m, size in enumerate(sizes)]


def run(step, p):
    """The loss and the last a and c, from a zero start."""
    a, c, loss = [0] * UNITS, [0] * UNITS, 0
    for t in range(STEPS):
        a, c = step(p, a, c, [math.cos(2 * t + i) for i in range(INPUTS)])
        loss += sum((i + 1) * a[i] for i in range(UNITS))
    return loss, a, c


def gradient_norm(step, p, m):
    """The Euclidean norm of dL/d(block m)."""
    squares = []
    for k in range(len(p[m])):
        moved = [list(block) for block in p]
        moved[m][k] += 1j * H
        squares.append((run(step, moved)[0].imag / H) ** 2)
    return math.sqrt(math.fsum(squares))


HEADER = """\
#pragma once

// Golden vectors G1-G7: one small run of every cell, with the norms of its gradients.
// Made by make_golden_vectors.py (complex-step derivatives); do not edit.
//
//   Two inputs, three units, T = 4 steps, batch 1, zero start.
//   Input:       x_t[i] = cos(2t + i), t = 0 ... 3.
//   Parameters:  block number m, flat and row-major, element k: 0.5 sin(10m + k + 1).
//   Weights are [3, 5] and act on the column [a_prev, x] (three then two). Blocks, in order:
//     RNN   Wa(0) ba(1)
//     GRU   Wc(0) bc(1) Wu(2) bu(3) Wr(4) br(5); the simplified one ends at bu
//     LSTM  Wc(0) bc(1) Wu(2) bu(3) Wf(4) bf(5) Wo(6) bo(7), peepholes pu(8) pf(9) po(10)
//   Loss:        L = sum over t and i of (i + 1) a_t[i], i from 0.
//
//   G1  a = tanh(Wa [a, x] + ba)
//   G2  c = u * tanh(Wc [c, x] + bc) + (1 - u) * c,         u = sigmoid(Wu [c, x] + bu), a = c
//   G3  c = u * tanh(Wc [r * c, x] + bc) + (1 - u) * c,     r = sigmoid(Wr [c, x] + br)
//   G4  c = u * tanh(Wcx x + bc + r * (Wcc c)) + (1 - u) * c, Wc = [Wcc, Wcx]; no bias inside the reset product
//   G5  c = u * tanh(Wc [a, x] + bc) + f * c, a = o * c;    u, f, o = sigmoid(W [a, x] + b)
//   G6  as G5 with a = o * tanh(c)
//   G7  as G6 with pu * c in u, pf * c in f (the old c) and po * c in o (the new c)

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace unroll::golden {

struct Vector {
  std::string_view id, cell;
  double loss;                             // L
  std::array<double, 3> a;                 // a_T
  std::optional<std::array<double, 3>> c;  // c_T, of the LSTMs
  std::size_t blocks;                      // how many parameter blocks there are
  std::array<double, 11> norms;            // of dL/d(block), in block order; zero from `blocks` on
};

"""


def braces(numbers, indent=0):
    """A C++ list of numbers to 15 digits, six to a line."""
    words = [f"{x:.15g}" for x in numbers]
    rows = [", ".join(words[k:k + 6]) for k in range(0, len(words), 6)]
    return "{" + (",\n" + " " * indent).join(rows) + "}"


def main():
    lines = [f"inline constexpr std::array<Vector, {len(CELLS)}> vectors{{{{"]
    for name, cell, step, pairs, peepholes, has_c in CELLS:
        p = parameters(pairs, peepholes)
        loss, a, c = run(step, p)
        norms = [gradient_norm(step, p, m) for m in range(len(p))]
        lines += [
            f'    {{"{name}",',
            f'     "{cell}",',
            f"     {loss.real:.15g},",
            f"     {braces(z.real for z in a)},",
            f"     {'{' + braces(z.real for z in c) + '}' if has_c else 'std::nullopt'},",
            f"     {len(p)},",
            f"     {{{braces(norms, indent=7)}}}}},",
        ]
    text = HEADER + "\n".join(lines) + "\n}};\n\n}  // namespace unroll::golden\n"
    (Path(__file__).resolve().parent / "vectors.h").write_text(text)


if __name__ == "__main__":
    main()
