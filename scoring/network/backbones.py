"""ResNet-50 and ResNet-152: weights, input shape and preprocessing of each in one object.

Arrays only: `onnx_network` and `torch_network` run them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from scoring.weights import weight_files
from scoring.weights.keras_conversion import TORCH_EPSILON, Tensors


@dataclass(frozen=True)
class Preprocessing:
    """What is done to RGB in 0..255: reorder the channels, subtract the mean, divide."""

    channels: tuple[int, int, int]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


@dataclass(frozen=True)
class Architecture:
    """A ResNet of bottlenecks (He et al. 2015).

    `strides_first` is the network as published, and Keras': a block strides on its first 1 x 1 convolution.
    Otherwise on its 3 x 3, as torchvision's weights want it. The weights' names and shapes don't tell which.
    """

    depths: tuple[int, int, int, int]  # blocks per stage
    strides_first: bool
    preprocessing: Preprocessing

    def strides(self, stride: int) -> tuple[int, int]:
        """Return the strides of a block's first and second convolution."""
        return (stride, 1) if self.strides_first else (1, stride)


@dataclass(frozen=True)
class Backbone:
    """An architecture and its weights, each batch norm folded into the convolution before it."""

    architecture: Architecture
    kernels: Tensors  # (out, in, height, width), by torchvision's name of the convolution
    biases: Tensors  # (out,)


NORM_PARTS = ("weight", "bias", "running_mean", "running_var")  # of a batch norm, by torchvision's names
# Mean of the ImageNet training set in BGR: what the original Caffe weights want.
CAFFE = Preprocessing((2, 1, 0), (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
# torchvision states these for 0..1.
TORCHVISION = Preprocessing((0, 1, 2), (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255))
ARCHITECTURES = {
    "resnet50": Architecture((3, 4, 6, 3), strides_first=True, preprocessing=CAFFE),
    "resnet152": Architecture((3, 8, 36, 3), strides_first=False, preprocessing=TORCHVISION),
}


def load(name: str, sha256: str) -> Backbone:
    """Load a backbone whose weight file has this SHA-256. Raises weights.WeightsError."""
    return assemble(ARCHITECTURES[name], _read(weight_files.backbone_file(name, sha256)))


def assemble(architecture: Architecture, tensors: Tensors) -> Backbone:
    """Fold a state dict in torchvision's layout. Raises weights.WeightsError if it is another network's."""
    pairs = norms(architecture)
    wanted = {f"{name}.weight" for name in pairs} | {f"{norm}.{part}" for norm in pairs.values() for part in NORM_PARTS}
    if wanted != tensors.keys():
        odd = sorted(wanted ^ tensors.keys())
        raise weight_files.WeightsError(
            f"The weight file holds another network: {len(odd)} names differ, such as {odd[0]}."
        )
    folded = {
        name: _fold(tensors[f"{name}.weight"], [tensors[f"{norm}.{part}"] for part in NORM_PARTS])
        for name, norm in pairs.items()
    }
    return Backbone(
        architecture,
        {name: kernel for name, (kernel, _) in folded.items()},
        {name: bias for name, (_, bias) in folded.items()},
    )


def norms(architecture: Architecture) -> dict[str, str]:
    """Every convolution's name in torchvision's layout, and that of the batch norm behind it."""
    pairs = {"conv1": "bn1"}
    for stage, depth in enumerate(architecture.depths, start=1):
        pairs[f"layer{stage}.0.downsample.0"] = f"layer{stage}.0.downsample.1"
        for block in range(depth):
            pairs |= {f"layer{stage}.{block}.conv{n}": f"layer{stage}.{block}.bn{n}" for n in (1, 2, 3)}
    return pairs


def _fold(
    kernel: NDArray[np.float32], norm: list[NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """norm(conv(x)) = conv'(x) + bias', in the mode that no longer learns."""
    gain, offset, mean, variance = norm
    scale = gain / np.sqrt(variance + TORCH_EPSILON)
    return kernel * scale[:, None, None, None], offset - mean * scale


def _read(path: Path) -> Tensors:
    if path.suffix == ".safetensors":
        return safetensors.numpy.load_file(path)
    import torch

    tensors: Mapping[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    unused = ("fc.", "num_batches_tracked")  # the classifier, and a counter of training
    return {
        name: tensor.numpy()
        for name, tensor in tensors.items()
        if not name.startswith(unused) and not name.endswith(unused)
    }
