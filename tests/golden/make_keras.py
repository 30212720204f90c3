#!/usr/bin/env python3
"""Makes keras_model.safetensors: weights under Keras' own names, and what the model makes of an input.

usage: make_keras.py

Needs Keras 3 on TensorFlow, and safetensors, as `./run interop` installs them. Weights are drawn by numpy from one seed, so that the
bias, which Keras starts at zero, is not. README.md describes the file.
"""
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"  # the only one that computes in float64
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402


def main():
    keras.config.set_floatx("float64")
    model = keras.Sequential([
        keras.Input((5,), dtype="int32"),
        layers.Embedding(7, 3, name="embedding"),
        layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="lstm"), name="bidirectional"),
        layers.GRU(3, return_sequences=True, name="gru"),
        layers.SimpleRNN(3, return_sequences=True, name="simple_rnn"),
        layers.GRU(2, return_sequences=True, reset_after=False, name="gru_before"),
        layers.LSTM(3, use_bias=False, name="lstm"),
        layers.Dense(2, name="dense"),
    ], name="model")
    random = np.random.default_rng(7)
    for variable in model.weights:
        variable.assign(random.normal(scale=0.7, size=variable.shape))
    ids = random.integers(0, 7, (2, 5))
    tensors = {v.path: np.ascontiguousarray(keras.ops.convert_to_numpy(v)) for v in model.weights}
    tensors["expected/ids"] = ids.astype(np.int64)  # [B, T]
    tensors["expected/logits"] = np.ascontiguousarray(keras.ops.convert_to_numpy(model(ids)))
    path = Path(__file__).resolve().parent / "keras_model.safetensors"
    save_file(tensors, path, {"origin": f"Keras {keras.__version__} on TensorFlow, in float64"})
    path.chmod(0o644)


if __name__ == "__main__":
    main()
