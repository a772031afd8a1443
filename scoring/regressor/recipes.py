"""Recipes: geometry, backbone, weights and estimator of a score, stored with every artefact. [core]"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from scoring.weights import weight_files

# Part of every feature key: raise it when the same recipe would give other embeddings, or files of another kind.
FEATURE_VERSION = 3


@dataclass(frozen=True)
class Recipe:
    """Two recipes that are equal score a selfie alike."""

    name: str
    geometry: str  # how patches are cut
    backbone: str
    backbone_sha256: str  # of its weight file
    estimator: str
    aggregate: (
        str  # how patches become the image: "mean" of their scores, or a pooling of scoring/regressor/pipeline.py
    )

    @property
    def feature_key(self) -> str:
        """What embeddings depend on, and only that: recipes that share it share their stored embeddings."""
        parts = [FEATURE_VERSION, self.geometry, weight_files.LANDMARKS.sha256, self.backbone, self.backbone_sha256]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return f"{self.geometry}-{self.backbone}-{digest[:16]}"

    def as_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Raises TypeError if a field is missing or unknown."""
        return cls(**fields)


def ms2019(backbone: str = "resnet50") -> Recipe:
    """The published study's recipe on the weights installed here. Raises weights.WeightsError if there are none."""
    return Recipe(
        name="ms2019",
        geometry="ms2019",
        backbone=backbone,
        backbone_sha256=weight_files.backbone_sha256(backbone),
        estimator="MLPRegressor(1024, 512, 256)",
        aggregate="mean",
    )


# Our own see a face as a whole: name -> how its patches are pooled (scoring/regressor/pipeline.py), and the estimator
# (training/fitting/estimators.py), which is fitted on that.
FACES = {
    "face_ridge": ("mean embedding", "ridge regression on the mean"),
    "face_root": ("root of the mean embedding", "ridge regression on the root of the mean"),
    "face_calibrated": ("root of the mean embedding", "face_root, stretched as left-out faces ask for"),
    "face_readers": ("root of the mean embedding", "face_root on grades without what their readers add"),
    "face_kernel": ("root of the mean embedding", "kernel ridge regression, Gaussian kernel"),
    "face_gaussian": ("root of the mean embedding", "Gaussian process, linear and Gaussian kernel"),
    "face_blend": ("root of the mean embedding", "mean of face_root, face_kernel and face_gaussian"),
}


def faces(backbone: str = "resnet50") -> dict[str, Recipe]:
    """Return our own recipes by name. Raises weights.WeightsError."""
    published = ms2019(backbone)
    return {
        name: replace(published, name=name, estimator=estimator, aggregate=pooling)
        for name, (pooling, estimator) in FACES.items()
    }


def upright(recipe: Recipe) -> Recipe:
    """The same recipe on our own geometry, scoring/photograph/upright_patches.py."""
    return replace(recipe, name=f"{recipe.name} on upright2026", geometry="upright2026")
