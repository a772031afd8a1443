"""What a regressor was made with: labels, seeds, versions of libraries, and a hash of the code."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from training.fitting.model_selection import REPEATS
from training.models import TrainingRun

# Whichever of them are installed: dlib and OpenCV come as more than one package.
LIBRARIES = {"dlib", "dlib-bin", "numpy", "onnxruntime", "opencv-python", "opencv-python-headless", "pillow"}
LIBRARIES |= {"scikit-learn", "scipy", "torch"}
PACKAGES = ("scoring", "labeler", "training")


@dataclass(frozen=True)
class Provenance:
    """What tells whether another regressor comes out the same."""

    run: int
    recipe: str
    label_snapshot: str  # hash of the current labels
    seed: int
    seeds: tuple[int, ...]  # the one that may be published first
    libraries: dict[str, str]  # name -> version
    code_sha256: str


def of_run(run: TrainingRun, *, recipe: str, label_snapshot: str) -> Provenance:
    """Return what a run that fits here and now makes its regressor with."""
    seeds = tuple(range(run.study.seed, run.study.seed + REPEATS))
    return Provenance(run.pk, recipe, label_snapshot, run.study.seed, seeds, libraries(), code_sha256())


def libraries() -> dict[str, str]:
    return {package.name: package.version for package in distributions() if package.name in LIBRARIES}


@cache
def code_sha256() -> str:
    """Return the hash of every file of our own code, by name: there is no git where the site is installed."""
    root = Path(__file__).resolve().parents[2]
    code = hashlib.sha256()
    for path in sorted(path for package in PACKAGES for path in (root / package).rglob("*.py")):
        code.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return code.hexdigest()
