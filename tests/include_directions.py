"""Checks every #include against the table of which room may know which.

    include_directions.py ROOT          prints each offence as path:line and exits with 1 if there is one
    include_directions.py --self-test   shows, on a small tree of its own, that every rule catches its offence
"""

import pathlib
import re
import sys
import tempfile

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')

STANDARD = re.compile(r"[a-z0-9_]+$")  # <vector>, <cmath>
SYSTEM = re.compile(r"(unistd|fcntl|termios|cpuid|immintrin|arm_neon)\.h$|sys/[a-z_]+\.h$")
XTENSOR = re.compile(r"(xtensor|xtensor-blas|xtl|xsimd)/")

# What each room may include of this project (a folder, or one file), and of others beyond the standard library.
ROOMS = {
    "core": (["core/"], [r"xtensor/", r"xtensor-blas/", r"xsimd/", r"cblas\.h$", r"fmt/"]),
    "layers": (["core/", "layers/"], [r"fmt/"]),
    "optim": (["core/", "optim/"], [r"fmt/"]),
    "data": (["core/ids.h", "core/error.h", "data/"], [r"fmt/", r"nlohmann/", r"utf8proc\.h$", r"md5\.h$"]),
    "io": (["core/", "io/"], [r"fmt/", r"nlohmann/"]),
    "report": (["core/ids.h", "core/error.h", "report/"], [r"fmt/"]),
    "examples": (["unroll.h", "examples/"], [r"fmt/", r"CLI/"]),
}


def offence(path, quote, header):
    """Why the file at `path` (relative to the root) may not include `header`; None if it may."""
    room = path.parts[0]
    own, foreign = ROOMS[room]
    if quote == '"':
        return f'write #include <unroll/…> instead of "{header}"'
    if header.startswith("unroll/"):
        target = header.removeprefix("unroll/")
        if any(target == allowed or (allowed.endswith("/") and target.startswith(allowed)) for allowed in own):
            return None
        return f"{room} may not know <{header}>; of unroll it may include {', '.join(own)}"
    if XTENSOR.match(header) and room != "core":
        return f"<{header}>: xtensor and xsimd are named in core only"
    if header == "cblas.h" and str(path) != "core/gemm.cpp":
        return "<cblas.h>: BLAS is called in core/gemm.cpp only"
    if header.endswith("xlinalg.hpp") and path.suffix != ".cpp":
        return f"<{header}> costs every includer seconds: in .cpp files only"
    if STANDARD.match(header) or SYSTEM.match(header) or any(re.match(pattern, header) for pattern in foreign):
        return None
    return f"{room} may not include <{header}>"


def offences(root):
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix not in (".h", ".cpp"):
                continue
            relative = path.relative_to(root)
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                include = INCLUDE.match(line)
                reason = include and offence(relative, *include.groups())
                if reason:
                    yield f"{relative}:{number}: {reason}"


def self_test():
    forbidden = [
        ("core/a.h", "<unroll/layers/lstm.h>"),
        ("core/b.h", "<xtensor-blas/xlinalg.hpp>"),
        ("core/c.cpp", "<cblas.h>"),
        ("core/d.cpp", "<nlohmann/json.hpp>"),
        ("core/ops/e.h", '"elementwise.h"'),
        ("layers/a.h", "<unroll/optim/adam.h>"),
        ("layers/b.cpp", "<xsimd/xsimd.hpp>"),
        ("optim/a.h", "<unroll/layers/linear.h>"),
        ("data/a.h", "<unroll/core/tensor.h>"),
        ("data/b.cpp", "<xtensor/xarray.hpp>"),
        ("io/a.cpp", "<unroll/data/vocab.h>"),
        ("report/a.h", "<unroll/core/tape.h>"),
        ("report/b.h", "<unroll/data/vocab.h>"),
        ("examples/a.cpp", "<unroll/layers/lstm.h>"),
        ("examples/b.cpp", "<cblas.h>"),
    ]
    allowed = [
        ("core/gemm.cpp", "<cblas.h>"),
        ("core/f.cpp", "<xtensor-blas/xlinalg.hpp>"),
        ("layers/c.h", "<unroll/core/ops/matmul.h>"),
        ("data/c.h", "<unroll/core/ids.h>"),
        ("data/d.cpp", "<utf8proc.h>"),
        ("io/b.cpp", "<sys/stat.h>"),
        ("report/c.cpp", "<unordered_map>"),
        ("examples/c.cpp", "<unroll/unroll.h>"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, header in forbidden + allowed:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"#pragma once\n\n#include {header}\n", encoding="utf-8")
        found = {line.split(": ")[0] for line in offences(root)}
    expected = {f"{name}:3" for name, _ in forbidden}
    for where in sorted(found ^ expected):
        print(f"{where}: {'found, but allowed' if where in found else 'not found'}")
    return found == expected


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--self-test":
        sys.exit(not self_test())
    lines = list(offences(pathlib.Path(sys.argv[1])))
    for line in lines:
        print(line)
    sys.exit(bool(lines))
