#!/usr/bin/env python3
"""Checks the loss and every gradient of bench/recurrent, or of a peer, against a float64 reference computed here.

usage: check_recurrent.py PROGRAM [--cell CELL ...] [--batch B] [--steps T] [--input I] [--hidden H] [--mode MODE]
                          [-- OPTION ...]
       check_recurrent.py --self-test

The program, which for a name in .py is Python's, is called as
  PROGRAM --cell C --batch B --steps T --input I --hidden H --mode MODE --check-dir DIR OPTION ...
It reads raw float32 from DIR: x.bin [T, B, I], W.bin [I, G*H], U.bin [H, G*H], b.bin [G*H], and bn.bin [H] (gru) or
P.bin [3, H] (custom); it writes the gradients of the mean of squares of all outputs to dW.bin, dU.bin, db.bin,
dbn.bin, dP.bin in the same layout, and prints one line of JSON with "loss". Status 3 means: this cell is not supported.
With --mode infer only the loss is compared. Needs numpy.

Exit status: 0 every supported cell agrees, 1 one does not (or none is supported), 2 a bad command line.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

GATES = {"rnn": 1, "gru": 3, "lstm": 4, "custom": 4}
NOT_SUPPORTED = 3


def parameters(cell, inputs, hidden, rng):
    """Float32, uniform in +-1/sqrt(hidden), by name."""
    k, gates = hidden ** -0.5, GATES[cell]
    shapes = {"W": (inputs, gates * hidden), "U": (hidden, gates * hidden), "b": (gates * hidden,)}
    if cell == "gru":
        shapes["bn"] = (hidden,)
    if cell == "custom":
        shapes["P"] = (3, hidden)
    return {name: rng.uniform(-k, k, shape).astype(np.float32) for name, shape in shapes.items()}


def sigmoid(z):
    return 0.5 + 0.5 * np.tanh(0.5 * z)


# The reference. Each function takes float64 parameters and x [T, B, I] and returns the outputs [T, B, H] and a function
# from the derivative by the outputs to the derivatives by the parameters: backpropagation through time, by hand.

def rnn(p, x):
    """h' = tanh(x W + b + h U)"""
    projected, h, hs = x @ p["W"] + p["b"], np.zeros((x.shape[1], p["U"].shape[0])), []
    for z in projected:
        h = np.tanh(z + h @ p["U"])
        hs.append(h)
    hs = np.stack(hs)

    def backward(d_out):
        before = np.concatenate([np.zeros_like(hs[:1]), hs[:-1]])
        dz, dh = np.zeros_like(hs), 0.0
        for t in reversed(range(len(x))):
            dz[t] = (d_out[t] + dh) * (1 - hs[t] ** 2)
            dh = dz[t] @ p["U"].T
        return {"W": outer(x, dz), "U": outer(before, dz), "b": dz.sum((0, 1))}
    return hs, backward


def gru(p, x):
    """r, z = sigmoid(x W + b + h U);  n = tanh(x Wn + b_n + r (h Un + bn));  h' = (1 - z) n + z h"""
    hidden = p["U"].shape[0]
    projected, h, kept = x @ p["W"] + p["b"], np.zeros((x.shape[1], hidden)), []
    for z_in in projected:
        hu = h @ p["U"]
        r = sigmoid(z_in[:, :hidden] + hu[:, :hidden])
        z = sigmoid(z_in[:, hidden:2 * hidden] + hu[:, hidden:2 * hidden])
        inner = hu[:, 2 * hidden:] + p["bn"]
        n = np.tanh(z_in[:, 2 * hidden:] + r * inner)
        kept.append((h, r, z, inner, n))
        h = (1 - z) * n + z * h
    hs = np.stack([(1 - z) * n + z * h for h, r, z, inner, n in kept])

    def backward(d_out):
        d_input, d_state = np.zeros_like(projected), np.zeros_like(projected)  # by x W + b, by h U
        dh = 0.0
        for t in reversed(range(len(x))):
            h, r, z, inner, n = kept[t]
            d = d_out[t] + dh
            dn = d * (1 - z) * (1 - n ** 2)
            dz = d * (h - n) * z * (1 - z)
            dr = dn * inner * r * (1 - r)
            d_input[t] = np.concatenate([dr, dz, dn], 1)
            d_state[t] = np.concatenate([dr, dz, dn * r], 1)
            dh = d * z + d_state[t] @ p["U"].T
        before = np.stack([k[0] for k in kept])
        return {"W": outer(x, d_input), "U": outer(before, d_state), "b": d_input.sum((0, 1)),
                "bn": d_state[:, :, 2 * hidden:].sum((0, 1))}
    return hs, backward


def lstm(p, x):
    """i = sigmoid(z_i + Pi c);  f = sigmoid(z_f + Pf c);  g = tanh(z_g);  c' = f c + i g;
    o = sigmoid(z_o + Po c');  h' = o tanh(c');  z = x W + b + h U. Without "P" there are no peepholes."""
    hidden = p["U"].shape[0]
    pi, pf, po = p["P"] if "P" in p else np.zeros((3, hidden))
    h = c = np.zeros((x.shape[1], hidden))
    projected, kept = x @ p["W"] + p["b"], []
    for z in projected:
        zi, zf, zg, zo = np.split(z + h @ p["U"], 4, 1)
        i, f, g = sigmoid(zi + pi * c), sigmoid(zf + pf * c), np.tanh(zg)
        new = f * c + i * g
        o = sigmoid(zo + po * new)
        kept.append((h, c, i, f, g, new, o))
        h, c = o * np.tanh(new), new
    hs = np.stack([o * np.tanh(new) for *_, new, o in kept])

    def backward(d_out):
        dz, dh, dc, dp = np.zeros_like(projected), 0.0, 0.0, np.zeros((3, hidden))
        for t in reversed(range(len(x))):
            h, c, i, f, g, new, o = kept[t]
            d, squashed = d_out[t] + dh, np.tanh(new)
            do = d * squashed * o * (1 - o)
            dnew = dc + d * o * (1 - squashed ** 2) + do * po
            di, df = dnew * g * i * (1 - i), dnew * c * f * (1 - f)
            dz[t] = np.concatenate([di, df, dnew * i * (1 - g ** 2), do], 1)
            dp += np.stack([(di * c).sum(0), (df * c).sum(0), (do * new).sum(0)])
            dh = dz[t] @ p["U"].T
            dc = dnew * f + di * pi + df * pf
        before = np.stack([k[0] for k in kept])
        grads = {"W": outer(x, dz), "U": outer(before, dz), "b": dz.sum((0, 1))}
        return grads | ({"P": dp} if "P" in p else {})
    return hs, backward


def outer(a, dz):
    """The sum over steps and batch of a^T dz."""
    return np.tensordot(a, dz, axes=([0, 1], [0, 1]))


MODELS = {"rnn": rnn, "gru": gru, "lstm": lstm, "custom": lstm}


def reference(cell, params, x):
    """The mean of squares of all outputs, and its derivative by every parameter."""
    hs, backward = MODELS[cell]({k: v.astype(np.float64) for k, v in params.items()}, x.astype(np.float64))
    return float(np.mean(hs ** 2)), backward(2 * hs / hs.size)


def relative_error(got, want):
    """The largest difference, relative to the largest wanted element; infinite where something is not finite."""
    got = np.asarray(got, np.float64)
    if not np.isfinite(got).all():
        return np.inf
    return float(np.abs(got - want).max() / np.abs(want).max())


def run_program(args, cell, params, x):
    """The program's loss and gradients, or None when it does not support the cell. Raises ValueError."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stem, values in {"x": x, **params}.items():
            values.tofile(folder / f"{stem}.bin")
        program = [sys.executable, args.program] if args.program.endswith(".py") else [args.program]
        command = [*program, "--cell", cell, "--batch", args.batch, "--steps", args.steps, "--input", args.input,
                   "--hidden", args.hidden, "--mode", args.mode, "--check-dir", folder, *args.options]
        try:
            done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ValueError(str(error)) from None
        if done.returncode == NOT_SUPPORTED:
            return None
        if done.returncode:
            raise ValueError(f"exit status {done.returncode}: {done.stderr.strip()[-300:]}")
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if not lines:
            raise ValueError("no line of JSON on standard output")
        try:
            loss = float(json.loads(lines[-1])["loss"])
        except (ValueError, KeyError, TypeError):
            raise ValueError(f'expected JSON with a number "loss", found {lines[-1][:200]}') from None
        grads = {}
        if args.mode == "infer":
            return loss, grads
        for stem, values in params.items():
            path = folder / f"d{stem}.bin"
            if not path.exists():
                raise ValueError(f"{path.name} was not written")
            if path.stat().st_size != values.nbytes:
                raise ValueError(f"{path.name}: expected {values.nbytes} bytes, found {path.stat().st_size}")
            grads[stem] = np.fromfile(path, np.float32).reshape(values.shape)
        return loss, grads


def check(args, cell):
    """Prints one line; returns whether the program agrees, or None when it does not support the cell."""
    rng = np.random.default_rng(args.seed)
    params = parameters(cell, args.input, args.hidden, rng)
    x = rng.standard_normal((args.steps, args.batch, args.input)).astype(np.float32)
    try:
        result = run_program(args, cell, params, x)
    except ValueError as error:
        print(f"FAIL {cell:6s} {error}")
        return False
    if result is None:
        print(f"skip {cell:6s} not supported")
        return None
    loss, grads = reference(cell, params, x)
    errors = {"loss": relative_error(result[0], loss)}
    errors |= {"d" + name: relative_error(found, grads[name]) for name, found in result[1].items()}
    agrees = max(errors.values()) <= args.tolerance
    print(f"{'ok  ' if agrees else 'FAIL'} {cell:6s} " + "  ".join(f"{k} {e:.1e}" for k, e in errors.items()))
    return agrees


def scalar_loss(cell, p, x):
    """The same loss once more, written apart: one sequence, one unit and one number at a time, for complex p."""
    steps, batch, inputs = x.shape
    hidden, total = p["U"].shape[0], 0

    def squash(z):
        return 1 / (1 + np.exp(-z))

    for b in range(batch):
        h, c = [0] * hidden, [0] * hidden
        for t in range(steps):
            def from_input(gate, k):
                column = gate * hidden + k
                return sum(x[t, b, j] * p["W"][j, column] for j in range(inputs)) + p["b"][column]

            def from_state(gate, k):
                return sum(h[j] * p["U"][j, gate * hidden + k] for j in range(hidden))

            h_new, c_new = list(h), list(c)
            for k in range(hidden):
                z = [from_input(gate, k) + from_state(gate, k) for gate in range(GATES[cell])]
                if cell == "rnn":
                    h_new[k] = np.tanh(z[0])
                elif cell == "gru":
                    keep = squash(z[1])
                    candidate = np.tanh(from_input(2, k) + squash(z[0]) * (from_state(2, k) + p["bn"][k]))
                    h_new[k] = candidate + keep * (h[k] - candidate)
                else:
                    peep = p["P"][:, k] if cell == "custom" else [0, 0, 0]
                    c_new[k] = squash(z[1] + peep[1] * c[k]) * c[k] + squash(z[0] + peep[0] * c[k]) * np.tanh(z[2])
                    h_new[k] = squash(z[3] + peep[2] * c_new[k]) * np.tanh(c_new[k])
            h, c = h_new, c_new
            total += sum(v * v for v in h)
    return total / (steps * batch * hidden)


def self_test():
    """Compares the reference with complex-step derivatives of scalar_loss, for every parameter of every cell."""
    agrees, h = True, 1e-30
    for cell in GATES:
        rng = np.random.default_rng(7)
        params = parameters(cell, 3, 4, rng)
        x = rng.standard_normal((5, 2, 3)).astype(np.float32)
        loss, grads = reference(cell, params, x)
        moved = {k: v.astype(np.complex128) for k, v in params.items()}
        errors = {"loss": relative_error(scalar_loss(cell, moved, x.astype(np.float64)).real, loss)}
        for name, values in moved.items():
            numeric = np.zeros(values.shape)
            for index in np.ndindex(values.shape):
                values[index] += 1j * h
                numeric[index] = scalar_loss(cell, moved, x.astype(np.float64)).imag / h
                values[index] -= 1j * h
            errors["d" + name] = relative_error(grads[name], numeric)
        ok = max(errors.values()) <= 1e-12
        agrees &= ok
        print(f"{'ok  ' if ok else 'FAIL'} {cell:6s} " + "  ".join(f"{k} {e:.1e}" for k, e in errors.items()))
    return agrees


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, found {text}")
    return value


def main():
    ap = argparse.ArgumentParser(description="Checks bench/recurrent against a float64 reference.",
                                 epilog="What follows -- is handed to the program.")
    ap.add_argument("program", nargs="?", help="the program to check")
    ap.add_argument("--cell", nargs="+", choices=list(GATES), default=list(GATES), help="default: all four")
    ap.add_argument("--batch", type=positive, default=3)
    ap.add_argument("--steps", type=positive, default=7)
    ap.add_argument("--input", type=positive, default=5)
    ap.add_argument("--hidden", type=positive, default=8)
    ap.add_argument("--mode", choices=("train", "infer"), default="train", help="infer: only the loss is compared")
    ap.add_argument("--seed", type=int, default=0, help="of the weights and the input")
    ap.add_argument("--tolerance", type=float, default=1e-5, help="largest relative error (default 1e-5)")
    ap.add_argument("--self-test", action="store_true", help="check the reference itself; needs no program")
    ours, theirs = sys.argv[1:], []
    if "--" in ours:
        cut = ours.index("--")
        ours, theirs = ours[:cut], ours[cut + 1:]
    args = ap.parse_args(ours)
    args.options = theirs
    if args.self_test:
        return 0 if self_test() else 1
    if args.program is None:
        ap.error("which program? (or --self-test)")
    results = [check(args, cell) for cell in args.cell]
    return 0 if False not in results and True in results else 1


if __name__ == "__main__":
    sys.exit(main())
