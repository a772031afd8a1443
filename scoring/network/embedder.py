"""From patches to embeddings in batches, by ONNX Runtime or torch.

ONNX Runtime on a CPU, torch on a GPU. They agree to 1e-4 of an embedding's length, as the tests check, a
fifth of what rounding to float16 changes, so embeddings of both may lie in one store.
"""

import threading
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scoring.network import backbones, onnx_network, torch_network
from scoring.photograph.decoding import Pixels
from scoring.weights import weight_files

SIDE = 224  # pixels, what the backbones were trained on
DIMENSIONS = 2048
BATCH = 8  # larger ones are hardly faster on a CPU and take more memory

_loading = threading.Lock()


class Network(Protocol):
    """A backbone that runs: TorchNetwork or OnnxNetwork."""

    def embed(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 224, 224, 3) RGB to (n, 2048)."""


def embed(crops: Sequence[Pixels], backbone_name: str, *, sha256: str | None = None) -> NDArray[np.float32]:
    """Embed each crop, (height, width, 3) uint8 RGB of any size, squeezed to 224 x 224. Returns (n, 2048).

    `sha256` names the weight file a recipe was fitted on; without it, the one that is installed.
    Raises weights.WeightsError. Threads may call this at the same time.
    """
    network = _network(backbone_name, sha256 or weight_files.backbone_sha256(backbone_name))
    embeddings = [network.embed(batch) for batch in _batches(crops)]
    return np.concatenate([np.empty((0, DIMENSIONS), np.float32), *embeddings])


def _batches(crops: Sequence[Pixels]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(crops), BATCH):
        yield np.stack([resize(crop) for crop in crops[start : start + BATCH]])  # (8, 224, 224, 3)


def resize(crop: Pixels) -> Pixels:
    """(224, 224, 3) by Lanczos; the aspect is ignored, as in the published study."""
    return np.asarray(Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def _network(name: str, sha256: str) -> Network:
    with _loading:
        return _load(name, sha256)


@cache
def _load(name: str, sha256: str) -> Network:
    if torch_network.has_gpu():
        return torch_network.TorchNetwork(backbones.load(name, sha256), device="cuda")
    return onnx_network.load(name, sha256)
