#!/usr/bin/env python3
"""What unroll reads of a safetensors file is what the safetensors package reads.

usage: compare_safetensors.py PROGRAM FOLDER…

PROGRAM is unroll_reread; the folders hold inputs of the harness fuzz_safetensors. Every file that unroll takes must be
one that the package takes, with the same names, shapes, bits (narrow integers as wide ones) and metadata. A file that
only the package takes must be refused for a reason that io/safetensors.h gives, or because the package is milder than
the format, whose headers begin with '{' and whose metadata is an object. Exits with 1 otherwise.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import safetensors

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8",
          "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"}
STRICTER = ("is not supported", "is beyond the integers", "an array has at most", "is too long", "twice",
            "nested more than", "the header does not begin with '{'", "__metadata__ is not an object")


def file_of(data):
    """As in safetensors_input.h."""
    if not data.startswith(b"{"):
        return data
    header, _, elements = data.partition(b"\0")
    return len(header).to_bytes(8, "little") + header + elements


def theirs(path):
    """{name: (shape, elements)} and the metadata, or why there are none."""
    try:
        tensors = dict(safetensors.deserialize(path.read_bytes()))
        with safetensors.safe_open(path, "np") as file:
            return tensors, file.metadata() or {}
    except Exception as error:  # whatever it is, the file is refused
        return None, str(error)


def widened(tensor):
    if tensor["dtype"] == "BF16":
        return (np.frombuffer(bytes(tensor["data"]), "<u2").astype("<u4") << 16).view("<f4")
    values = np.frombuffer(bytes(tensor["data"]), DTYPES[tensor["dtype"]])
    if tensor["dtype"] == "BOOL":
        values = np.frombuffer(bytes(tensor["data"]), "u1") != 0
    if tensor["dtype"] == "F16":
        return values.astype("<f4")
    return values if tensor["dtype"] in ("F64", "F32") else values.astype("<i8")


def same(a, b):
    if a.keys() != b.keys():
        return False
    return all(list(a[k]["shape"]) == list(b[k]["shape"]) and widened(a[k]).dtype == widened(b[k]).dtype
               and widened(a[k]).tobytes() == widened(b[k]).tobytes() for k in a)


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    inputs = sorted(path for folder in sys.argv[2:] for path in Path(folder).iterdir())
    both = neither = stricter = wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        pairs = []
        for number, path in enumerate(inputs):
            made = Path(temporary, f"{number}.in"), Path(temporary, f"{number}.out")
            made[0].write_bytes(file_of(path.read_bytes()))
            pairs.append(made)
        lines = "".join(f"{made}\n{again}\n" for made, again in pairs)
        answers = subprocess.run([sys.argv[1]], input=lines.encode(), capture_output=True, check=True).stdout
        # A name may hold anything that Python, or Unicode, takes for the end of a line.
        answers = answers.decode(errors="replace").split("\n")[:-1]
        assert len(answers) == len(inputs), "unroll_reread stopped early"
        for path, (made, again), answer in zip(inputs, pairs, answers):
            want, metadata = theirs(made)
            if answer != "read":
                if want is None:
                    neither += 1
                elif any(reason in answer for reason in STRICTER):
                    stricter += 1
                else:
                    wrong += 1
                    print(f"FAIL {path}: {answer}, and the package reads it")
                continue
            got, written = theirs(again)
            if want is None or got is None or metadata != written or not same(want, got):
                wrong += 1
                print(f"FAIL {path}: read, and not as the package reads it ({metadata if want is None else written})")
            else:
                both += 1
    print(f"safetensors: {both} files read alike, {neither} refused by both, {stricter} by unroll alone as documented, "
          f"{wrong} wrong")
    return 1 if wrong or both == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
