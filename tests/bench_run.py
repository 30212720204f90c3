"""Runs bench/run.py on programs that print known figures: bench_run.py BENCH_RUN"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

bench_run = Path(sys.argv[1]).resolve()

# Stands for every program and for the peers' Python. FIGURES maps what is run to what it does: a list has the medians
# of its repetitions, a number is an exit status with two lines on standard error, and a string is its output.
FAKE = """#!{python} -IS
import json, os, sys
from pathlib import Path
folder = Path({folder!r})
figures = json.loads((folder / "figures.json").read_text())
words = [Path(word).name for word in sys.argv]
if words[0] == "python":
    words = words[1:]
if words[0] == "-c":
    if isinstance(figures["packages"], int):
        sys.exit(figures["packages"])
    print(json.dumps(figures["packages"]))
    sys.exit()
option = dict(zip(words[1::2], words[2::2]))
name = " ".join([words[0], *(option[key] for key in ("--form", "--how", "--unroll") if key in option)])
if option["--seconds"] == "0.001":
    name = "version"
key = name + " " + option.get("--cell", "")
key = key if key in figures else name
log = folder / "log"
calls = log.read_text().splitlines() if log.exists() else []
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
log.write_text("".join(line + "\\n" for line in [*calls, json.dumps([key, cores, option])]))
figure = figures[key]
if isinstance(figure, int):
    print("a line before\\nthe reason", file=sys.stderr)
    sys.exit(figure)
if isinstance(figure, str):
    print(figure)
    sys.exit()
median = figure[sum(json.loads(line)[0] == key for line in calls)]
print("not JSON")
print(json.dumps({{"version": "1.2.3", "median_ms": median, "min_ms": median / 2, "peak_rss_mb": 10.4,
                  "gflops": 800 / median, "sgemm_gflops": 100}}))
"""

PACKAGES = {"numpy": "2", "torch": "3.4", "jax": "5", "tensorflow-cpu": "6", "onnx": "7", "onnxruntime": "8"}


class BenchRun(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in ("recurrent", "floor", "python"):
            path = self.folder / name
            path.write_text(FAKE.format(python=sys.executable, folder=str(self.folder)))
            path.chmod(0o755)
        self.figures = {
            "version": [1], "packages": PACKAGES, "recurrent built-in": [20, 10, 70], "recurrent plain": [22] * 3,
            "recurrent pointwise": [21, 21, 25], "floor": [16, 15, 17], "torch_nn.py": [40, 30, 90],
            "torch_user_cell.py eager": [200.4] * 3, "torch_user_cell.py script": [1600.4] * 3,
            "torch_user_cell.py compile": [35] * 3, "jax_scan.py": [50] * 3, "jax_scan.py 4": [48] * 3,
            "keras_layer.py": [60] * 3, "onnx_runtime.py": [38] * 3}

    def run_bench(self, *arguments, status=0, rows=("--repeat", "1", "--sizes", "2", "--cells", "lstm")):
        (self.folder / "figures.json").write_text(json.dumps(self.figures))
        (self.folder / "log").unlink(missing_ok=True)
        command = [sys.executable, bench_run, self.folder, *rows, "--peers-python", self.folder / "python", *arguments]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def tables(self, done):
        """The rows of each table as dictionaries by column."""
        tables = []
        for line in done.stdout.splitlines():
            entries = [entry.strip() for entry in line.strip("|").split("|")]
            if line.startswith("| cell"):
                titles = entries
                tables.append([])
            elif line.startswith("|") and not line.startswith("| --"):
                self.assertEqual(len(entries), len(titles), line)
                tables[-1].append(dict(zip(titles, entries)))
        return tables

    def row(self, done):
        [[row]] = self.tables(done)
        return row

    def log(self):
        """The calls in their order: what, on which cores, with which options."""
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()][1:]

    def test_medians_and_ratios(self):
        done = self.run_bench("--repeat", "3")
        self.assertEqual(done.stderr, "")
        self.assertEqual(self.row(done), {
            "cell": "lstm", "B, T, input, hidden": "16, 64, 128, 128", "built-in": "**20.0 · 1.00 · 10**",
            "plain": "22.0 · 1.10 · 10", "pointwise": "21.0 · 1.05 · 10", "floor": "16.0 · 0.80 · 10",
            "PyTorch nn": "40.0 · 2.00 · 10", "PyTorch eager": "200 · 10.02 · 10", "TorchScript": "1600 · 80.02 · 10",
            "JAX scan": "50.0 · 2.50 · 10", "JAX scan, unroll 4": "48.0 · 2.40 · 10", "Keras": "60.0 · 3.00 · 10",
            "ours ÷ best peer": "0.50", "built-in, plain, pointwise ÷ floor": "1.25, 1.38, 1.31",
            "ours, of sgemm": "40 %"})  # 800 gflop·ms in 20 ms, of 100

    def test_tells_the_machine(self):
        line = self.run_bench().stdout.splitlines()[0]
        self.assertIn("unroll 1.2.3", line)
        self.assertIn("torch 3.4, jax 5", line)
        self.assertRegex(line, r"\d+ cores.* \d{4}-\d\d-\d\d$")

    def test_repetitions_are_interleaved(self):
        self.run_bench("--repeat", "3")
        once = [name for name in self.figures if name not in ("version", "packages", "onnx_runtime.py",
                                                              "torch_user_cell.py compile")]
        self.assertEqual([call[0] for call in self.log()], 3 * once)
        _, _, options = self.log()[-1]
        self.assertEqual({**options, "--form": None}, {
            "--cell": "lstm", "--mode": "train", "--precision": "f32", "--threads": "1", "--seconds": "2", "--batch": "16", "--steps": "64",
            "--input": "128", "--hidden": "128", "--form": None})

    def test_ours_is_the_users_own_cell_for_custom(self):
        self.figures["torch_nn.py custom"] = 3
        row = self.row(self.run_bench("--cells", "custom"))
        self.assertEqual((row["built-in"], row["pointwise"]), ("20.0 · 0.95 · 10", "**21.0 · 1.00 · 10**"))
        self.assertEqual(row["ours ÷ best peer"], "0.44")  # 48 ms: without PyTorch nn

    def test_best(self):
        row = self.row(self.run_bench("--best", "--repeat", "3"))
        self.assertEqual(row["built-in"], "**5.00 · 1.00 · 10**")
        self.assertEqual(row["PyTorch nn"], "15.0 · 3.00 · 10")

    def test_a_cell_that_a_program_does_not_have(self):
        self.figures |= {"torch_nn.py": 3, "floor": 3}
        done = self.run_bench()
        self.assertEqual(done.stderr, "")
        row = self.row(done)
        self.assertEqual((row["PyTorch nn"], row["floor"], row["built-in, plain, pointwise ÷ floor"]), ("–",) * 3)
        self.assertEqual(row["ours ÷ best peer"], "0.42")

    def test_a_broken_peer(self):
        for figure, reason in [(1, "exit status 1: the reason"), ("oh", "expected a line of JSON, found 'oh"),
                               ("{oh", "expected a line of JSON"), ('{"median_ms": 3}', "expected the numbers")]:
            with self.subTest(figure=figure):
                self.figures["jax_scan.py"] = figure
                done = self.run_bench("--repeat", "3", "--json", self.folder / "out.json")
                row = self.row(done)
                self.assertEqual((row["JAX scan"], row["Keras"]), ("–", "60.0 · 3.00 · 10"))
                self.assertIn(f"run.py: JAX scan, lstm, 16, 64, 128, 128: {reason}", done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)  # it is not tried again
                [failure] = json.loads((self.folder / "out.json").read_text())["failures"]
                self.assertEqual(failure["run"], "JAX scan")

    def test_a_peer_that_breaks_later(self):
        self.figures["jax_scan.py"] = [50]
        done = self.run_bench("--repeat", "2")
        self.assertEqual(self.row(done)["JAX scan"], "–")
        self.assertIn("IndexError", done.stderr)

    def test_a_missing_peer(self):
        self.figures["packages"] = {"numpy": "2", "torch": "3.4"}
        done = self.run_bench()
        self.assertRegex(done.stderr, r"^run.py: \S+python has no jax, tensorflow-cpu, onnx, onnxruntime; .*"
                                      r"python3 -m venv build/peers && build/peers/bin/pip install numpy torch jax "
                                      r"tensorflow-cpu onnx onnxruntime\n$")
        row = self.row(done)
        self.assertEqual((row["JAX scan"], row["Keras"], row["PyTorch nn"]), ("–", "–", "40.0 · 2.00 · 10"))

    def test_no_peer_at_all(self):
        for python in (self.folder / "nothing", self.folder / "python"):
            self.figures["packages"] = 1
            done = self.run_bench("--peers-python", python)
            self.assertIn("has no numpy, torch, jax", done.stderr)
            self.assertIn("no peers", done.stdout)
            row = self.row(done)
            self.assertEqual((row["PyTorch nn"], row["ours ÷ best peer"]), ("–", "–"))
            self.assertEqual(row["built-in"], "**20.0 · 1.00 · 10**")

    def test_a_broken_program_of_ours(self):
        self.figures["recurrent built-in"] = 1
        done = self.run_bench(status=1)
        self.assertIn("run.py: built-in, lstm, 16, 64, 128, 128: exit status 1: the reason", done.stderr)
        row = self.row(done)
        self.assertEqual((row["built-in"], row["PyTorch nn"], row["ours, of sgemm"]), ("–", "40.0 · – · 10", "–"))
        (self.folder / "recurrent").unlink()
        self.assertIn("recurrent does not run", self.run_bench(status=1).stderr)

    def test_all_results_in_a_file(self):
        self.run_bench("--repeat", "3", "--json", self.folder / "out.json")
        content = json.loads((self.folder / "out.json").read_text())
        self.assertIn("unroll 1.2.3", content["machine"])
        self.assertEqual(content["failures"], [])
        found = [(r["repetition"], r["median_ms"]) for r in content["results"] if r["run"] == "built-in"]
        self.assertEqual(found, [(0, 20), (1, 10), (2, 70)])
        self.assertEqual(len(content["results"]), 3 * 10)

    def test_inference_and_compiled(self):
        row = self.row(self.run_bench("--mode", "infer", "--compile"))
        self.assertEqual((row["ONNX Runtime"], row["torch.compile"]), ("38.0 · 1.90 · 10", "35.0 · 1.75 · 10"))
        self.assertEqual({call[2]["--mode"] for call in self.log()}, {"infer"})

    def all_take(self, ms):
        """Every run, as often as it is asked."""
        for name, figure in self.figures.items():
            self.figures[name] = [ms] * 99 if isinstance(figure, list) else figure

    def test_sizes(self):
        self.all_take(1)
        [rows] = self.tables(self.run_bench("--sizes", "1", "3,5,7,9", "--cells", "gru", "rnn"))
        self.assertEqual([(row["cell"], row["B, T, input, hidden"]) for row in rows], [
            ("gru", "1, 64, 64, 64"), ("rnn", "1, 64, 64, 64"), ("gru", "3, 5, 7, 9"), ("rnn", "3, 5, 7, 9")])

    def test_quick(self):
        self.all_take(1)
        self.figures["packages"] = {}
        [rows] = self.tables(self.run_bench("--quick", rows=()))
        self.assertEqual([row["cell"] for row in rows], 3 * ["lstm", "gru", "rnn", "custom"])
        self.assertEqual({call[2]["--seconds"] for call in self.log()}, {"0.5"})
        self.assertEqual(len(self.log()), 3 * 4 * 2 * 4)

    @unittest.skipUnless(hasattr(os, "sched_getaffinity") and shutil.which("taskset"), "nothing is pinned here")
    def test_runs_are_pinned(self):
        cores = sorted(os.sched_getaffinity(0))
        done = self.run_bench("--cpu", cores[-1])
        self.assertIn(f"1 thread pinned to {cores[-1]}:", done.stdout)
        self.assertEqual({tuple(call[1]) for call in self.log()}, {(cores[-1],)})
        if len(cores) == 1:
            return
        self.all_take(8)
        one, two = self.tables(self.run_bench("--threads", "1", "2", "--cpu", cores[-1]))
        self.assertEqual({(call[2]["--threads"], *call[1]) for call in self.log()},
                         {("1", cores[-1]), ("2", *sorted((cores[0], cores[-1])))})
        self.assertEqual((one[0]["ours, of sgemm"], two[0]["ours, of sgemm"]), ("100 %", "50 %"))

    def test_bad_options(self):
        for *arguments, reason in [("--sizes", "6", "a number up to 5, found 6"), ("--sizes", "1,2,3", "found 1,2,3"),
                                   ("--sizes", "1,2,3,0", "positive"), ("--threads", "9999", "--threads 9999"),
                                   ("--cpu", "9999", "--cpu 9999"),
                                   ("--json", self.folder / "no/file", "no such folder")]:
            with self.subTest(arguments=arguments):
                self.assertIn(reason, self.run_bench(*arguments, status=2).stderr)

    def test_packages_are_found_under_either_name(self):
        for package in ("tensorflow-6.5", "jax-4.3"):
            information = self.folder / f"{package}.dist-info"
            information.mkdir()
            name, version = package.split("-")
            (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        [program] = re.findall(r'LIST_PACKAGES = """(.*?)"""', bench_run.read_text(), re.S)
        command = [sys.executable, "-c", program, "tensorflow-cpu", "jax", "no-such-package"]
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        self.assertEqual(json.loads(done.stdout), {"tensorflow-cpu": "6.5", "jax": "4.3"})

    def test_every_peer_has_its_program(self):
        programs = set(re.findall(r'"(\w+\.py)"', bench_run.read_text()))
        self.assertEqual({name for name in programs if not (bench_run.parent / "peers" / name).exists()}, set())
        self.assertIn("torch_nn.py", programs)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
