"""A backbone as an ONNX graph, preprocessing included: bytes in, embeddings out.

Built from the folded kernels, which are there already: torch's exporter would bring onnxscript for what is a loop.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from scoring.network.backbones import Backbone

OPSET, FORMAT = 17, 8  # of 2022: any ONNX Runtime of the last years reads them


def build(backbone: Backbone) -> bytes:
    """Return a model from `pixels` (n, h, w, 3) uint8 RGB to `embeddings` (n, channels) float32."""
    nodes = _preprocess()
    nodes += [_convolve("preprocessed", "conv1", "conv1_sum", stride=2, padding=3), _relu("conv1_sum", "conv1_out")]
    nodes.append(
        helper.make_node("MaxPool", ["conv1_out"], ["pooled"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    )
    x = "pooled"
    for stage, depth in enumerate(backbone.architecture.depths, start=1):
        for block in range(depth):
            name = f"layer{stage}.{block}"
            nodes += _bottleneck(x, name, backbone, stride=2 if stage > 1 and block == 0 else 1)
            x = name
    nodes.append(helper.make_node("ReduceMean", [x], ["embeddings"], axes=[2, 3], keepdims=0))
    return _model(nodes, backbone)


def _model(nodes: Iterable[NodeProto], backbone: Backbone) -> bytes:
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", "height", "width", 3])
    embeddings = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", "channels"])
    constants = [numpy_helper.from_array(np.ascontiguousarray(one), name) for name, one in _constants(backbone)]
    graph = helper.make_graph(list(nodes), "backbone", [pixels], [embeddings], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _constants(backbone: Backbone) -> Iterable[tuple[str, NDArray[np.generic]]]:
    wanted = backbone.architecture.preprocessing
    yield "channels", np.array(wanted.channels, np.int64)
    yield "mean", np.array(wanted.mean, np.float32)
    yield "deviation", np.array(wanted.deviation, np.float32)
    for name, kernel in backbone.kernels.items():
        yield f"{name}.weight", kernel
        yield f"{name}.bias", backbone.biases[name]


def _preprocess() -> list[NodeProto]:
    return [
        helper.make_node("Gather", ["pixels", "channels"], ["ordered"], axis=3),
        helper.make_node("Cast", ["ordered"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["floats", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["preprocessed"], perm=[0, 3, 1, 2]),
    ]


def _bottleneck(x: str, name: str, backbone: Backbone, *, stride: int) -> list[NodeProto]:
    first, second = backbone.architecture.strides(stride)
    widens = f"{name}.downsample.0" in backbone.kernels
    shortcut = f"{name}.shortcut" if widens else x
    beside = [_convolve(x, f"{name}.downsample.0", shortcut, stride=stride)] if widens else []
    return [
        *beside,
        _convolve(x, f"{name}.conv1", f"{name}.a", stride=first),
        _relu(f"{name}.a", f"{name}.b"),
        _convolve(f"{name}.b", f"{name}.conv2", f"{name}.c", stride=second, padding=1),
        _relu(f"{name}.c", f"{name}.d"),
        _convolve(f"{name}.d", f"{name}.conv3", f"{name}.e"),
        helper.make_node("Add", [f"{name}.e", shortcut], [f"{name}.sum"]),
        _relu(f"{name}.sum", name),
    ]


def _convolve(x: str, name: str, result: str, *, stride: int = 1, padding: int = 0) -> NodeProto:
    inputs = [x, f"{name}.weight", f"{name}.bias"]
    return helper.make_node("Conv", inputs, [result], strides=[stride, stride], pads=[padding] * 4)


def _relu(x: str, result: str) -> NodeProto:
    return helper.make_node("Relu", [x], [result])
