#!/usr/bin/env python3
"""Runs the harnesses of tests/fuzz under libFuzzer, as many at a time as processors, and prints what came of it.

usage: fuzz.py BUILD_FOLDER [NAME …] [--minutes M] [--jobs J]

Each runs for M minutes (10) or ten million inputs, from the files in tests/fuzz/corpus/NAME and those it kept before.
A crash, a leak, undefined behaviour, an exception that is not documented, a promise that is not kept, ten seconds for
one input or 64 MB asked for at once is a finding: it ends the harness, and its input lies in BUILD_FOLDER/findings.
Exits with 1 if there is one.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIMITS = ["-runs=10000000", "-timeout=10", "-malloc_limit_mb=64", "-rss_limit_mb=2048", "-max_len=8192"]


def fuzz(build, name, minutes):
    """One row of the table: name, inputs run, edges covered, inputs kept, findings."""
    program = build / "tests" / "fuzz" / f"fuzz_{name}"
    findings, kept, log = build / "findings", build / "kept" / name, build / f"fuzz_{name}.log"
    for folder in (findings, kept):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(findings.glob(f"{name}-*"))
    options = [f"-max_total_time={round(60 * minutes)}", f"-artifact_prefix={findings}/{name}-", "-print_final_stats=1"]
    dictionary = HERE / f"{name}.dict"
    if dictionary.exists():
        options.append(f"-dict={dictionary}")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    temporary = tempfile.mkdtemp(prefix="unroll-fuzz-", dir=memory)
    environment = {**os.environ, "TMPDIR": temporary, "OPENBLAS_NUM_THREADS": "1", "UBSAN_OPTIONS": "print_stacktrace=1"}
    try:
        with open(log, "w") as output:
            status = subprocess.run([program, *options, *LIMITS, kept, HERE / "corpus" / name], stdout=output,
                                    stderr=subprocess.STDOUT, env=environment).returncode
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    text = log.read_text(errors="replace")
    executions = re.findall(r"number_of_executed_units: (\d+)", text) or re.findall(r"^#(\d+)", text, re.M) or [0]
    coverage = re.findall(r"\bcov: (\d+)", text) or [0]
    found = sorted(set(findings.glob(f"{name}-*")) - before)
    if status != 0 and not found:
        found = [log]  # it did not even run
    for path in found:
        why = re.findall(r"^(?:FINDING:|SUMMARY:|==\d+== ?ERROR:).*", text, re.M)
        print(f"{name}: {path}\n  {why[0] if why else 'see ' + str(log)}", flush=True)
    return name, int(executions[-1]), int(coverage[-1]), len(list(kept.iterdir())), len(found)


def main():
    parser = argparse.ArgumentParser(prog="./run fuzz", description="Feeds the readers what no one has written.")
    parser.add_argument("build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which harnesses; none: all")
    parser.add_argument("--minutes", type=float, default=10, metavar="M", help="for each harness (10)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="J", help="how many at a time (processors)")
    given = parser.parse_args()
    every = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.cpp"))
    unknown = [name for name in given.names if name not in every]
    if unknown:
        parser.error(f"there is no harness {', '.join(unknown)}; there are: {', '.join(every)}")
    with concurrent.futures.ThreadPoolExecutor(max(given.jobs, 1)) as pool:
        rows = list(pool.map(lambda name: fuzz(given.build, name, given.minutes), given.names or every))
    print(f"{'harness':<14}{'inputs run':>14}{'edges':>10}{'kept':>8}{'findings':>10}")
    for row in rows:
        print("{:<14}{:>14,}{:>10,}{:>8,}{:>10,}".format(*row))
    return 1 if any(row[-1] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
