"""Layers as a user of PyTorch writes them: a loop over time, the gates from ops.

As the fastest such program does, they project all inputs at once, in one product of matrices, and loop over `unbind`:
indexing each step would make backward quadratic in T.
"""
from typing import List

import torch
from torch import Tensor


def project(x: Tensor, W: Tensor, b: Tensor) -> List[Tensor]:
    """x W + b, step by step"""
    return torch.addmm(b, x.flatten(0, 1), W).view(x.size(0), x.size(1), -1).unbind(0)


def rnn(x: Tensor, W: Tensor, U: Tensor, b: Tensor) -> Tensor:
    """h' = tanh(x W + b + h U)"""
    h = x.new_zeros([x.size(1), U.size(0)])
    outputs: List[Tensor] = []
    for z in project(x, W, b):
        h = torch.tanh(torch.addmm(z, h, U))
        outputs.append(h)
    return torch.stack(outputs)


def gru(x: Tensor, W: Tensor, U: Tensor, b: Tensor, bn: Tensor) -> Tensor:
    """r, z = σ(x W + b + h U)   n = tanh(x Wn + b_n + r∘(h Un + bn))   h' = (1−z)∘n + z∘h"""
    H = U.size(0)
    h = x.new_zeros([x.size(1), H])
    outputs: List[Tensor] = []
    for from_x in project(x, W, b):
        from_h = torch.mm(h, U)
        r, z = torch.sigmoid(from_x[:, :2 * H] + from_h[:, :2 * H]).chunk(2, 1)
        n = torch.tanh(from_x[:, 2 * H:] + r * (from_h[:, 2 * H:] + bn))
        h = n + z * (h - n)
        outputs.append(h)
    return torch.stack(outputs)


def lstm(x: Tensor, W: Tensor, U: Tensor, b: Tensor) -> Tensor:
    """c' = σ(z_f)∘c + σ(zᵢ)∘tanh(z_g)   h' = σ(zₒ)∘tanh(c'),   z = x W + b + h U"""
    h = x.new_zeros([x.size(1), U.size(0)])
    c = h
    outputs: List[Tensor] = []
    for z in project(x, W, b):
        zi, zf, zg, zo = torch.addmm(z, h, U).chunk(4, 1)
        c = torch.sigmoid(zf) * c + torch.sigmoid(zi) * torch.tanh(zg)
        h = torch.sigmoid(zo) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs)


def custom(x: Tensor, W: Tensor, U: Tensor, b: Tensor, P: Tensor) -> Tensor:
    """i = σ(zᵢ + pᵢ∘c)   f = σ(z_f + p_f∘c)   c' = f∘c + i∘tanh(z_g)   o = σ(zₒ + pₒ∘c')   h' = o∘tanh(c')"""
    h = x.new_zeros([x.size(1), U.size(0)])
    c = h
    pi, pf, po = P.unbind(0)
    outputs: List[Tensor] = []
    for z in project(x, W, b):
        zi, zf, zg, zo = torch.addmm(z, h, U).chunk(4, 1)
        c = torch.sigmoid(zf + pf * c) * c + torch.sigmoid(zi + pi * c) * torch.tanh(zg)
        h = torch.sigmoid(zo + po * c) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs)


LAYERS = {"rnn": rnn, "gru": gru, "lstm": lstm, "custom": custom}
