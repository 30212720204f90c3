"""Compiles every header of the library alone, as a file of its own that includes nothing else before.

    headers_alone.py ROOT COMPILER [flag ...]       with "--self-test" for ROOT: shows that a header that leans on others is caught
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

ROOMS = ["core", "layers", "optim", "data", "io", "report"]


def complaint(header, command):
    """What the compiler says of a header; None if nothing."""
    done = subprocess.run([*command, "-x", "c++", "-fsyntax-only", "-include", str(header), "/dev/null"],
                          capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"ended with {done.returncode}" if done.returncode or done.stderr.strip() else None


def check(headers, command):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda header: complaint(header, command), headers))
    for header, text in zip(headers, found):
        if text:
            print(f"{header}: {text}")
    bad = sum(text is not None for text in found)
    print(f"{len(headers) - bad} headers compile alone, {bad} do not")
    return bad


def self_test(command):
    with tempfile.TemporaryDirectory() as folder:
        header = pathlib.Path(folder) / "leaning.h"
        header.write_text("inline std::string name() { return {}; }\n", encoding="utf-8")
        return 0 if check([header], command) == 1 else 1


def main():
    root, command = sys.argv[1], sys.argv[2:]
    if root == "--self-test":
        return self_test(command)
    root = pathlib.Path(root)
    headers = [header for room in ROOMS for header in sorted((root / room).rglob("*.h"))]
    return 1 if check([root / "unroll.h", *headers], command) else 0


if __name__ == "__main__":
    sys.exit(main())
