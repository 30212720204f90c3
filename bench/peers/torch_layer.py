"""Trains, infers with or checks a layer in PyTorch; what torch_nn.py and torch_user_cell.py share."""
import time

import torch

import common


def set_up(o):
    torch.set_num_threads(o.threads)
    torch.set_num_interop_threads(1)


def run(o, layer, parameters, gradients, compiles=False):
    """`layer` maps x to the outputs [T, B, H]; `gradients` returns those of its `parameters` by the names of common.py;
    `compiles` says that the first calls take long."""
    x = torch.tensor(common.make_input(o))
    plain = layer

    def in_precision(x):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.precision == "bf16"):
            return plain(x)

    layer = in_precision

    def train():
        layer(x).float().square().mean().backward()
        with torch.no_grad():
            for p in parameters:
                p.add_(p.grad, alpha=-common.RATE)
                p.grad = None

    def infer():
        with torch.no_grad():
            layer(x)

    if o.check_dir:
        loss = layer(x).float().square().mean()
        loss.backward()
        common.report_check(o, loss.item(), gradients())
        return
    step, seconds = train if o.mode == "train" else infer, None
    if compiles:
        begin = time.perf_counter()
        step()
        step()
        seconds = time.perf_counter() - begin
    common.report(o, torch.__version__, step, seconds)
