#!/usr/bin/env python3
"""Weights and files go between unroll and PyTorch, Keras and the safetensors package, and give the same outputs.

usage: interop.py PROGRAM

PROGRAM is unroll_interop. Prints PASS or FAIL for every check and a summary; exits with 1 when a check failed.
 - PyTorch and Keras write random weights; unroll reads them and runs the model on their inputs: the same outputs.
 - unroll writes random weights in PyTorch's layout; load_state_dict(strict=True) takes them: the same outputs.
 - What unroll writes is read by the safetensors package: arrays of every kind, integers and metadata.
Outputs agree to 1e-12 in float64 and to 1e-5 in float32.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"  # the only one that computes in float64
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import numpy as np  # noqa: E402
import safetensors  # noqa: E402
import safetensors.numpy  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
T, B, I, H = 6, 3, 4, 5  # steps, sequences, inputs, units


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, ok, what):
        print("PASS" if ok else "FAIL", what, flush=True)
        if ok:
            self.passed += 1
        else:
            self.failed += 1

    def close(self, got, want, dtype, what):
        """The largest difference, relative to the larger of 1 and the largest wanted number."""
        if got.shape != want.shape or str(got.dtype) != dtype:
            self.check(False, f"{what}: {got.dtype} {got.shape} instead of {dtype} {want.shape}")
            return
        error = float(np.max(np.abs(got.astype(float) - want.astype(float))) / max(1, np.max(np.abs(want))))
        self.check(error <= TOLERANCE[dtype], f"{what}: {error:.1e}")


# ---- PyTorch ----------------------------------------------------------------


class Chain(torch.nn.Module):
    """The modules of a case, one after the other, over [T, B, …]."""

    def __init__(self, layers, dtype):
        super().__init__()
        self.names = [name for name, _ in layers]
        for name, module in layers:
            parent = self
            *outer, last = name.split(".")
            for part in outer:
                if not hasattr(parent, part):
                    parent.add_module(part, torch.nn.Module())
                parent = getattr(parent, part)
            parent.add_module(last, module)
        self.to(dtype)

    def forward(self, x, lengths=None):
        for name in self.names:
            module = self.get_submodule(name)
            if isinstance(module, torch.nn.RNNBase) and lengths is not None:
                packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
                x, _ = torch.nn.utils.rnn.pad_packed_sequence(module(packed)[0], total_length=len(x))
            elif isinstance(module, torch.nn.RNNBase):
                x = module(x)[0]
            elif isinstance(module, torch.nn.LSTMCell):
                x = module(x[0])[0][None]
            elif isinstance(module, torch.nn.RNNCellBase):
                x = module(x[0])[None]
            else:
                x = module(x)
        return x


def torch_cases():
    """(name, [(module name, module, what unroll must know)], steps, packed)"""
    nn = torch.nn
    for kind, extra in (("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("GRU", {}), ("LSTM", {})):
        for layers, bidirectional, bias, packed in ((1, False, True, False), (2, False, True, True),
                                                    (1, True, True, True), (3, True, True, False),
                                                    (2, True, False, False)):
            options = {"bidirectional": bidirectional, "bias": bias, **extra}
            module = getattr(nn, kind)(I, H, num_layers=layers, **options)
            name = f"nn.{kind}" + "".join(f" {k}={v}" for k, v in options.items() if v is not True)
            name += f" num_layers={layers}" + (" packed" if packed else "")
            yield name, [("rnn", module, {"type": kind, "in": I, "out": H, "layers": layers, **options})], T, packed
        for bias in (True, False):
            cell = getattr(nn, kind + "Cell")(I, H, bias=bias, **extra)
            yield (f"nn.{kind}Cell bias={bias} {extra or ''}".strip(),
                   [("cell", cell, {"type": kind, "in": I, "out": H, "cell": True, "bias": bias, **extra})], 1, False)
    yield ("a model of three modules, packed", [
        ("emb", nn.Embedding(11, I), {"type": "embedding", "in": 11, "out": I}),
        ("encoder.lstm", nn.LSTM(I, H, 2, bidirectional=True),
         {"type": "LSTM", "in": I, "out": H, "layers": 2, "bidirectional": True}),
        ("fc", nn.Linear(2 * H, 3), {"type": "linear", "in": 2 * H, "out": 3})], T, True)
    for layers, bidirectional in ((1, False), (2, True)):
        options = {"bidirectional": bidirectional, "proj_size": 3}
        yield (f"nn.LSTM proj_size=3 num_layers={layers} bidirectional={bidirectional}", [
            ("lstm", nn.LSTM(I, H, layers, **options),
             {"type": "LSTM", "in": I, "out": H, "layers": layers, **options})], T, True)
    yield ("nn.Linear without a bias", [
        ("fc", nn.Linear(I, 3, bias=False), {"type": "linear", "in": I, "out": 3, "bias": False})], T, False)


def write_case(folder, name, dtype, framework, layers, weights, inputs):
    (folder / f"{name}.json").write_text(json.dumps({"dtype": dtype, "framework": framework, "layers": layers}))
    safetensors.numpy.save_file(weights, folder / f"{name}.weights.safetensors")
    safetensors.numpy.save_file(inputs, folder / f"{name}.input.safetensors")


def run_torch(module, inputs):
    x = torch.from_numpy(inputs["ids"] if "ids" in inputs else inputs["x"])
    with torch.no_grad():
        return module(x, torch.from_numpy(inputs["lengths"]) if "lengths" in inputs else None).numpy()


def make_torch_cases(folder, random):
    made = []
    for dtype in ("float64", "float32"):
        for k, (title, layers, steps, packed) in enumerate(torch_cases()):
            name = f"torch-{dtype}-{k}"
            module = Chain([(n, m) for n, m, _ in layers], getattr(torch, dtype))
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.copy_(torch.from_numpy(random.normal(scale=0.5, size=parameter.shape)))
            inputs = {"x": random.normal(size=(steps, B, I)).astype(dtype)}
            if layers[0][2]["type"] == "embedding":
                inputs = {"ids": random.integers(0, 11, (steps, B))}
            if packed:
                inputs["lengths"] = np.array([T - 2, T, 1])
            weights = {n: w.numpy() for n, w in module.state_dict().items()}
            write_case(folder, name, dtype, "torch", [{"name": n, **what} for n, _, what in layers], weights, inputs)
            made.append((name, f"{title}, {dtype}", dtype, module, inputs))
    return made


def check_torch_case(folder, checks, name, title, dtype, module, inputs):
    def ours(what):
        return safetensors.numpy.load_file(folder / f"{name}.{what}.safetensors")["out"]

    checks.close(ours("output"), run_torch(module, inputs), dtype, f"PyTorch → unroll: {title}")
    try:
        module.load_state_dict(safetensors.torch.load_file(folder / f"{name}.ours.safetensors"), strict=True)
    except RuntimeError as error:
        checks.check(False, f"unroll → PyTorch: {title}: {error}")
        return
    checks.close(ours("again"), run_torch(module, inputs), dtype, f"unroll → PyTorch: {title}")


# ---- Keras ------------------------------------------------------------------


def keras_cases(keras):
    """(title, Keras' layers, what unroll must know)"""
    layers = keras.layers
    for kind, cls, extra in (("RNN", layers.SimpleRNN, {}), ("GRU", layers.GRU, {}),
                             ("GRU", layers.GRU, {"reset_after": False}), ("LSTM", layers.LSTM, {})):
        for bias in (True, False):
            layer = cls(H, return_sequences=True, use_bias=bias, name="rnn", **extra)
            yield (f"{cls.__name__} use_bias={bias} {extra or ''}".strip(), [layer],
                   [{"name": "rnn", "type": kind, "in": I, "out": H, "bias": bias, **extra}])
        both = layers.Bidirectional(cls(H, return_sequences=True, **extra), name="both")
        yield (f"Bidirectional {cls.__name__} {extra or ''}".strip(), [both],
               [{"name": "both", "type": kind, "in": I, "out": H, "bidirectional": True, **extra}])
    yield ("a model of four layers", [
        layers.Embedding(11, I, name="embedding"), layers.LSTM(H, return_sequences=True, name="first"),
        layers.GRU(H, return_sequences=True, name="second"), layers.Dense(3, name="dense")], [
            {"name": "embedding", "type": "embedding", "in": 11, "out": I},
            {"name": "first", "type": "LSTM", "in": I, "out": H},
            {"name": "second", "type": "GRU", "in": H, "out": H},
            {"name": "dense", "type": "linear", "in": H, "out": 3}])


def make_keras_cases(folder, random):
    import keras  # takes seconds

    made = []
    for dtype in ("float64", "float32"):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        for k, (title, layers, what) in enumerate(keras_cases(keras)):
            name = f"keras-{dtype}-{k}"
            model = keras.Sequential(layers, name="model")
            inputs = {"x": random.normal(size=(B, T, I)).astype(dtype)}
            if what[0]["type"] == "embedding":
                inputs = {"ids": random.integers(0, 11, (B, T))}
            (fed,) = inputs.values()
            model(fed)  # creates the weights
            for variable in model.weights:
                variable.assign(random.normal(scale=0.5, size=variable.shape))
            weights = {v.path: np.ascontiguousarray(v.numpy()) for v in model.weights}
            want = np.swapaxes(model(fed).numpy(), 0, 1)
            inputs = {key: np.ascontiguousarray(np.swapaxes(value, 0, 1)) for key, value in inputs.items()}
            described = [{**layer, "name": "model/" + layer["name"]} for layer in what]
            write_case(folder, name, dtype, "keras", described, weights, inputs)
            made.append((name, f"Keras → unroll: {title}, {dtype}", dtype, want))
    return made


# ---- the safetensors package ------------------------------------------------

METADATA = {"plain": "text", "quotes": '"\\\n', "多": "字 ∂ 🙂", "empty": ""}


def make_file(folder, random):
    tensors = {
        "matrix": random.normal(size=(3, 4)), "narrow": random.normal(size=(5,)).astype(np.float32),
        "scalar": np.array(-0.0), "nothing": np.zeros((0, 3)), "six axes": random.normal(size=(1, 2, 1, 2, 1, 2)),
        "special": np.array([np.nan, np.inf, -np.inf, 5e-324]), "integers": np.array([[-2**63, 2**63 - 1]]),
        "名": np.ones(1, np.float32)}
    safetensors.numpy.save_file(tensors, folder / "file.theirs.safetensors", METADATA)
    return tensors


def check_file(folder, checks, tensors):
    with safetensors.safe_open(folder / "file.ours.safetensors", "np") as file:
        checks.check(file.metadata() == METADATA, "safetensors reads our metadata")
        checks.check(sorted(file.keys()) == sorted(tensors), "safetensors reads our names")
        for name, want in tensors.items():
            got = file.get_tensor(name)
            same = got.dtype == want.dtype and got.shape == want.shape and got.tobytes() == want.tobytes()
            checks.check(same, f"safetensors reads our array '{name}', {want.dtype} {list(want.shape)}, bit for bit")


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    random, checks = np.random.default_rng(1), Checks()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        torch_made, tensors = make_torch_cases(folder, random), make_file(folder, random)
        keras_made = make_keras_cases(folder, random)
        subprocess.run([sys.argv[1], str(folder)], check=True)
        for case in torch_made:
            check_torch_case(folder, checks, *case)
        for name, title, dtype, want in keras_made:
            got = safetensors.numpy.load_file(folder / f"{name}.output.safetensors")["out"]
            checks.close(got, want, dtype, title)
        check_file(folder, checks, tensors)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
