#!/usr/bin/env python3
"""Runs bench/floor and bench/recurrent in turn on one core and prints their training steps side by side.

usage: compare.py FOLDER [--quick] [--best] [--repeat N] [--seconds S] [--cpu N] [--sizes N ...]

FOLDER holds the two programs. A column is the median over the repetitions of each run's median, in milliseconds, and
in brackets its ratio to the floor of the same cell: the price of the abstraction. With --best it is the fastest step
of all, which is the better guide on a machine that is shared. Repetitions are interleaved, so that a change of the
machine's speed meets all of them alike. The last column is the share of the sgemm rate, measured in the same runs,
that the built-in LSTM reaches.
"""
import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

SIZES = [(1, 64, 64, 64), (16, 64, 128, 128), (32, 64, 256, 256), (64, 64, 256, 512), (128, 32, 512, 1024)]
RUNS = [("floor", "lstm", None), ("recurrent", "lstm", "built-in"), ("recurrent", "lstm", "plain"),
        ("recurrent", "lstm", "pointwise"), ("floor", "custom", None), ("recurrent", "custom", "built-in"),
        ("recurrent", "custom", "plain"), ("recurrent", "custom", "pointwise")]
TITLES = ["floor", "built-in", "plain", "pointwise", "peephole floor", "built-in", "plain", "pointwise"]


def measure(args, run, size):
    program, cell, form = run
    command = ["taskset", "-c", args.cpu, args.folder / program, "--cell", cell, "--seconds", args.seconds]
    for option, value in zip(("--batch", "--steps", "--input", "--hidden"), size):
        command += [option, value]
    if form:
        command += ["--form", form]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def milliseconds(args, results):
    if args.best:
        return min(r["min_ms"] for r in results)
    return statistics.median(r["median_ms"] for r in results)


def row(args, size):
    results = {run: [] for run in RUNS}
    for _ in range(args.repeat):
        for run in RUNS:
            results[run].append(measure(args, run, size))
    cells = []
    for run in RUNS:
        ms = milliseconds(args, results[run])
        if run[0] == "floor":
            floor = ms
            cells.append(f"{ms:.4g}")
        else:
            cells.append(f"{ms:.4g} ({ms / floor:.2f})")
    built_in = results[RUNS[1]]
    rate = built_in[0]["gflops"] * built_in[0]["median_ms"] / milliseconds(args, built_in)
    share = rate / max(r["sgemm_gflops"] for r in built_in)
    return cells + [f"{100 * share:.0f} %"]


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, found {text}")
    return value


def main():
    ap = argparse.ArgumentParser(description="Training steps beside the hand-written ones, in milliseconds.")
    ap.add_argument("folder", type=lambda text: Path(text).resolve(), help="where floor and recurrent are")
    ap.add_argument("--quick", action="store_true", help="the three small sizes, twice, for 0.5 s each")
    ap.add_argument("--best", action="store_true", help="the fastest step instead of the median")
    ap.add_argument("--repeat", type=positive, help="repetitions (default 5)")
    ap.add_argument("--seconds", type=float, help="of each run (default 2)")
    ap.add_argument("--cpu", type=int, default=0, help="the core to run on (default 0)")
    ap.add_argument("--sizes", type=positive, nargs="+", help="rows of the table, counted from 1 (default: all)")
    args = ap.parse_args()
    args.repeat = args.repeat or (2 if args.quick else 5)
    args.seconds = args.seconds or (0.5 if args.quick else 2)
    rows = args.sizes or (range(1, 4) if args.quick else range(1, 6))
    if max(rows) > len(SIZES):
        ap.error(f"there are {len(SIZES)} sizes")
    titles = ["B, T, input, hidden", *TITLES, "of sgemm"]
    print("| " + " | ".join(titles) + " |\n" + "| --- " * len(titles) + "|", flush=True)
    for size in (SIZES[n - 1] for n in rows):
        print("| " + " | ".join([", ".join(map(str, size)), *row(args, size)]) + " |", flush=True)


if __name__ == "__main__":
    main()
