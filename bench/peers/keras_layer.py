"""Keras' own layers on TensorFlow, SimpleRNN, GRU and LSTM, with the whole training step in one tf.function."""
import os
import time

import common

o = common.parse_options("keras", cells=("rnn", "gru", "lstm"))
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}

import keras
import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(o.threads)
tf.config.threading.set_inter_op_parallelism_threads(o.threads)
H = o.hidden


def swap(w):
    """Keras orders the gates of a GRU z r n; this changes from its order to ours, and back."""
    return np.concatenate([w[..., H:2 * H], w[..., :H], w[..., 2 * H:]], axis=-1)


layer = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[o.cell](
    H, return_sequences=True)
x = tf.constant(common.make_input(o).swapaxes(0, 1).copy())  # Keras puts the batch first
layer.build(x.shape)
weights = common.make_weights(o)
if o.cell == "gru":
    inside = np.concatenate([np.zeros(2 * H, np.float32), weights["bn"]])
    layer.set_weights([swap(weights["W"]), swap(weights["U"]), np.stack([swap(weights["b"]), inside])])
else:
    layer.set_weights(list(weights.values()))
variables = [weight.value for weight in layer.trainable_weights]


def loss_and_gradients(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(layer(x)))
    return loss, tape.gradient(loss, variables)


@tf.function
def train(x):
    loss, gradients = loss_and_gradients(x)
    for variable, gradient in zip(variables, gradients):
        variable.assign_sub(common.RATE * gradient)
    return loss


@tf.function
def infer(x):
    return layer(x)


if o.check_dir:
    loss, gradients = tf.function(loss_and_gradients)(x)
    W, U, b = (g.numpy() for g in gradients)
    if o.cell == "gru":
        named = {"W": swap(W), "U": swap(U), "b": swap(b[0]), "bn": b[1][2 * H:]}
    else:
        named = {"W": W, "U": U, "b": b}
    common.report_check(o, loss, named)
    raise SystemExit

function = train if o.mode == "train" else infer


def step():
    function(x)  # runs to its end: TensorFlow is asynchronous only when told so


begin = time.perf_counter()
step()
common.report(o, f"{tf.__version__}/keras-{keras.__version__}", step, time.perf_counter() - begin)
