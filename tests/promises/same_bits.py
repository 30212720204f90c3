"""Trains with 1, 2, 4 and 8 threads, with and without address randomisation, with libraries loaded in another order and
all symbols bound at once, twice each, and compares the hashes that the program prints.

    same_bits.py PROGRAM
"""

import os
import platform
import re
import shutil
import subprocess
import sys


def loaded_libraries(program):
    """The paths of the shared libraries of a program, in the order of loading."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"=> (/\S+)", listed)


def fixed_addresses():
    """What a command begins with that is to run without address randomisation, or None where that is not to be had."""
    fixed = ["setarch", platform.machine(), "--addr-no-randomize"]
    if not shutil.which("setarch") or subprocess.run([*fixed, "true"], capture_output=True, check=False).returncode != 0:
        print("left out: without address randomisation, which this system does not allow to be switched off")
        return None
    return fixed


def ways(program):
    for threads in ("1", "2", "4", "8"):
        yield f"{threads} threads", [program, threads], {}
    for threads in ("1", "2", "4", "8"):
        yield f"{threads} threads, once more", [program, threads], {}
    if fixed := fixed_addresses():
        yield "fixed addresses", [*fixed, program, "2"], {}
    libraries = loaded_libraries(program)
    if libraries:
        libraries.reverse()
        libraries.sort(key=lambda path: not re.search(r"/lib[a-z]+san\.", path))  # a sanitizer's must come first
        yield "libraries in reverse order", [program, "2"], {"LD_PRELOAD": " ".join(libraries)}
    yield "symbols bound at the start", [program, "1"], {"LD_BIND_NOW": "1"}
    yield "8 threads of BLAS", [program, "2"], {"OPENBLAS_NUM_THREADS": "8", "OMP_NUM_THREADS": "8"}
    yield "another heap", [program, "4"], {"MALLOC_ARENA_MAX": "1", "MALLOC_PERTURB_": "85", "MALLOC_TOP_PAD_": "1"}


def main():
    program = sys.argv[1]
    outputs = {}
    for name, command, environment in ways(program):
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
        if done.returncode != 0:
            print(f"FAILED  {name}: ended with {done.returncode}: {done.stderr.strip()}")
            return 1
        outputs[name] = done.stdout.strip()
        print(f"{name:28} {outputs[name]}")
    if len(set(outputs.values())) != 1:
        print("FAILED  the bits differ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
