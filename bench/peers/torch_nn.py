"""PyTorch's own layers: nn.RNN, nn.GRU, nn.LSTM."""
import common

o = common.parse_options("torch-nn", cells=("rnn", "gru", "lstm"), precisions=("f32", "bf16"))

import torch
from torch import nn

import torch_layer

torch_layer.set_up(o)
net = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[o.cell](o.input, o.hidden)
weights = {name: torch.from_numpy(w) for name, w in common.make_weights(o).items()}
with torch.no_grad():
    net.weight_ih_l0.copy_(weights["W"].T)
    net.weight_hh_l0.copy_(weights["U"].T)
    net.bias_ih_l0.copy_(weights["b"])
    net.bias_hh_l0.zero_()
    if o.cell == "gru":
        net.bias_hh_l0[2 * o.hidden:] = weights["bn"]


def gradients():
    result = {"W": net.weight_ih_l0.grad.T, "U": net.weight_hh_l0.grad.T, "b": net.bias_ih_l0.grad}
    if o.cell == "gru":
        result["bn"] = net.bias_hh_l0.grad[2 * o.hidden:]
    return result


torch_layer.run(o, lambda x: net(x)[0], list(net.parameters()), gradients)
