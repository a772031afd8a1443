"""Weights and regressors that somebody exchanged for ones that carry code: nothing of it runs."""

import hashlib
import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from scoring import blobs, regressors, weights
from scoring.backbones import _read
from scoring.models import Regressor
from scoring.regressors import ArtefactError
from tests.scoring.builders import make_fitted


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def exchanged(data: bytes) -> Regressor:
    """Return the row of somebody who may write to the storage and to the database too."""
    row = regressors.save(make_fitted(seed=91), study="acne", provenance={})
    sha256 = hashlib.sha256(data).hexdigest()
    blobs.write(f"regressors/{sha256}.skops", data)
    Regressor.objects.filter(pk=row.pk).update(artefact=f"regressors/{sha256}.skops", artefact_sha256=sha256)
    row.refresh_from_db()
    return row


def repacked(schema: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("schema.json", schema)
    return stream.getvalue()


@pytest.mark.django_db
def test_a_pickle_in_a_regressors_place_does_not_run(tmp_path: Path) -> None:
    row = exchanged(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises((ArtefactError, zipfile.BadZipFile)):
        regressors.load(row)
    assert not (tmp_path / "ran").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "module", "name"),
    [
        ("FunctionNode", "os", "system"),
        ("TypeNode", "subprocess", "Popen"),
        ("ObjectNode", "posixpath", "join"),
        ("MethodNode", "os", "system"),
        ("OperatorFuncNode", "operator", "methodcaller"),
    ],
)
def test_a_type_that_is_not_known_to_be_harmless_is_not_made(kind: str, module: str, name: str) -> None:
    content = f'"content": {{"module_path": "{module}", "function": "{name}"}}, "attrs": {{}}, "obj": {{}}'
    schema = f'{{"__class__": "{name}", "__module__": "{module}", "__loader__": "{kind}", "__id__": 1, {content},'
    row = exchanged(repacked(schema + ' "protocol": 2, "_skops_version": "0.16.0"}'))
    with pytest.raises(Exception) as refused:  # noqa: PT011  skops has a dozen ways to say no
        regressors.load(row)
    assert not isinstance(refused.value, AssertionError)


def test_a_pickle_in_the_weights_place_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "resnet152-394f9c45.pth"
    torch.save({"conv1.weight": Bomb(tmp_path / "ran")}, path)
    with pytest.raises(pickle.UnpicklingError, match=r"[Ww]eights"):
        _read(path)
    assert not (tmp_path / "ran").exists()


def test_other_weights_than_the_known_ones_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    torch.save({"conv1.weight": Bomb(tmp_path / "ran")}, tmp_path / "resnet152-394f9c45.pth")
    with pytest.raises(weights.WeightsError, match="SHA-256 must begin with"):
        weights.backbone_sha256("resnet152")
    assert not (tmp_path / "ran").exists()
