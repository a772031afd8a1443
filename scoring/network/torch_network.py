"""A backbone run by torch: the reference for the other runtimes, and the one for a GPU."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scoring.network.backbones import Backbone

if TYPE_CHECKING:
    from torch import Tensor

NVIDIA = Path("/dev/nvidiactl")  # the driver's: looked for first, because loading torch only to ask takes seconds


@cache
def has_gpu() -> bool:
    """Whether torch is installed and finds a GPU. `make demo` and the image do without torch."""
    if not NVIDIA.exists() or find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


class TorchNetwork:
    """Channels last, which with the folded norms is 1.1 to 1.35 times plain torch on a CPU."""

    def __init__(self, backbone: Backbone, *, device: str = "cpu") -> None:
        import torch

        torch.backends.cudnn.allow_tf32 = False  # its 10 bits of mantissa would be 1e-3 off
        self.architecture, self.device = backbone.architecture, device
        self.kernels = {
            name: torch.from_numpy(kernel).to(device).contiguous(memory_format=torch.channels_last)
            for name, kernel in backbone.kernels.items()
        }
        self.biases = {name: torch.from_numpy(bias).to(device) for name, bias in backbone.biases.items()}

    def embed(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 224, 224, 3) RGB to (n, 2048)."""
        import torch

        with torch.inference_mode():
            x = torch.relu_(self._convolve(self._preprocess(batch), "conv1", stride=2, padding=3))  # (n, 64, 112, 112)
            x = torch.max_pool2d(x, 3, 2, padding=1)
            for stage, depth in enumerate(self.architecture.depths, start=1):
                for block in range(depth):
                    x = self._bottleneck(x, f"layer{stage}.{block}", stride=2 if stage > 1 and block == 0 else 1)
            embeddings: NDArray[np.float32] = x.mean((2, 3)).cpu().numpy()  # (n, 2048, 7, 7) to (n, 2048)
        return embeddings

    def _preprocess(self, batch: NDArray[np.uint8]) -> "Tensor":
        """(n, h, w, 3) bytes to (n, 3, h, w), laid out with the channels last."""
        import torch

        wanted = self.architecture.preprocessing
        rgb = torch.from_numpy(batch[..., wanted.channels]).to(self.device).float()
        mean, deviation = (torch.tensor(values, device=self.device) for values in (wanted.mean, wanted.deviation))
        return ((rgb - mean) / deviation).permute(0, 3, 1, 2)

    def _bottleneck(self, x: "Tensor", name: str, *, stride: int) -> "Tensor":
        import torch

        first, second = self.architecture.strides(stride)
        widens = f"{name}.downsample.0" in self.kernels
        shortcut = self._convolve(x, f"{name}.downsample.0", stride=stride) if widens else x
        x = torch.relu_(self._convolve(x, f"{name}.conv1", stride=first))
        x = torch.relu_(self._convolve(x, f"{name}.conv2", stride=second, padding=1))
        return torch.relu_(self._convolve(x, f"{name}.conv3") + shortcut)

    def _convolve(self, x: "Tensor", name: str, *, stride: int = 1, padding: int = 0) -> "Tensor":
        import torch

        return torch.conv2d(x, self.kernels[name], self.biases[name], stride, padding)
