#!/usr/bin/env python3
"""Packs the reference cases of PyTorch, Keras and ONNX into what unroll_agreement reads.

usage: make_compact.py FOLDER

FOLDER holds torch/, keras/ and onnx/, each with its manifest and .npy files. Written beside this script, the same bytes
for the same folder: {torch,keras,onnx}.json, one line a case, and {torch,keras,onnx}.bin, the numbers. README.md
describes both. Only Python's standard library is needed.
"""
import ast
import json
import math
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CODES = {"<f8": "d", "<f4": "f", "<i8": "q", "<i4": "i", "|b1": "?"}
STORED = {"d": "d", "f": "f", "q": "i", "i": "i", "?": "B"}  # 64-bit integers fit into 32 bits in every case


def read_npy(path):
    """The numbers of a little-endian .npy file in row-major order, their struct code and their shape."""
    data = path.read_bytes()
    if data[:6] != b"\x93NUMPY":
        raise SystemExit(f"{path}: byte 0: expected a .npy file, found {data[:6]!r}")
    start, length = (10, struct.unpack_from("<H", data, 8)[0]) if data[6] == 1 else (
        12, struct.unpack_from("<I", data, 8)[0])
    header = ast.literal_eval(data[start:start + length].decode("latin-1"))
    shape, code = header["shape"], CODES.get(header["descr"])
    if code is None or (header["fortran_order"] and len(shape) > 1):
        raise SystemExit(f"{path}: expected row-major numbers of {', '.join(CODES)}, found {header}")
    numbers = struct.unpack_from(f"<{math.prod(shape)}{code}", data, start + length)
    return numbers, code, list(shape)


class Pool:
    """All numbers of one file; what is there already is not stored again."""

    def __init__(self):
        self.data, self.places = bytearray(), {}

    def add(self, numbers, code, shape):
        """Where the tensor is, as it stands in the index: [type, shape, offset in bytes]."""
        stored = STORED[code]
        content = struct.pack(f"<{len(numbers)}{stored}", *numbers)
        place = self.places.get((stored, content))
        if place is None:
            self.data += bytes(-len(self.data) % struct.calcsize(stored))
            place = self.places[stored, content] = len(self.data)
            self.data += content
        return [stored, shape, place]


def without_null(attrs):
    return {key: value for key, value in attrs.items() if value is not None}


def framework(folder, pool):
    """The cases of PyTorch or Keras: one .npy per case, in which the manifest places the tensors."""
    for case in json.loads((folder / "manifest.json").read_text())["cases"]:
        numbers, _, _ = read_npy(folder / case["file"])
        tensors = {}
        for t in case["tensors"]:
            part = numbers[t["offset"]:t["offset"] + math.prod(t["shape"])]
            code = {"f64": "d", "i64": "i", "bool": "?"}[t["dtype"]]
            tensors[f"{t['role']}/{t['name']}"] = pool.add([int(x) for x in part] if code != "d" else part, code,
                                                           t["shape"])
        yield {"group": case["group"], "name": case["name"], "op": case["op"], "attrs": without_null(case["attrs"]),
               "rtol": case["rtol"], "atol": case["atol"], "tensors": tensors}


def onnx_tensors(folder, pool, entries, role):
    """Of the listed tensors those that are there: the constant of test_operator_params is not."""
    return {f"{role}/{t['name']}": pool.add(*read_npy(folder / t["file"])) for t in entries
            if (folder / t["file"]).exists()}


def onnx(folder, pool):
    """ONNX's node tests, and the recurrent ones with weights that differ from each other."""
    for case in json.loads((folder / "manifest.json").read_text())["cases"]:
        nodes = [[n["op"], n["inputs"], n["outputs"], n["attributes"]] for n in case["nodes"]]
        yield {"group": case["tier"], "name": case["name"], "op": nodes[-1][0] if len(nodes) == 1 else "graph",
               "attrs": {"nodes": nodes}, "rtol": case["rtol"], "atol": case["atol"],
               "tensors": onnx_tensors(folder, pool, case["inputs"], "input")
               | onnx_tensors(folder, pool, case["constants"], "input")
               | onnx_tensors(folder, pool, case["outputs"], "output")}
    strong = json.loads((folder / "manifest-rnn-strong.json").read_text())
    for case in strong["cases"]:
        node = [case["op"], case["node_inputs"], case["node_outputs"], case["attributes"]]
        yield {"group": "rnn_strong", "name": case["name"], "op": case["op"], "attrs": {"nodes": [node]},
               "rtol": strong["rtol_f32"], "atol": strong["atol_f32"],
               "tensors": onnx_tensors(folder, pool, case["inputs"], "input")
               | onnx_tensors(folder, pool, case["outputs"], "output")
               | onnx_tensors(folder, pool, case["outputs_f64"], "output64")}


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    for name, read in (("torch", framework), ("keras", framework), ("onnx", onnx)):
        pool = Pool()
        cases = [json.dumps(case, separators=(",", ":")) for case in read(folder / name, pool)]
        (HERE / f"{name}.json").write_text("[\n" + ",\n".join(cases) + "\n]\n")
        (HERE / f"{name}.bin").write_bytes(pool.data)
        print(f"{name}: {len(cases)} cases, {len(pool.data)} bytes")


if __name__ == "__main__":
    main()
