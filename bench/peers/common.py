"""What the peers of one recurrent layer share: options, weights, the input, timing, and the line of JSON.

`parse_options` comes before the import of any framework, since it sets the environment that they read their number of
threads from. Arrays are float32 and time-major, x [T, B, I]. The weights, with the gates side by side in the order
i f g o (lstm, custom) or r z n (gru):
  W [I, G*H], U [H, G*H], b [G*H];  gru: bn [H], added to h U inside the reset product;  custom: P [3, H], the peepholes
  of i, f (which see the old c) and o (which sees the new one).
"""
import argparse
import json
import os
import sys
import time
from pathlib import Path

GATES = {"rnn": 1, "gru": 3, "lstm": 4, "custom": 4}
RATE = 1e-4
NOT_SUPPORTED = 3  # the exit status of a cell or mode that a peer does not have


def parse_options(peer, cells=tuple(GATES), modes=("train", "infer"), add_options=lambda parser: None,
                  precisions=("f32",)):
    parser = argparse.ArgumentParser(description=f"One training step or one inference of a layer by {peer}.")
    parser.add_argument("--cell", choices=list(GATES), default="lstm", help="custom is an LSTM with peepholes")
    parser.add_argument("--batch", type=int, default=16, help="sequences")
    parser.add_argument("--steps", type=int, default=64, help="of time")
    parser.add_argument("--input", type=int, default=128, help="width of the input")
    parser.add_argument("--hidden", type=int, default=128, help="width of the state")
    parser.add_argument("--mode", choices=("train", "infer"), default="train")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="of the products")
    parser.add_argument("--seconds", type=float, default=2, help="how long to measure")
    parser.add_argument("--check-dir", type=Path, metavar="DIR",
                        help="read the weights and the input from DIR/W.bin …, print the loss, and write the "
                             "gradients to DIR/dW.bin … (bench/check_recurrent.py does the rest)")
    add_options(parser)
    o = parser.parse_args()
    o.peer = peer
    if o.cell not in cells or o.mode not in modes or o.precision not in precisions:
        sys.exit(NOT_SUPPORTED)
    limit_threads(o.threads)
    return o


def limit_threads(threads):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):  # NPROC is XLA's
        os.environ[name] = str(threads)


def make_weights(o):
    """From the folder to check against, or uniform in ±1/√H."""
    import numpy as np
    random, limit, width = np.random.default_rng(0), o.hidden ** -0.5, GATES[o.cell] * o.hidden
    shapes = {"W": (o.input, width), "U": (o.hidden, width), "b": (width,)}
    if o.cell == "gru":
        shapes["bn"] = (o.hidden,)
    if o.cell == "custom":
        shapes["P"] = (3, o.hidden)
    if o.check_dir:
        return {name: np.fromfile(o.check_dir / f"{name}.bin", np.float32).reshape(s) for name, s in shapes.items()}
    return {name: random.uniform(-limit, limit, s).astype(np.float32) for name, s in shapes.items()}


def make_input(o):
    """From the folder to check against, or normal."""
    import numpy as np
    shape = (o.steps, o.batch, o.input)
    if o.check_dir:
        return np.fromfile(o.check_dir / "x.bin", np.float32).reshape(shape)
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def report_check(o, loss, gradients):
    """`gradients` by the names of the weights and in their layout; none from a peer that only infers."""
    import numpy as np
    for name, gradient in gradients.items():
        np.ascontiguousarray(gradient, np.float32).tofile(o.check_dir / f"d{name}.bin")
    print(json.dumps({"peer": o.peer, "cell": o.cell, "loss": float(loss)}))


def measure(step, seconds):
    """Calls `step` for a quarter of the time and at least twice to warm up, then measures single calls."""
    calls, begin = 0, time.perf_counter()
    while calls < 2 or time.perf_counter() - begin < 0.25 * seconds:
        step()
        calls += 1
    times, cpu, begin = [], time.process_time(), time.perf_counter()
    now = begin
    while len(times) < 3 or now - begin < seconds:
        before = time.perf_counter()
        step()
        now = time.perf_counter()
        times.append(now - before)
    return sorted(times), (time.process_time() - cpu) / (now - begin)


def report(o, version, step, compile_seconds=None):
    """Measures `step` and prints the result as one line of JSON."""
    times, cpu_ratio = measure(step, o.seconds)
    n = len(times)
    result = {"peer": o.peer, "version": version, "cell": o.cell, "batch": o.batch, "steps": o.steps,
              "input": o.input, "hidden": o.hidden, "mode": o.mode, "threads": o.threads,
              "median_ms": round(500 * (times[n // 2] + times[(n - 1) // 2]), 5), "min_ms": round(1e3 * times[0], 5),
              "p90_ms": round(1e3 * times[n * 9 // 10], 5), "iters": n, "peak_rss_mb": peak_rss_mb(),
              "cpu_ratio": round(cpu_ratio, 3)}
    if compile_seconds is not None:
        result["compile_s"] = round(compile_seconds, 3)
    print(json.dumps(result), flush=True)


def peak_rss_mb():
    """The largest resident memory of this process so far, in MiB; 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return round(int(status.split("VmHWM:")[1].split()[0]) / 1024, 1)
