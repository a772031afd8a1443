"""Provenance of a run: seeds, library versions, and a hash of the code."""

import hashlib
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from labeler.models import Study
from training.fitting.model_selection import REPEATS

# Whichever of them are installed: dlib and OpenCV come as more than one package.
LIBRARIES = {"dlib", "dlib-bin", "numpy", "onnxruntime", "opencv-python", "opencv-python-headless", "pillow"}
LIBRARIES |= {"scikit-learn", "scipy", "torch"}
PACKAGES = ("scoring", "labeler", "training")


def of_run(study: Study) -> dict[str, Any]:
    return {
        "seed": study.seed,
        "seeds": list(range(study.seed, study.seed + REPEATS)),
        "libraries": libraries(),
        "code_sha256": code_sha256(),
    }


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
