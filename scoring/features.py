"""Patches to embeddings: the only file that runs torch, which loads on first use. [core]"""

import threading
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scoring import backbones, weights
from scoring.backbones import Backbone
from scoring.images import Pixels

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 224  # pixels, what the backbones were trained on
DIMENSIONS = 2048
BATCH = 8  # larger ones are no faster on a CPU and take more memory

_loading = threading.Lock()


def embed(crops: Sequence[Pixels], backbone_name: str, *, sha256: str | None = None) -> NDArray[np.float32]:
    """Embed each crop, (height, width, 3) uint8 RGB of any size, squeezed to 224 x 224. Returns (n, 2048).

    `sha256` names the weight file a recipe was fitted on; without it, the one that is installed.
    Raises weights.WeightsError. Threads may call this at the same time.
    """
    network = _network(backbone_name, sha256 or weights.backbone_sha256(backbone_name))
    embeddings = [network.embed(batch) for batch in _batches(crops)]
    return np.concatenate([np.empty((0, DIMENSIONS), np.float32), *embeddings])


def _batches(crops: Sequence[Pixels]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(crops), BATCH):
        yield np.stack([resize(crop) for crop in crops[start : start + BATCH]])  # (8, 224, 224, 3)


def resize(crop: Pixels) -> Pixels:
    """(224, 224, 3) by Lanczos; the aspect is ignored, as in the published study."""
    return np.asarray(Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


class Network:
    """A backbone as torch runs it: channels last, which with the folded norms is 1.1 to 1.35 times plain torch."""

    def __init__(self, backbone: Backbone) -> None:
        import torch

        self.architecture = backbone.architecture
        self.kernels = {
            name: torch.from_numpy(kernel).contiguous(memory_format=torch.channels_last)
            for name, kernel in backbone.kernels.items()
        }
        self.biases = {name: torch.from_numpy(bias) for name, bias in backbone.biases.items()}

    def embed(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 224, 224, 3) RGB to (n, 2048)."""
        import torch

        with torch.inference_mode():
            x = torch.relu_(self._convolve(self._preprocess(batch), "conv1", stride=2, padding=3))  # (n, 64, 112, 112)
            x = torch.max_pool2d(x, 3, 2, padding=1)
            for stage, depth in enumerate(self.architecture.depths, start=1):
                for block in range(depth):
                    x = self._bottleneck(x, f"layer{stage}.{block}", stride=2 if stage > 1 and block == 0 else 1)
            embeddings: NDArray[np.float32] = x.mean((2, 3)).numpy()  # (n, 2048, 7, 7) to (n, 2048)
        return embeddings

    def _preprocess(self, batch: NDArray[np.uint8]) -> "Tensor":
        """(n, h, w, 3) bytes to (n, 3, h, w), laid out with the channels last."""
        import torch

        wanted = self.architecture.preprocessing
        rgb = torch.from_numpy(batch[..., wanted.channels]).float()
        return ((rgb - torch.tensor(wanted.mean)) / torch.tensor(wanted.deviation)).permute(0, 3, 1, 2)

    def _bottleneck(self, x: "Tensor", name: str, *, stride: int) -> "Tensor":
        import torch

        first, second = (stride, 1) if self.architecture.strides_first else (1, stride)
        widens = f"{name}.downsample.0" in self.kernels
        shortcut = self._convolve(x, f"{name}.downsample.0", stride=stride) if widens else x
        x = torch.relu_(self._convolve(x, f"{name}.conv1", stride=first))
        x = torch.relu_(self._convolve(x, f"{name}.conv2", stride=second, padding=1))
        return torch.relu_(self._convolve(x, f"{name}.conv3") + shortcut)

    def _convolve(self, x: "Tensor", name: str, *, stride: int = 1, padding: int = 0) -> "Tensor":
        import torch

        return torch.conv2d(x, self.kernels[name], self.biases[name], stride, padding)


def _network(name: str, sha256: str) -> Network:
    with _loading:
        return _load(name, sha256)


@cache
def _load(name: str, sha256: str) -> Network:
    return Network(backbones.load(name, sha256))
