"""A cell under JAX's lax.scan, with the whole training step in one jit."""
import os
import time

import common

o = common.parse_options("jax-scan", add_options=lambda parser: parser.add_argument(
    "--unroll", type=int, default=1, help="steps of time in one pass of the compiled loop"))
if o.unroll > 1:
    o.peer += f"-unroll-{o.unroll}"
os.environ["JAX_PLATFORMS"] = "cpu"
if o.threads == 1:
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.nn import sigmoid

H = o.hidden


def rnn(p, h, z):
    h = jnp.tanh(z + h @ p["U"])
    return h, h


def gru(p, h, from_x):
    from_h = h @ p["U"]
    r, z = jnp.split(sigmoid(from_x[:, :2 * H] + from_h[:, :2 * H]), 2, axis=1)
    n = jnp.tanh(from_x[:, 2 * H:] + r * (from_h[:, 2 * H:] + p["bn"]))
    h = n + z * (h - n)
    return h, h


def lstm(p, state, z):
    h, c = state
    zi, zf, zg, zo = jnp.split(z + h @ p["U"], 4, axis=1)
    c = sigmoid(zf) * c + sigmoid(zi) * jnp.tanh(zg)
    h = sigmoid(zo) * jnp.tanh(c)
    return (h, c), h


def custom(p, state, z):
    h, c = state
    pi, pf, po = p["P"]
    zi, zf, zg, zo = jnp.split(z + h @ p["U"], 4, axis=1)
    c = sigmoid(zf + pf * c) * c + sigmoid(zi + pi * c) * jnp.tanh(zg)
    h = sigmoid(zo + po * c) * jnp.tanh(c)
    return (h, c), h


cell = {"rnn": rnn, "gru": gru, "lstm": lstm, "custom": custom}[o.cell]


def layer(p, x):
    zero = jnp.zeros((x.shape[1], H), jnp.float32)
    start = zero if o.cell in ("rnn", "gru") else (zero, zero)
    projected = x.reshape(-1, x.shape[2]) @ p["W"] + p["b"]  # as x @ W the whole step would take a sixth longer
    zs = projected.reshape(*x.shape[:2], -1)
    return lax.scan(lambda state, z: cell(p, state, z), start, zs, unroll=o.unroll)[1]


def loss(p, x):
    return jnp.mean(jnp.square(layer(p, x)))


def train(p, x):
    value, gradients = jax.value_and_grad(loss)(p, x)
    return jax.tree.map(lambda w, g: w - common.RATE * g, p, gradients), value


weights = {name: jnp.asarray(w) for name, w in common.make_weights(o).items()}
x = jnp.asarray(common.make_input(o))
if o.check_dir:
    value, gradients = jax.jit(jax.value_and_grad(loss))(weights, x)
    common.report_check(o, value, {name: np.asarray(g) for name, g in gradients.items()})
    raise SystemExit

begin = time.perf_counter()
if o.mode == "train":
    compiled = jax.jit(train, donate_argnums=0).lower(weights, x).compile()

    def step():
        global weights
        weights, _ = jax.block_until_ready(compiled(weights, x))
else:
    compiled = jax.jit(layer).lower(weights, x).compile()

    def step():
        compiled(weights, x).block_until_ready()
step()
common.report(o, jax.__version__, step, time.perf_counter() - begin)
