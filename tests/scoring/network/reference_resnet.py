"""A ResNet in plain torch modules with torchvision's names, written apart from `features` to hold it against."""

import torch
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 and a shortcut."""

    def __init__(self, channels: int, width: int, stride: int, *, strides_first: bool) -> None:
        super().__init__()
        first, second = (stride, 1) if strides_first else (1, stride)
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, first, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != 4 * width:
            shortcut = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(nn.Module):
    """(n, 3, 224, 224), preprocessed, to (n, 2048); `fc` is there for its name only."""

    def __init__(self, depths: tuple[int, ...], *, strides_first: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64)
        channels = 64
        for index, depth in enumerate(depths):
            blocks = []
            for block in range(depth):
                stride = 2 if index and not block else 1
                blocks.append(Bottleneck(channels, 64 * 2**index, stride, strides_first=strides_first))
                channels = 256 * 2**index
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
        for index in range(1, 5):
            x = self.get_submodule(f"layer{index}")(x)
        return x.mean((2, 3))


def random_state_dict(network: nn.Module) -> dict[str, Tensor]:
    """Return weights that keep the signal's size through 152 layers."""
    generator = torch.Generator().manual_seed(152)
    tensors = network.state_dict()
    for name, tensor in tensors.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.ndim == 4:
            tensor.normal_(0, (1 / tensor[0].numel()) ** 0.5, generator=generator)
        elif tensor.is_floating_point():
            tensor.uniform_(0.2, 0.6, generator=generator)
    return tensors
