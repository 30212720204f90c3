#!/usr/bin/env python3
"""Trains one recurrent layer with this library and with its peers in turn, and prints one table per number of threads.

usage: run.py FOLDER [options]        (./run bench builds what is needed and hands over FOLDER)

FOLDER holds the programs recurrent and floor; the peers are those of bench/peers whose libraries are installed. The
repetitions of a row are interleaved, so that a change of the machine's speed meets all of its runs alike. A run that
fails has the entry "–", and the reason is told on standard error.

Exit status: 0, 1 when a program of FOLDER failed, 2 for a bad command line.
"""
import argparse
import datetime
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
CELLS = ["lstm", "gru", "rnn", "custom"]
SIZES = [(1, 64, 64, 64), (16, 64, 128, 128), (32, 64, 256, 256), (64, 64, 256, 512), (128, 32, 512, 1024)]
NOT_SUPPORTED = 3  # the exit status of a program that does not have the cell or the mode
MISSING = "–"


@dataclass(frozen=True)
class Run:
    title: str
    program: str
    options: tuple = ()
    needs: tuple = ()  # a peer's packages
    modes: tuple = ("train", "infer")


FORMS = [Run(form, "recurrent", ("--form", form)) for form in ("built-in", "plain", "pointwise")]
FLOOR = Run("floor", "floor")
COMPILED = Run("torch.compile", "torch_user_cell.py", ("--how", "compile"), ("numpy", "torch"))
RUNS = [
    *FORMS,
    FLOOR,
    Run("PyTorch nn", "torch_nn.py", (), ("numpy", "torch")),
    Run("PyTorch eager", "torch_user_cell.py", ("--how", "eager"), ("numpy", "torch")),
    Run("TorchScript", "torch_user_cell.py", ("--how", "script"), ("numpy", "torch")),
    COMPILED,
    Run("JAX scan", "jax_scan.py", (), ("numpy", "jax")),
    Run("JAX scan, unroll 4", "jax_scan.py", ("--unroll", "4"), ("numpy", "jax")),
    Run("Keras", "keras_layer.py", (), ("numpy", "tensorflow-cpu")),
    Run("ONNX Runtime", "onnx_runtime.py", (), ("numpy", "onnx", "onnxruntime"), ("infer",)),
]

# Printed by the peers' Python: the versions of the packages that it has.
LIST_PACKAGES = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    for distribution in (name, name.removesuffix("-cpu")):
        try:
            found[name] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            pass
print(json.dumps(found))
"""


class Failure(Exception):
    """Why a program gave no result."""


def ours(cell):
    """What the others are compared with; no framework has the custom cell built in, so there it is a user's own."""
    return FORMS[2] if cell == "custom" else FORMS[0]


def complain(message):
    print(f"run.py: {message}", file=sys.stderr, flush=True)


# ---- running

def json_of(command, timeout):
    """The last line of JSON that a program prints, or None when it does not have the cell. Raises Failure."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout)
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Failure(f"no end after {timeout:.0f} s") from None
    if done.returncode == NOT_SUPPORTED:
        return None
    if done.returncode:
        raise Failure(f"exit status {done.returncode}: {(done.stderr.strip().splitlines() or ['nothing is told'])[-1]}")
    try:
        return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    except (IndexError, ValueError):
        raise Failure(f"expected a line of JSON, found {done.stdout[-200:]!r}") from None


class Bench:
    """The runs of all rows, and what came of them."""

    def __init__(self, args, runs, installed, machine):
        self.args, self.runs, self.installed, self.machine = args, runs, installed, machine
        self.results, self.failures = [], []

    def measure(self, run, cell, size, cores):
        """One run's result, or None where the program does not have the cell. Raises Failure."""
        command = ["taskset", "-c", ",".join(map(str, cores))] if self.args.pin else []
        command += [self.args.peers_python, PEERS / run.program] if run.needs else [self.args.folder / run.program]
        command += ["--cell", cell, "--mode", self.args.mode, "--precision", self.args.precision, "--threads", len(cores), "--seconds", self.args.seconds]
        for option, value in zip(("--batch", "--steps", "--input", "--hidden"), size):
            command += [option, value]
        result = json_of([*command, *run.options], timeout=600 + 20 * self.args.seconds)
        wanted = ["median_ms", "min_ms", "peak_rss_mb", *(["gflops", "sgemm_gflops"] if run in FORMS else [])]
        if result is not None and not all(isinstance(result.get(name), (int, float)) for name in wanted):
            raise Failure(f"expected the numbers {', '.join(wanted)} in its JSON, found {result}")
        return result

    def row(self, cell, size, cores):
        """The results of all repetitions by run; none where the program does not have the cell, or failed."""
        results = {run: [] for run in self.runs}
        left_out = set(self.runs) - set(self.installed)
        for repetition in range(self.args.repeat):
            for run in self.runs:
                if run in left_out:
                    continue
                show_progress(f"{cell}, {size_text(size)}: {run.title}")
                try:
                    result = self.measure(run, cell, size, cores)
                except Failure as failure:
                    self.fail(run, f"{cell}, {size_text(size)}: {failure}")
                    result = None
                if result is None:
                    left_out.add(run)
                    results[run].clear()
                else:
                    results[run].append({"run": run.title, "repetition": repetition, **result})
        show_progress("")
        return results

    def fail(self, run, reason):
        show_progress("")
        complain(f"{run.title}, {reason}")
        self.failures.append({"run": run.title, "reason": reason})

    def print_table(self, threads):
        """Measures and prints row by row."""
        args = self.args
        cores = cores_from(args.cpu)[:threads]
        print(heading(args, cores))
        titles = [f"{'cell':6}", "B, T, input, hidden", *(f"{run.title:20}" for run in self.runs), "ours ÷ best peer",
                  f"{', '.join(form.title for form in FORMS)} ÷ floor", "ours, of sgemm"]
        widths = [len(title) for title in titles]
        print_line(titles, widths)
        print_line(["-" * width for width in widths], widths)
        for size in args.sizes:
            for cell in args.cells:
                results = self.row(cell, size, cores)
                print_line([cell, size_text(size), *entries(args, results, cell, threads)], widths)
                self.results += [result for run in self.runs for result in results[run]]
                self.save()

    def save(self):
        if self.args.json:
            content = {"machine": self.machine, "results": self.results, "failures": self.failures}
            self.args.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def size_text(size):
    return ", ".join(map(str, size))


def show_progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def packages(python):
    """The versions of the packages that the peers' Python has; tells what is missing."""
    wanted = list(dict.fromkeys(name for run in RUNS for name in run.needs))
    try:
        found = json_of([python, "-c", LIST_PACKAGES, *wanted], timeout=60) or {}
        problem = ""
    except Failure as failure:
        found, problem = {}, f" ({failure})"
    missing = [name for name in wanted if name not in found]
    if missing:
        complain(f"{python} has no {', '.join(missing)}{problem}; to compare with all peers: "
                 f"python3 -m venv build/peers && build/peers/bin/pip install {' '.join(wanted)}")
    return found


# ---- the table

def milliseconds(args, results):
    """Of all repetitions together; None without any."""
    if not results:
        return None
    if args.best:
        return min(r["min_ms"] for r in results)
    return statistics.median(r["median_ms"] for r in results)


def number(ms):
    """In three digits, or all those before the point."""
    return f"{ms:.0f}" if ms >= 100 else f"{ms:#.3g}".rstrip(".")


def ratio(a, b):
    return f"{a / b:.2f}" if a and b else MISSING


def entries(args, results, cell, threads):
    """A row of the table without its first two columns."""
    ms = {run: milliseconds(args, found) for run, found in results.items()}
    reference = ours(cell)
    row = []
    for run, found in results.items():
        if found:
            mib = max(r["peak_rss_mb"] for r in found)
            text = f"{number(ms[run])} · {ratio(ms[run], ms[reference])} · {mib:.0f}"
            row.append(f"**{text}**" if run == reference else text)
        else:
            row.append(MISSING)
    best_peer = min((ms[run] for run in results if run.needs and ms[run]), default=None)
    row.append(ratio(ms[reference], best_peer))
    row.append(", ".join(ratio(ms[form], ms[FLOOR]) for form in FORMS) if ms[FLOOR] else MISSING)
    row.append(share_of_sgemm(results[reference], ms[reference], threads))
    return row


def share_of_sgemm(results, ms, threads):
    """The rate of the products in the layer's time, against one large product on as many threads."""
    if not results:
        return MISSING
    rate = results[0]["gflops"] * results[0]["median_ms"] / ms
    return f"{100 * rate / (threads * max(r['sgemm_gflops'] for r in results)):.0f} %"


def print_line(texts, widths):
    print("| " + " | ".join(text.ljust(width) for text, width in zip(texts, widths)) + " |", flush=True)


def heading(args, cores):
    what = "Training" if args.mode == "train" else "Inference"
    threads = "1 thread" if len(cores) == 1 else f"{len(cores)} threads"
    where = "pinned to " + " and ".join(map(str, cores)) if args.pin else "not pinned"
    figure = "the fastest step" if args.best else "medians"
    precision = ", products in bf16" if args.precision == "bf16" else ""
    return (f"\n{what}{precision}, {threads} {where}: {figure} of {args.repeat} interleaved runs of {args.seconds:g} s.\n"
            "An entry is milliseconds · ratio to ours, which is bold · peak memory in MiB.\n")


# ---- the machine

def processor():
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def compiler(program):
    """As compilers write it into an ELF file, where clang is joined by the gcc whose start-up files it uses."""
    content = program.read_bytes()
    for name, pattern in (("clang", rb"clang version ([\d.]+)"), ("gcc", rb"GCC: \([^)]*\) ([\d.]+)")):
        if found := re.search(pattern, content):
            return f"{name} {found[1].decode()}"
    return "an unknown compiler"


def commit():
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "an unknown commit"


def machine_line(args, found):
    """One line; asks our program for its version. Raises Failure."""
    tiny = [word for option in ("--batch", "--steps", "--input", "--hidden") for word in (option, "1")]
    version = json_of([args.folder / "recurrent", *tiny, "--seconds", "0.001"], timeout=60)["version"]
    peers = [f"{name} {number}" for name, number in found.items()]
    return (f"{processor()}, {len(all_cores())} cores; unroll {version} at {commit()}, "
            f"{compiler(args.folder / 'recurrent')}; {', '.join(peers) or 'no peers'}; {datetime.date.today()}")


def all_cores():
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count()))


def cores_from(first):
    cores = all_cores()
    return cores[cores.index(first):] + cores[:cores.index(first)]


# ---- the command line

def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, found {text}")
    return value


def size_of(text):
    """A row of SIZES counted from 1, or B,T,input,hidden."""
    values = tuple(positive(word) for word in text.split(","))
    if len(values) == 1 and values[0] <= len(SIZES):
        return SIZES[values[0] - 1]
    if len(values) != 4:
        raise argparse.ArgumentTypeError(f"expected B,T,input,hidden or a number up to {len(SIZES)}, found {text}")
    return values


def parse_options():
    venv = ROOT / "build" / "peers" / "bin" / "python"
    ap = argparse.ArgumentParser(description="A recurrent layer here and in other libraries: time, ratio, memory.")
    ap.add_argument("folder", type=lambda text: Path(text).resolve(), help="where recurrent and floor are")
    ap.add_argument("--json", type=Path, metavar="FILE", help="write the machine and all results of all runs to FILE")
    ap.add_argument("--quick", action="store_true", help="the three small sizes, twice, for 0.5 s each")
    ap.add_argument("--best", action="store_true",
                    help="the fastest step instead of the median: a better guide on a machine that is shared")
    ap.add_argument("--compile", action="store_true",
                    help="torch.compile too, which compiles for 30 to 45 s before each row")
    ap.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS, help="custom: an LSTM with peepholes")
    ap.add_argument("--sizes", nargs="+", type=size_of, metavar="B,T,I,H",
                    help="or numbers, counted from 1, of " + "  ".join(",".join(map(str, s)) for s in SIZES))
    ap.add_argument("--mode", choices=("train", "infer"), default="train")
    ap.add_argument("--precision", choices=("f32", "bf16"), default="f32",
                    help="of the products; in bf16 PyTorch's autocast is the only peer")
    ap.add_argument("--threads", nargs="+", type=positive, default=[1], metavar="N", help="one table for each (1)")
    ap.add_argument("--cpu", type=int, default=all_cores()[0],
                    help="the first core to run on; more threads take those after it (%(default)s)")
    ap.add_argument("--seconds", type=float, help="of each run (2)")
    ap.add_argument("--repeat", type=positive, help="repetitions (5)")
    ap.add_argument("--peers-python", type=Path, default=venv if venv.exists() else "python3", metavar="PATH",
                    help="the Python that has the peers' libraries (build/peers/bin/python, if there, or python3)")
    args = ap.parse_args()
    args.repeat = args.repeat or (2 if args.quick else 5)
    args.seconds = args.seconds or (0.5 if args.quick else 2)
    args.sizes = args.sizes or (SIZES[:3] if args.quick else SIZES)
    if args.cpu not in all_cores():
        ap.error(f"--cpu {args.cpu}: the cores are {', '.join(map(str, all_cores()))}")
    if max(args.threads) > len(all_cores()):
        ap.error(f"--threads {max(args.threads)}: there are {len(all_cores())} cores")
    if args.json and not args.json.resolve().parent.is_dir():
        ap.error(f"--json {args.json}: there is no such folder")
    args.pin = shutil.which("taskset") is not None
    return args


def main():
    args = parse_options()
    found = packages(args.peers_python)
    try:
        line = machine_line(args, found)
    except Failure as failure:
        complain(f"{args.folder / 'recurrent'} does not run: {failure}")
        return 1
    if not args.pin:
        complain("taskset was not found, so nothing is pinned to a core")
    print(line)
    runs = [run for run in RUNS if args.mode in run.modes and (args.compile or run is not COMPILED)]
    bench = Bench(args, runs, [run for run in runs if all(name in found for name in run.needs)], line)
    for threads in args.threads:
        bench.print_table(threads)
    broken = {failure["run"] for failure in bench.failures}
    return 1 if any(run.title in broken for run in (*FORMS, FLOOR)) else 0


if __name__ == "__main__":
    sys.exit(main())
