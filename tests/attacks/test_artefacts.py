"""Weights and regressors exchanged for ones that carry code: nothing of it runs."""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from scoring.models import Regressor
from scoring.network.backbones import _read
from scoring.platform import blobs
from scoring.regressor import regressors
from scoring.regressor.regressors import FACTS, ArtefactError
from scoring.weights import weight_files
from tests.scoring.builders import make_fitted


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def exchanged(data: bytes) -> Regressor:
    """Return a row as an attacker makes it who can write to the storage and the database."""
    row = regressors.save(make_fitted(seed=91), study="acne", provenance={})
    sha256 = hashlib.sha256(data).hexdigest()
    blobs.write(f"regressors/{sha256}.safetensors", data)
    Regressor.objects.filter(pk=row.pk).update(artefact=f"regressors/{sha256}.safetensors", artefact_sha256=sha256)
    row.refresh_from_db()
    return row


def packed(facts: object) -> bytes:
    """Return an artefact whose JSON says something of the attacker's."""
    text = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
    return safetensors.numpy.save({FACTS: text})


@pytest.mark.django_db
def test_a_pickle_in_a_regressors_place_does_not_run(tmp_path: Path) -> None:
    row = exchanged(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(ArtefactError, match="Retrain"):
        regressors.load(row)
    assert not (tmp_path / "ran").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "facts",
    [
        "no object",
        {"scale": [1, 5], "kind": "os.system", "recipe": {}, "half_width": None, "familiarity": None},
        {"scale": [1, 5], "kind": "head", "recipe": {"name": "x"}, "half_width": None, "familiarity": None},
        {"scale": "1 to 5", "kind": "head"},
    ],
)
def test_an_artefact_that_says_something_else_is_refused(facts: object) -> None:
    with pytest.raises(ArtefactError, match="Retrain"):
        regressors.load(exchanged(packed(facts)))


def test_a_pickle_in_the_weights_place_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "resnet152-394f9c45.pth"
    torch.save({"conv1.weight": Bomb(tmp_path / "ran")}, path)
    with pytest.raises(pickle.UnpicklingError, match=r"[Ww]eights"):
        _read(path)
    assert not (tmp_path / "ran").exists()


def test_other_weights_than_the_known_ones_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    torch.save({"conv1.weight": Bomb(tmp_path / "ran")}, tmp_path / "resnet152-394f9c45.pth")
    with pytest.raises(weight_files.WeightsError, match="SHA-256 must begin with"):
        weight_files.backbone_sha256("resnet152")
    assert not (tmp_path / "ran").exists()
