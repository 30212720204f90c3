"""A user's cell in PyTorch: as it stands, under TorchScript, or under torch.compile, which unrolls the whole loop and
compiles for 30 to 45 seconds (less when its cache holds the same layer from an earlier run)."""
import os
import warnings

import common

o = common.parse_options("torch", add_options=lambda parser: parser.add_argument(
    "--how", choices=("eager", "script", "compile"), default="eager"), precisions=("f32", "bf16"))
o.peer += "-" + o.how
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # of processes that would outlive the compilation

import torch

import torch_cells
import torch_layer

torch_layer.set_up(o)
# copied, because NumPy's memory is aligned less well, which alone costs 6 %
weights = {name: torch.tensor(w, requires_grad=True) for name, w in common.make_weights(o).items()}
loop = torch_cells.LAYERS[o.cell]
if o.how == "script":
    warnings.simplefilter("ignore")  # it is deprecated
    loop = torch.jit.script(loop)
if o.how == "compile":
    loop = torch.compile(loop, dynamic=False)

torch_layer.run(o, lambda x: loop(x, *weights.values()), list(weights.values()),
                lambda: {name: w.grad for name, w in weights.items()}, compiles=o.how != "eager")
