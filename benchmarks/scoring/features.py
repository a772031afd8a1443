"""How fast patches become embeddings, beside plain torch eager and beside what the machine's sgemm allows.

    python -m benchmarks.scoring.features [--backbone resnet50] [--rounds 9] [--one-thread]

"Eager" is the network as anybody would write it in torch: modules, their norms apart, float32. In every round each
variant embeds the same batch once, and one large product of matrices is timed; shown are medians of the rounds' ratios,
because other programs change the speed from one minute to the next. Where they keep the cores busy, `--one-thread`
counts the processor time of one thread instead. The weights are random: they don't change the time.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from scoring.network import backbones, cpu_cores, onnx_graph
from scoring.network.backbones import Backbone
from scoring.network.embedder import SIDE
from scoring.network.onnx_network import OnnxNetwork
from scoring.network.torch_network import TorchNetwork
from tests.scoring.network.reference_resnet import ResNet, random_state_dict

BATCHES = (1, 8, 32)
MATRIX = 2048  # side of the matrices whose product is the measure: 17 GFLOP
Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Round = dict[str, float]  # variant -> seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", choices=sorted(backbones.ARCHITECTURES), default="resnet50")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--one-thread", action="store_true")
    options = parser.parse_args()
    if options.one_thread:
        os.environ["EMBEDDING_PROCESSES"] = str(cpu_cores.usable())
    clock = time.process_time if options.one_thread else time.perf_counter
    torch.set_num_threads(cpu_cores.share())
    eager, backbone = _make(options.backbone)
    flops = _flops(eager)
    print(f"{options.backbone}, {flops / 1e9:.2f} GFLOP a patch, {cpu_cores.share()} threads, {options.rounds} rounds")
    variants: dict[str, Embed] = {"eager": partial(_eager, eager, backbone), "torch": TorchNetwork(backbone).embed}
    variants["onnx"] = OnnxNetwork(onnx_graph.build(backbone)).embed
    for size in BATCHES:
        _show(size, flops, [_round(variants, size, start, clock) for start in range(options.rounds + 1)][1:])


def _make(name: str) -> tuple[ResNet, Backbone]:
    architecture = backbones.ARCHITECTURES[name]
    network = ResNet(architecture.depths, strides_first=architecture.strides_first).eval()
    network.load_state_dict(random_state_dict(network))
    unused = ("fc.", "num_batches_tracked")
    tensors = {key: tensor.numpy() for key, tensor in network.state_dict().items() if not any(u in key for u in unused)}
    return network, backbones.assemble(architecture, tensors)


def _flops(network: ResNet) -> int:
    """Return what one patch takes: the convolutions' multiplications and additions."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, SIDE, SIDE))
    return int(counter.get_total_flops())


def _eager(network: ResNet, backbone: Backbone, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    wanted = backbone.architecture.preprocessing
    with torch.inference_mode():
        rgb = torch.from_numpy(batch[..., wanted.channels]).permute(0, 3, 1, 2).float()
        mean, deviation = (torch.tensor(one).view(3, 1, 1) for one in (wanted.mean, wanted.deviation))
        embeddings: NDArray[np.float32] = network((rgb - mean) / deviation).numpy()
    return embeddings


def _round(variants: dict[str, Embed], size: int, start: int, clock: Callable[[], float]) -> Round:
    """Time each variant once, beginning with another one every time."""
    batch = np.random.default_rng(start).integers(0, 256, (size, SIDE, SIDE, 3), dtype=np.uint8)
    acts: dict[str, Callable[[], Any]] = {name: partial(embed, batch) for name, embed in variants.items()}
    acts["sgemm"] = partial(torch.mm, *torch.rand(2, MATRIX, MATRIX))
    names = list(acts)
    return {name: _seconds(acts[name], clock) for name in names[start % len(names) :] + names[: start % len(names)]}


def _seconds(act: Callable[[], Any], clock: Callable[[], float]) -> float:
    start = clock()
    act()
    return clock() - start


def _show(size: int, flops: int, rounds: Sequence[Round]) -> None:
    peak = statistics.median(2 * MATRIX**3 / one["sgemm"] for one in rounds)
    print(f"batch {size}: sgemm {peak / 1e9:.0f} GFLOP/s")
    for name in (name for name in rounds[0] if name != "sgemm"):
        rate = statistics.median(size / one[name] for one in rounds)
        ratios = [one["eager"] / one[name] for one in rounds]
        share = statistics.median(size * flops * one["sgemm"] / (2 * MATRIX**3 * one[name]) for one in rounds)
        print(
            f"  {name:6} {rate:5.1f} patches/s, {statistics.median(ratios):.2f} times eager "
            f"({min(ratios):.2f} to {max(ratios):.2f}), {share:.0%} of sgemm"
        )


if __name__ == "__main__":
    main()
