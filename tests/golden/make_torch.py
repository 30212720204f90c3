#!/usr/bin/env python3
"""Packs PyTorch's reference cases into the two .safetensors files the tests read.

usage: make_torch.py FOLDER

FOLDER holds manifest.json and, for each case, one 1-D little-endian float64 .npy with all its tensors back to back.
Written beside this script, the same bytes for the same folder:
  torch_recurrent.safetensors   every case of the groups rnn and cell
  torch_training.safetensors    the losses, optimizers, clippings and whole trainings that `wanted` keeps
README.md describes the layout. Only Python's standard library is needed.
"""
import ast
import json
import math
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NPY_MAGIC = b"\x93NUMPY"


def read_npy(path):
    """The numbers of a 1-D little-endian float64 .npy file, as a list."""
    data = path.read_bytes()
    if data[:6] != NPY_MAGIC:
        raise SystemExit(f"{path}: byte 0: expected a .npy file, found {data[:6]!r}")
    if data[6] == 1:
        start, (length,) = 10, struct.unpack_from("<H", data, 8)
    else:
        start, (length,) = 12, struct.unpack_from("<I", data, 8)
    header = ast.literal_eval(data[start:start + length].decode("latin-1"))
    if header["descr"] != "<f8" or len(header["shape"]) != 1:
        raise SystemExit(f"{path}: expected a 1-D array of '<f8', found {header}")
    count = header["shape"][0]
    if len(data) != start + length + 8 * count:
        raise SystemExit(f"{path}: {count} numbers announced, {len(data) - start - length} bytes found")
    return struct.unpack_from(f"<{count}d", data, start + length)


def tensors_of(folder, case):
    """Yields (name, dtype, shape, bytes) for every tensor of a case."""
    numbers = read_npy(folder / case["file"])
    end = 0
    for tensor in case["tensors"]:
        begin, end = tensor["offset"], tensor["offset"] + math.prod(tensor["shape"])
        part = numbers[begin:end]
        if len(part) != end - begin:
            raise SystemExit(f"{case['file']}: {tensor['name']} ends at {end}, the file at {len(numbers)}")
        if tensor["dtype"] == "f64":
            dtype, raw = "F64", struct.pack(f"<{len(part)}d", *part)
        elif tensor["dtype"] == "i64":
            if any(v != int(v) for v in part):
                raise SystemExit(f"{case['file']}: {tensor['name']} is i64 but holds a fraction")
            dtype, raw = "I64", struct.pack(f"<{len(part)}q", *(int(v) for v in part))
        else:
            raise SystemExit(f"{case['file']}: {tensor['name']} has dtype {tensor['dtype']}; expected f64 or i64")
        yield f"{case['name']}/{tensor['role']}/{tensor['name']}", dtype, tensor["shape"], raw
    if end != len(numbers):
        raise SystemExit(f"{case['file']}: the tensors end at {end}, the file at {len(numbers)}")


def write_safetensors(path, folder, cases):
    metadata, header, blobs, position = {}, {}, [], 0
    for case in cases:
        if case["name"] in metadata:
            raise SystemExit(f"manifest.json: two cases are called {case['name']}")
        kept = {k: v for k, v in case.items() if k not in ("name", "file", "tensors")}
        metadata[case["name"]] = json.dumps(kept, sort_keys=True, separators=(",", ":"))
        for name, dtype, shape, raw in tensors_of(folder, case):
            if name in header:
                raise SystemExit(f"manifest.json: two tensors are called {name}")
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + len(raw)]}
            blobs.append(raw)
            position += len(raw)
    text = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data begin at a multiple of 8 bytes
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    print(f"{path.name}: {len(cases)} cases, {len(header)} tensors, {path.stat().st_size:,} bytes")


def plain_cross_entropy(folder, case):
    """Integer targets, none of them ignored; no class weights, no label smoothing."""
    if case["attrs"]["label_smoothing"] or case["attrs"]["ignore_index"] != -100 or "weight" in case["attrs"]:
        return False
    for name, dtype, _, raw in tensors_of(folder, case):
        if name.endswith("/input/target"):
            return dtype == "I64" and all(t >= 0 for (t,) in struct.iter_unpack("<q", raw))
    return False


OPTIONS_OFF = ("nesterov", "dampening", "amsgrad", "centered", "maximize")


def plain_optimizer(name, settings):
    """SGD, RMSprop, Adam or AdamW with one group of parameters and none of the rarer options."""
    return (name in ("SGD", "RMSprop", "Adam", "AdamW") and isinstance(settings, dict)
            and not any(settings.get(option) for option in OPTIONS_OFF)
            and not (name == "Adam" and settings.get("decoupled_weight_decay")))


def wanted(folder, case):
    """Whether a case outside the groups rnn and cell goes into torch_training.safetensors."""
    group, op, attrs = case["group"], case["op"], case["attrs"]
    if group == "loss" and op == "cross_entropy":
        return plain_cross_entropy(folder, case)
    if group == "loss" and op == "bce_with_logits":
        return "pos_weight" not in attrs
    if group == "optim":
        return plain_optimizer(op.removeprefix("optim."), attrs["effective"])
    if group == "clip":
        return op == "clip_grad_value_" or float(attrs["norm_type"]) == 2.0
    if group == "e2e":
        return plain_optimizer(attrs["optimizer"], attrs["defaults"])
    return False


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    manifest = json.loads((folder / "manifest.json").read_text())
    print(f"PyTorch {manifest['torch']}")
    cases = manifest["cases"]
    recurrent = [c for c in cases if c["group"] in ("rnn", "cell")]
    write_safetensors(HERE / "torch_recurrent.safetensors", folder, recurrent)
    training = [c for c in cases if wanted(folder, c)]
    write_safetensors(HERE / "torch_training.safetensors", folder, training)


if __name__ == "__main__":
    main()
