"""ONNX Runtime, which only infers: the operators RNN, GRU and LSTM, the last with peepholes for the custom cell."""
import common

o = common.parse_options("onnxruntime", modes=("infer",))

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

H = o.hidden
operator, order = {"rnn": ("RNN", [0]), "gru": ("GRU", [1, 0, 2]),  # ONNX's gates: z r n, and i o f g
                   "lstm": ("LSTM", [0, 3, 1, 2]), "custom": ("LSTM", [0, 3, 1, 2])}[o.cell]


def reorder(w):
    return np.concatenate([w[..., gate * H:(gate + 1) * H] for gate in order], axis=-1)


weights = common.make_weights(o)
inside = np.zeros_like(weights["b"])  # the bias beside h U
if o.cell == "gru":
    inside[2 * H:] = weights["bn"]
constants = {"W": reorder(weights["W"]).T, "R": reorder(weights["U"]).T,
             "B": np.concatenate([reorder(weights["b"]), inside])}
inputs = ["X", "W", "R", "B"]
if o.cell == "custom":
    constants["P"] = weights["P"][[0, 2, 1]].reshape(-1)
    inputs += ["", "", "", "P"]  # between them: lengths and the first state
attributes = {"linear_before_reset": 1} if o.cell == "gru" else {}
graph = helper.make_graph(
    [helper.make_node(operator, inputs, ["Y"], hidden_size=H, **attributes)], "layer",
    [helper.make_tensor_value_info("X", TensorProto.FLOAT, [o.steps, o.batch, o.input])],
    [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [o.steps, 1, o.batch, H])],
    [numpy_helper.from_array(np.ascontiguousarray(value[None]), name) for name, value in constants.items()])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
model.ir_version = 8
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = o.threads
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
x = common.make_input(o)


def step():
    return session.run(None, {"X": x})[0]


if o.check_dir:
    common.report_check(o, np.mean(step().astype(np.float64) ** 2), {})
else:
    common.report(o, onnxruntime.__version__, step)
