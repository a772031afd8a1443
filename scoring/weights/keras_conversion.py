"""Conversion of the Keras ResNet-50, from its TensorFlow.js package to torchvision's key layout.

Keras' convolutions carry a bias, and its batch norm adds 1e-3 to the variance where torch adds 1e-5; both are folded
into the running statistics. Beware: every key and shape equals torchvision's, yet a block strides on its first 1 x 1
convolution, so loading the result into torchvision's own ResNet-50 gives wrong numbers without an error.
"""

import json
import math
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.float32]]

MODEL = "package/ResNet50/model.json"
KERAS_EPSILON, TORCH_EPSILON = np.float32(1e-3), np.float32(1e-5)
BLOCK_LAYER = re.compile(r"(?:res|bn)([2-5])([a-f])_branch(1|2[abc])")


def convert(archive: Path) -> Tensors:
    """Return what the npm package's model holds, without its classifier, as torch expects it.

    Convolutions are (out, in, height, width). Raises KeyError if the archive is another model.
    """
    keras = read_layers_model(archive)
    layers = {name.split("/")[0] for name in keras} - {"fc1000"}
    converted: Tensors = {}
    for layer in sorted(layers):
        if layer.startswith("bn"):
            converted |= _convert_pair(keras, "conv1" if layer == "bn_conv1" else layer.replace("bn", "res"), layer)
    return converted


def read_layers_model(archive: Path) -> Tensors:
    """Read a TensorFlow.js layers model: JSON that names the arrays, and shards that hold them end to end."""
    with tarfile.open(archive) as package:
        groups = json.loads(_member(package, MODEL))["weightsManifest"]
        return {name: array for group in groups for name, array in _read_group(package, group)}


def _read_group(package: tarfile.TarFile, group: Mapping[str, Any]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    folder = MODEL.rsplit("/", 1)[0]
    numbers = np.frombuffer(b"".join(_member(package, f"{folder}/{path}") for path in group["paths"]), dtype="<f4")
    start = 0
    for entry in group["weights"]:
        end = start + math.prod(entry["shape"])
        yield entry["name"], numbers[start:end].reshape(entry["shape"])
        start = end


def _member(package: tarfile.TarFile, name: str) -> bytes:
    file = package.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


def _convert_pair(keras: Tensors, convolution: str, norm: str) -> Tensors:
    """Convert a convolution and the batch norm behind it."""
    ours, ours_norm = _torch_names(norm)
    return {
        f"{ours}.weight": np.ascontiguousarray(keras[f"{convolution}/kernel"].transpose(3, 2, 0, 1)),  # HWIO to OIHW
        f"{ours_norm}.weight": keras[f"{norm}/gamma"],
        f"{ours_norm}.bias": keras[f"{norm}/beta"],
        f"{ours_norm}.running_mean": keras[f"{norm}/moving_mean"] - keras[f"{convolution}/bias"],
        f"{ours_norm}.running_var": keras[f"{norm}/moving_variance"] + KERAS_EPSILON - TORCH_EPSILON,
    }


def _torch_names(norm: str) -> tuple[str, str]:
    if norm == "bn_conv1":
        return "conv1", "bn1"
    match = BLOCK_LAYER.fullmatch(norm)
    if match is None:
        raise KeyError(norm)
    stage, block, branch = match.groups()
    prefix = f"layer{int(stage) - 1}.{'abcdef'.index(block)}"
    if branch == "1":
        return f"{prefix}.downsample.0", f"{prefix}.downsample.1"
    number = "abc".index(branch[1]) + 1
    return f"{prefix}.conv{number}", f"{prefix}.bn{number}"
